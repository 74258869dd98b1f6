"""One media stream as Twilio runs it: frames out on the pacer's beat, our messages checked and played.

Everything happens in the loop's thread and without await, in the order in which it came.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.errors import CallerProtocolError
from gateway.simulator import codes, events
from gateway.simulator.codes import Fault
from gateway.simulator.ear import BLOCK_SAMPLES, THRESHOLD_DBFS
from gateway.simulator.forms import Identity
from gateway.simulator.handset import Handset
from gateway.simulator.playout import Earpiece
from gateway.simulator.record import Cut, StreamRecord
from gateway.simulator.transmitter import Transmitter, Wire
from gateway.simulator.wire import WireClosed
from gateway.twilio import messages

_LEVELS_EVERY_FRAMES: Final = 5
_SAMPLES_PER_MS: Final = 8


@dataclass(frozen=True, slots=True)
class StreamOver:
    """Why a stream stopped carrying audio.

    Attributes:
        closed: the socket's end, when the server or the network made it.
        hung_up: the caller put the phone down.
    """

    closed: WireClosed | None = None
    hung_up: bool = False


class _Grid:
    """Where the microphone's frames lie on the earpiece's clock. Lives as long as its stream.

    Attributes:
        offset: sample at which the first frame was due: the tick that was least late shows it, for the first
            may have been as late as any.
    """

    def __init__(self, position: int) -> None:
        self.offset = position
        self._latest = position

    def note(self, position: int, ticks: int) -> None:
        """Note where the earpiece's clock stands at a tick."""
        offset = max(0, position - ticks * BLOCK_SAMPLES)
        self.offset = min(self.offset, offset)
        self._latest = max(self._latest, offset)

    @property
    def late_ms(self) -> float:
        """How late the latest tick was."""
        return (self._latest - self.offset) / _SAMPLES_PER_MS


class CallerStream:
    """A media stream from Twilio's end. Lives from the socket's opening to its close.

    Args:
        clock: the loop's; the same that the pacer's ``now`` comes from.
        on_over: called once, when the caller hangs up or the socket ends.
    """

    def __init__(
        self,
        identity: Identity,
        stream_sid: str,
        handset: Handset,
        *,
        clock: Callable[[], float],
        on_over: Callable[[StreamOver], None],
        keep_audio: bool = True,
        watch: events.Watcher = events.ignore,
    ) -> None:
        self.stream_sid = stream_sid
        self.faults: Counter[int] = Counter()
        self.details: dict[int, str] = {}
        self.marks = 0
        self.marks_echoed = 0
        self.messages = 0
        self._identity = identity
        self._handset = handset
        self._clock = clock
        self._on_over = on_over
        self._keep_audio = keep_audio
        self._watch = watch
        self._transmitter: Transmitter | None = None
        self._earpiece = Earpiece(clock(), keep_audio=keep_audio)
        self._ticks = 0
        self._mic_frame = 0  # of the handset, when this stream began
        self._grid = _Grid(0)
        self._ear_cursor = 0
        self._over = False
        self._ended_s = 0.0

    def begin(self, wire: Wire, parameters: Mapping[str, str]) -> None:
        """Send ``connected`` and ``start``; frames follow with the next tick."""
        self._transmitter = Transmitter(wire, self._identity, self.stream_sid)
        self._earpiece = Earpiece(self._clock(), keep_audio=self._keep_audio)
        self._mic_frame = self._handset.mic.frames
        self._transmitter.start(parameters)

    def tick(self, now: float) -> None:
        """Do 20 ms: hear, let the caller act, send what is due."""
        transmitter = self._transmitter
        if self._over or transmitter is None:
            return
        position = self._earpiece.position(now)
        if not self._ticks:
            self._grid, self._ear_cursor = _Grid(position), position
        self._grid.note(position, self._ticks)
        if self._handset.listens:
            self._listen(now)
        self._ticks += 1
        payload = self._handset.advance()
        while self._handset.digits:
            transmitter.key(self._handset.digits.popleft())
        deadline = self._earpiece.next_deadline(now)
        if deadline is not None and deadline <= now:
            self._echo(self._earpiece.due_marks(now))
        if not transmitter.frame(payload):
            self._fault(Fault(codes.CALLER_AUDIO_DISCARDED))
        if self._handset.hung_up:
            self._finish(StreamOver(hung_up=True))

    def on_text(self, text: str) -> None:
        """Check one message of the server's as Twilio does, then obey it."""
        if self._over or self._transmitter is None:
            return
        self.messages += 1
        now = self._clock()
        try:
            message = messages.parse_gateway(text, stream_sid=self.stream_sid)
        except CallerProtocolError as error:
            self._fault(Fault(int(error.reason), str(error)))
            return
        match message:
            case messages.Play():
                if not self._earpiece.play(now, message.payload):
                    self._fault(Fault(codes.AUDIO_DISCARDED))
            case messages.SetMark():
                self.marks += 1
                self._earpiece.mark(message.name)
                self._echo(self._earpiece.due_marks(now))
            case messages.Clear():
                self._echo(self._earpiece.clear(now))

    def on_binary(self) -> None:
        """Warn, as Twilio does."""
        self._fault(Fault(codes.MALFORMED_MESSAGE, "a binary frame"))

    def on_closed(self, closed: WireClosed) -> None:
        """Take the socket's end."""
        if closed.fault is not None:
            self._fault(closed.fault)
        self._finish(StreamOver(closed=closed))

    def stop(self) -> None:
        """Send ``stop``: the call, or its TwiML, ended on Twilio's side."""
        if self._over:
            return
        if self._transmitter is not None:
            self._transmitter.stop()
        self.cut_off()

    def cut_off(self) -> None:
        """Go silent without a word, as a crash does: nothing more is sent, heard or obeyed."""
        if not self._over:
            self._over = True
            self._ended_s = self._clock()

    def record(self) -> StreamRecord:
        """Freeze what happened until the stream was over, for the report."""
        now = self._ended_s if self._over else self._clock()
        mic, sent = self._handset.mic, self._transmitter
        return StreamRecord(
            origin_s=self._earpiece.origin_s,
            samples=self._earpiece.position(now),
            first_sound=self._earpiece.first_sound(now),
            spurts=self._earpiece.spurts(now),
            heard=self._earpiece.heard(now) if self._keep_audio else b"",
            spoken=mic.recorded(self._mic_frame),
            spoken_offset=self._grid.offset,
            late_ms=self._grid.late_ms,
            cuts=tuple(self._cut(*cut) for cut in self._handset.cuts if cut[0] >= self._mic_frame),
            buffered=self._earpiece.buffered(now),
            flushed=self._earpiece.flushed_bytes,
            received=self._earpiece.received_bytes,
            clears=self._earpiece.clears,
            frames=sent.frames if sent else 0,
            dropped_frames=sent.dropped_frames if sent else 0,
            messages=self.messages,
            marks=self.marks,
            marks_echoed=self.marks_echoed,
            faults=tuple(Fault(code, self.details[code], count) for code, count in self.faults.items()),
        )

    def _cut(self, frame: int, frames: int) -> Cut:
        start = self._grid.offset + (frame - self._mic_frame) * BLOCK_SAMPLES
        return Cut(start, start + frames * BLOCK_SAMPLES)

    def _listen(self, now: float) -> None:
        reached = self._earpiece.position(now)
        while self._ear_cursor + BLOCK_SAMPLES <= reached:
            stop = self._ear_cursor + BLOCK_SAMPLES
            self._handset.ear.push(self._earpiece.heard_between(self._ear_cursor, stop))
            self._ear_cursor = stop
        if self._watch is not events.ignore and self._ticks % _LEVELS_EVERY_FRAMES == 0:
            self._watch(self._levels())

    def _levels(self) -> events.Levels:
        ear = self._handset.ear
        return events.Levels(
            self._identity.call_sid,
            at_ms=self._handset.now_ms,
            caller_speaks=self._handset.mic.talking,
            agent_speaks=ear.level_dbfs > THRESHOLD_DBFS,
            agent_dbfs=ear.level_dbfs,
        )

    def _echo(self, names: list[str]) -> None:
        assert self._transmitter is not None
        for name in names:
            self.marks_echoed += 1
            self._transmitter.mark(name)

    def _fault(self, fault: Fault) -> None:
        if fault.code not in self.faults or fault.code not in codes.ONCE_PER_STREAM:
            self.faults[fault.code] += 1
            self.details.setdefault(fault.code, fault.detail)

    def _finish(self, over: StreamOver) -> None:
        if not self._over:
            if over.hung_up:
                self.stop()
            self.cut_off()
            self._on_over(over)
