"""What a good call must keep, and whether this one did. PURE."""

from dataclasses import dataclass, replace
from typing import Final

from gateway.simulator.codes import NOISE
from gateway.simulator.record import EndedBy, Ending
from gateway.simulator.report import CallReport, Promise

TRUSTED_LATE_MS: Final = 60.0  # about the cushion of a gateway: beyond it our own stall is heard as its gap
_TURNED_AWAY: Final[frozenset[Ending]] = frozenset(
    {"rejected", "rest_canceled", "stream_reset", "busy", "no_answer", "unreachable"}
)


@dataclass(frozen=True, slots=True)
class Limits:
    """The numbers a call is held to; None: not judged.

    Attributes:
        setup_ms: voice webhook to ``start``.
        heard: whether the agent must have been audible at all; not asked of a caller turned away, nor where
            nothing was recorded.
        first_audio_ms: ``start`` to the first audible moment.
        barge_in_ms: first interrupting sample sent to last agent sample heard; an interruption of nothing
            breaks it.
        tail_lost_ms: audio lost when the gateway ended the call.
        ended_by: who should end it.
        tone_hz: how far the tone may stray.
        tone_samples: how many samples may be missing or too many.
    """

    setup_ms: float | None = 2_000.0
    heard: bool = True
    first_audio_ms: float | None = None
    gaps: int | None = 0
    barge_in_ms: float | None = None
    tail_lost_ms: float | None = 0.0
    ended_by: EndedBy | None = None
    tone_hz: float = 1.0
    tone_sinad_db: float = 34.0
    tone_samples: int = 160


def judge(report: CallReport, limits: Limits) -> CallReport:
    """Return the report with every promise that applies to it."""
    promises = [
        _streamed(report),
        *_times(report, limits),
        *_heard(report, limits),
        *_audio(report, limits),
        *_tone(report, limits),
        *_conduct(report, limits),
    ]
    return replace(report, promises=tuple(_doubted(promise, report.late_ms) for promise in promises))


def _doubted(promise: Promise, late_ms: float) -> Promise:
    if promise.held or not promise.timing or late_ms <= TRUSTED_LATE_MS:
        return promise
    return replace(promise, untrusted=f"this machine was {late_ms:.0f} ms late")


def _at_most(name: str, value: float | None, limit: float | None, unit: str = "ms") -> list[Promise]:
    if limit is None:
        return []
    measured = "never" if value is None else f"{value:.0f} {unit}".rstrip()
    held = value is not None and value <= limit
    return [Promise(name, held, measured, f"{limit:.0f} {unit}".rstrip(), timing=True)]


def _streamed(report: CallReport) -> Promise:
    return Promise("audio streamed", bool(report.streams), f"{len(report.streams)} streams", "at least 1")


def _times(report: CallReport, limits: Limits) -> list[Promise]:
    first = report.streams[0].first_audio_ms if report.streams else None
    return [
        *_at_most("set-up", report.setup_ms, limits.setup_ms),
        *_at_most("first audio", first, limits.first_audio_ms),
    ]


def _heard(report: CallReport, limits: Limits) -> list[Promise]:
    recorded = any(stream.heard for stream in report.record.streams)
    if not limits.heard or not recorded or report.ending in _TURNED_AWAY:
        return []
    audible_ms = sum(talk.stop_ms - talk.start_ms for stream in report.streams for talk in stream.talk or ())
    return [Promise("the agent was heard", audible_ms > 0, f"{audible_ms / 1000:.1f} s", "anything")]


def _audio(report: CallReport, limits: Limits) -> list[Promise]:
    gaps = sum(len(stream.gaps_ms) for stream in report.streams)
    cut_ins = [value for stream in report.streams for value in stream.barge_in_ms]
    promises = _at_most("gaps in the agent's speech", gaps, limits.gaps, "") if report.streams else []
    promises += _barge_in(cut_ins, limits.barge_in_ms)
    if report.streams and report.ended_by == "gateway":
        lost = report.streams[-1].tail_lost_ms
        promises += _at_most("last words heard", lost, limits.tail_lost_ms, "ms lost")
    return promises


def _barge_in(cut_ins: list[float | None], limit_ms: float | None) -> list[Promise]:
    """Judge the slowest; a caller who cut into silence has proved nothing."""
    if not cut_ins or limit_ms is None:
        return []
    known = [value for value in cut_ins if value is not None]
    if len(known) < len(cut_ins):
        return [Promise("barge-in to silence", False, "nothing was interrupted", f"{limit_ms:.0f} ms", True)]
    return _at_most("barge-in to silence", max(known), limit_ms)


def _tone(report: CallReport, limits: Limits) -> list[Promise]:
    sent = report.record.tone
    if sent is None or not report.record.streams or not report.record.streams[0].heard:
        return []
    hz, samples = sent
    found = report.tone
    if found is None:
        return [Promise("tone came back", False, "no tone", f"{hz:.0f} Hz")]
    off_hz, off_samples = abs(found.hz - hz), abs(found.samples - samples)
    faults = found.holes + found.clicks + found.phase_jumps
    return [
        Promise("tone frequency", off_hz <= limits.tone_hz, f"{found.hz:.2f} Hz", f"{hz:.0f} Hz"),
        Promise(
            "tone SINAD",
            found.sinad_db >= limits.tone_sinad_db,
            f"{found.sinad_db:.1f} dB",
            f"at least {limits.tone_sinad_db:.0f} dB",
            timing=True,
        ),
        Promise(
            "tone length",
            off_samples <= limits.tone_samples,
            f"{found.samples} samples",
            f"{samples} ± {limits.tone_samples}",
            timing=True,
        ),
        Promise("tone unbroken", not faults, f"{faults} holes, clicks, jumps", "0", timing=True),
    ]


def _conduct(report: CallReport, limits: Limits) -> list[Promise]:
    serious = [fault.code for fault in report.faults if fault.code not in NOISE]
    promises = [
        Promise("no Twilio errors", not serious, ", ".join(map(str, serious)) or "none", "none"),
        Promise("script kept", not report.missed, "; ".join(report.missed) or "every step", "every step"),
    ]
    if limits.ended_by is not None:
        held = report.ended_by == limits.ended_by
        promises.append(Promise("ended by", held, report.ended_by, limits.ended_by))
    return promises
