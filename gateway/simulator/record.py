"""What a call left behind, raw: the numbers and the audio from which its report is made. PURE."""

from dataclasses import dataclass, field
from typing import Literal

from gateway.simulator.codes import Fault
from gateway.simulator.playout import Spurt

EndedBy = Literal["caller", "gateway", "twilio"]
Ending = Literal[
    "caller_hung_up",
    "rest_completed",
    "rest_canceled",
    "twiml_hangup",
    "twiml_exhausted",
    "rejected",
    "webhook_failed",
    "stream_reset",
    "time_limit",
    "busy",
    "no_answer",
    "unreachable",
]
ENDED_BY: dict[Ending, EndedBy] = {
    "caller_hung_up": "caller",
    "rest_completed": "gateway",
    "rest_canceled": "gateway",
    "twiml_hangup": "gateway",
    "twiml_exhausted": "gateway",
    "rejected": "gateway",
    "webhook_failed": "gateway",
    "stream_reset": "twilio",
    "time_limit": "twilio",
    "busy": "caller",
    "no_answer": "caller",
    "unreachable": "twilio",
}


@dataclass(frozen=True, slots=True)
class Cut:
    """A line with which the caller cut in, in samples from the stream's start: its first, and one past its
    last.
    """

    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One media stream. Positions are samples at 8 kHz on the caller's clock.

    Attributes:
        origin_s: the loop's time at sample 0: the instant ``start`` was sent.
        samples: length of the stream.
        heard: µ-law the caller heard, one byte a sample; empty when not kept.
        spoken: µ-law the caller sent, from ``spoken_offset`` on; empty when not kept.
        cuts: where the caller cut in.
        buffered: bytes that waited to be heard when the stream ended.
        flushed: bytes that ``clear`` dropped.
        faults: Twilio's codes, each once.
        first_sound: where the agent was first audible; None: never.
        late_ms: how far our own frames left behind their time at worst: this machine's fault.
    """

    origin_s: float
    samples: int
    spurts: tuple[Spurt, ...]
    heard: bytes
    spoken: bytes
    spoken_offset: int
    cuts: tuple[Cut, ...]
    buffered: int
    flushed: int
    received: int
    clears: int
    frames: int
    dropped_frames: int
    messages: int
    marks: int
    marks_echoed: int
    faults: tuple[Fault, ...]
    first_sound: int | None = None
    late_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call.

    Attributes:
        answer_ms: voice webhook sent to its TwiML read; None when it failed.
        setup_ms: voice webhook sent to ``start`` sent; None without a stream.
        verbs: TwiML verbs in the order they ran.
        missed: the caller's steps whose deadline passed.
        faults: Twilio's codes outside the streams.
        tone: frequency and samples of the tone the caller sent, if it sent one.
    """

    call_sid: str
    ending: Ending
    answer_ms: float | None
    setup_ms: float | None
    duration_s: float
    verbs: tuple[str, ...]
    streams: tuple[StreamRecord, ...]
    missed: tuple[str, ...]
    faults: tuple[Fault, ...]
    tone: tuple[float, int] | None = None

    @property
    def ended_by(self) -> EndedBy:
        """Who ended the call."""
        return ENDED_BY[self.ending]


@dataclass(slots=True)
class CallNotes:
    """A call's record in the making. Lives as long as its call; times are the loop's, in seconds."""

    asked_s: float | None = None
    answer_ms: float | None = None
    setup_ms: float | None = None
    verbs: list[str] = field(default_factory=list)
    streams: list[StreamRecord] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def asked(self, now: float) -> bool:
        """Note that a webhook was asked for TwiML; tell whether it was the first time."""
        first = self.asked_s is None
        if self.asked_s is None:
            self.asked_s = now
        return first

    def told(self, now: float) -> None:
        """Note the first TwiML."""
        if self.answer_ms is None and self.asked_s is not None:
            self.answer_ms = (now - self.asked_s) * 1_000

    def streamed(self, now: float) -> None:
        """Note the first ``start``; a call that came with its TwiML has no set-up time."""
        if self.setup_ms is None and self.asked_s is not None:
            self.setup_ms = (now - self.asked_s) * 1_000

    def freeze(
        self,
        call_sid: str,
        ending: Ending,
        duration_s: float,
        missed: tuple[str, ...],
        tone: tuple[float, int] | None,
    ) -> CallRecord:
        """Make the record."""
        return CallRecord(
            call_sid=call_sid,
            ending=ending,
            answer_ms=self.answer_ms,
            setup_ms=self.setup_ms,
            duration_s=duration_s,
            verbs=tuple(self.verbs),
            streams=tuple(self.streams),
            missed=missed,
            faults=tuple(self.faults),
            tone=tone,
        )
