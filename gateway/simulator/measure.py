"""Measure a call on what was heard, never on the wire. PURE."""

from typing import Final

from gateway.audio import ulaw
from gateway.simulator import hearing, tone
from gateway.simulator.ear import BLOCK_MS, talks
from gateway.simulator.promises import Limits, judge
from gateway.simulator.record import CallRecord, StreamRecord
from gateway.simulator.report import CallReport, StreamReport

_SAMPLES_PER_MS: Final = 8


def make(record: CallRecord, limits: Limits) -> CallReport:
    """Measure a call and judge it."""
    streams = tuple(_stream(stream) for stream in record.streams)
    found = _tone(record)
    faults = (*record.faults, *(fault for stream in record.streams for fault in stream.faults))
    draft = CallReport(
        call_sid=record.call_sid,
        ending=record.ending,
        ended_by=record.ended_by,
        answer_ms=record.answer_ms,
        setup_ms=record.setup_ms,
        duration_s=record.duration_s,
        verbs=record.verbs,
        after_stream=_after_stream(record.verbs),
        streams=streams,
        missed=record.missed,
        faults=faults,
        tone=found,
        late_ms=max((stream.late_ms for stream in record.streams), default=0.0),
        promises=(),
        record=record,
    )
    return judge(draft, limits)


def _after_stream(verbs: tuple[str, ...]) -> str | None:
    if "Connect" not in verbs:
        return None
    rest = verbs[verbs.index("Connect") + 1 :]
    return rest[0] if rest else None


def _tone(record: CallRecord) -> tone.ToneMatch | None:
    if record.tone is None or not record.streams or not record.streams[0].heard:
        return None
    return tone.match(ulaw.decode(record.streams[0].heard), record.tone[0])


def _stream(record: StreamRecord) -> StreamReport:
    agent = hearing.agent_blocks(record) if record.heard else None
    caller = hearing.caller_blocks(record)
    return StreamReport(
        origin_s=record.origin_s,
        length_ms=record.samples // _SAMPLES_PER_MS,
        first_audio_ms=None if record.first_sound is None else record.first_sound // _SAMPLES_PER_MS,
        talk=None if agent is None else talks(agent),
        turns=record.spurts,
        gaps_ms=tuple((gap.stop - gap.start) / 8 for spurt in record.spurts for gap in spurt.gaps),
        pauses_ms=None if agent is None else hearing.pauses_ms(agent, caller),
        talk_over_ms=None if agent is None else int((agent & caller).sum()) * BLOCK_MS,
        barge_in_ms=hearing.barge_in_ms(record),
        tail_lost_ms=record.buffered / _SAMPLES_PER_MS,
        frames_sent=record.frames,
        frames_dropped=record.dropped_frames,
        messages_received=record.messages,
        marks=record.marks,
        marks_echoed=record.marks_echoed,
        clears=record.clears,
        faults=record.faults,
    )
