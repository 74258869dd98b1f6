"""Records of calls as tests need them: one that went well, changed where the test says so."""

from dataclasses import replace
from typing import Any

from gateway.audio import ulaw
from gateway.simulator.caller import sine
from gateway.simulator.measure import make
from gateway.simulator.playout import Spurt
from gateway.simulator.promises import Limits
from gateway.simulator.record import CallRecord, StreamRecord
from gateway.simulator.report import CallReport

SILENT = b"\xff" * 8_000
SPEECH = ulaw.encode(sine(440, 8_000, -20))

STREAM = StreamRecord(
    origin_s=100.0,
    samples=24_000,
    spurts=(Spurt(8_000, 16_000, (), "mark"),),
    heard=SILENT + SPEECH + SILENT,
    spoken=SPEECH + SILENT + SILENT,
    spoken_offset=0,
    cuts=(),
    buffered=0,
    flushed=0,
    received=8_000,
    clears=0,
    frames=150,
    dropped_frames=0,
    messages=11,
    marks=1,
    marks_echoed=1,
    faults=(),
    first_sound=8_000,
)
CALL = CallRecord(
    call_sid="CA" + "1" * 32,
    ending="caller_hung_up",
    answer_ms=3.0,
    setup_ms=8.0,
    duration_s=3.0,
    verbs=("Connect",),
    streams=(STREAM,),
    missed=(),
    faults=(),
)


def report_of(
    limits: Limits | None = None, *, stream: dict[str, Any] | None = None, **call: Any
) -> CallReport:
    """Report on the good call with other values in its record and its stream."""
    streams = call.pop("streams", (replace(STREAM, **(stream or {})),))
    return make(replace(CALL, streams=streams, **call), limits or Limits())


def broken(report: CallReport) -> list[str]:
    """Name the promises that did not hold."""
    return [promise.name for promise in report.promises if not promise.held]
