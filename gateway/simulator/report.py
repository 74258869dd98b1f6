"""What the caller experienced: the report of a call, for programs and for people. PURE."""

from dataclasses import asdict, dataclass
from typing import Any

from gateway.simulator.codes import NOISE, Fault
from gateway.simulator.ear import Talk
from gateway.simulator.playout import Spurt
from gateway.simulator.record import CallRecord, EndedBy, Ending
from gateway.simulator.tone import ToneMatch


@dataclass(frozen=True, slots=True)
class Promise:
    """One thing that was to hold.

    Attributes:
        measured: with its unit, for people.
        limit: with its unit, for people.
        timing: whether our own lateness can break it.
        untrusted: why a broken promise proves nothing; empty where it does.
    """

    name: str
    held: bool
    measured: str
    limit: str
    timing: bool = False
    untrusted: str = ""

    def __str__(self) -> str:
        doubt = f", untrusted: {self.untrusted}" if self.untrusted else ""
        return f"{self.name}: {self.measured} (limit {self.limit}){doubt}"


@dataclass(frozen=True, slots=True)
class StreamReport:
    """One media stream; times in milliseconds from its ``start``, None where only a recording could tell.

    Attributes:
        origin_s: the loop's time of millisecond 0, to compare with other clocks of the process.
        first_audio_ms: when the agent was first audible to the caller; None: never.
        talk: audible speech of the agent, pauses of up to 300 ms included.
        turns: the agent's turns as they were played, with their underruns.
        gaps_ms: each underrun's length: the playout buffer ran dry inside a turn.
        pauses_ms: each silence of more than 200 ms heard inside the agent's speech, whatever made it; no
            promise depends on it, for people pause too.
        talk_over_ms: how long both were audible at once.
        barge_in_ms: for each time the caller cut in, from its first sample to the agent's last: speech that
            restarts while the caller still speaks counts. None: the agent was not speaking, nothing was
            interrupted.
        tail_lost_ms: audio that still waited when the stream ended.
    """

    origin_s: float
    length_ms: int
    first_audio_ms: int | None
    talk: tuple[Talk, ...] | None
    turns: tuple[Spurt, ...]
    gaps_ms: tuple[float, ...]
    pauses_ms: tuple[int, ...] | None
    talk_over_ms: int | None
    barge_in_ms: tuple[float | None, ...]
    tail_lost_ms: float
    frames_sent: int
    frames_dropped: int
    messages_received: int
    marks: int
    marks_echoed: int
    clears: int
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class CallReport:
    """One call, judged.

    Attributes:
        after_stream: the TwiML verb that ran after the first stream; None: none did.
        faults: Twilio's codes, of the call and its streams.
        late_ms: how far behind their time our own frames left at worst; what broke then may be our doing.
        record: the raw numbers and audio.
    """

    call_sid: str
    ending: Ending
    ended_by: EndedBy
    answer_ms: float | None
    setup_ms: float | None
    duration_s: float
    verbs: tuple[str, ...]
    after_stream: str | None
    streams: tuple[StreamReport, ...]
    missed: tuple[str, ...]
    faults: tuple[Fault, ...]
    tone: ToneMatch | None
    late_ms: float
    promises: tuple[Promise, ...]
    record: CallRecord

    @property
    def kept(self) -> bool:
        """Whether every promise held."""
        return all(promise.held for promise in self.promises)

    @property
    def untrusted(self) -> bool:
        """Whether promises were broken, but only such as our own lateness explains."""
        broken = [promise for promise in self.promises if not promise.held]
        return bool(broken) and all(promise.untrusted for promise in broken)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON: plain values, without the audio."""
        plain = {
            name: getattr(self, name) for name in CallReport.__slots__ if name not in ("record", "promises")
        }
        return {
            **{name: _plain(value) for name, value in plain.items()},
            "promises": [asdict(promise) for promise in self.promises],
            "kept": self.kept,
            "untrusted": self.untrusted,
        }


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return asdict(value) if hasattr(value, "__dataclass_fields__") else value


def human(report: CallReport) -> str:
    """Write the report for people: one thing a line. It may hold brackets: print it without markup."""
    lines = [
        f"call      {report.ending.replace('_', ' ')}{_by(report)}, {report.duration_s:.1f} s",
        f"set-up    {_set_up(report)}",
        f"TwiML     {' > '.join(report.verbs) or 'none'}",
    ]
    for stream in report.streams:
        lines += _stream_lines(stream)
    if report.tone is not None:
        found = report.tone
        lines.append(
            f"tone      {found.hz:.1f} Hz, SINAD {found.sinad_db:.1f} dB, {found.dbfs:.1f} dBFS, "
            f"{found.samples} samples, {found.holes} holes, {found.clicks} clicks"
        )
    lines += [f"twilio    {fault}{' (noise)' if fault.code in NOISE else ''}" for fault in report.faults]
    lines += [f"missed    {step}" for step in report.missed]
    if report.untrusted:
        lines.append(
            f"ourselves WE were {report.late_ms:.0f} ms late: what is broken is no proof against the gateway"
        )
    lines += [f"{'kept' if each.held else 'BROKEN':9} {each}" for each in report.promises]
    return "\n".join(lines)


def _by(report: CallReport) -> str:
    # Whose fault it is that no webhook answered, the report cannot know: the URL may have been wrong.
    return "" if report.ending == "webhook_failed" else f" (by the {report.ended_by})"


def _set_up(report: CallReport) -> str:
    twiml = "no TwiML came" if report.answer_ms is None else f"TwiML in {_ms(report.answer_ms)}"
    if not report.streams:
        return f"no stream, {twiml}"
    return f"{_ms(report.setup_ms)} from webhook to stream ({twiml})"


def _stream_lines(stream: StreamReport) -> list[str]:
    lines = [
        f"heard     first audio {_ms(stream.first_audio_ms)}, {_audible(stream)}",
        f"quality   {len(stream.gaps_ms)} underruns ({sum(stream.gaps_ms):.0f} ms), "
        f"{_ear(stream)}{stream.tail_lost_ms:.0f} ms unheard at the end",
        f"wire      {stream.frames_sent} frames sent ({stream.frames_dropped} dropped), "
        f"{stream.messages_received} messages received, {stream.marks_echoed}/{stream.marks} marks, "
        f"{stream.clears} clears",
    ]
    for value in stream.barge_in_ms:
        fell_silent = "nothing was interrupted" if value is None else f"silence after {_ms(value)}"
        lines.append(f"barge-in  {fell_silent}")
    return lines


def _audible(stream: StreamReport) -> str:
    if stream.talk is None:
        return f"{stream.length_ms / 1000:.1f} s of line, not recorded"
    talked_ms = sum(talk.stop_ms - talk.start_ms for talk in stream.talk)
    return (
        f"agent audible {talked_ms / 1000:.1f} s of {stream.length_ms / 1000:.1f} s "
        f"in {len(stream.talk)} stretches"
    )


def _ear(stream: StreamReport) -> str:
    if stream.pauses_ms is None or stream.talk_over_ms is None:
        return ""
    return (
        f"{len(stream.pauses_ms)} pauses heard ({sum(stream.pauses_ms)} ms), "
        f"{stream.talk_over_ms} ms both at once, "
    )


def _ms(value: float | None) -> str:
    return "never" if value is None else f"{value:.0f} ms"
