"""The caller's leg of one call: Twilio's stream in, paced agent audio out. A shell, no decisions."""

from collections.abc import Callable
from functools import partial
from typing import Final, Literal, Protocol

from gateway.audio.heard import BYTES_PER_MS, TurnHeard
from gateway.bridge import events as on
from gateway.bridge.caller_line import CallerLine
from gateway.bridge.guarded import guarded
from gateway.bridge.media import Cleared, Downlink, Ours
from gateway.bridge.response import ResponseClock
from gateway.errors import CallerProtocolError
from gateway.recording.tape import Recorder
from gateway.twilio.messages import Dtmf, Media, Stop
from gateway.twilio.protocol import MarkReturned, MediaStream
from gateway.twilio.socket import SocketClosed

_AGENT_BYTES_PER_MS = 48  # PCM16 at 24 kHz
MARK_GRACE_S: Final = 2.0
"""How long after audio should have been heard we wait for Twilio to say so."""

# A peer that takes nothing for so long is gone (reference: fault matrix, slow reader).
_STALLED_S = 5.0


class CallerSocket(Protocol):
    """What the leg needs of its socket."""

    async def listen(self, take: Callable[[str], None]) -> SocketClosed:
        """Have every text message taken as it comes, until the end; ``take`` must not raise."""

    def send(self, text: str, *, urgent: bool = False) -> bool:
        """Write a message at once; False when it was dropped because the peer reads too slowly."""

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close; returns within its own deadline."""


class CallerListener(Protocol):
    """Who is told what the caller's leg brings."""

    def caller_audio(self, payload: bytes) -> None:
        """Take a frame of µ-law."""

    def caller_key(self, digit: str) -> None:
        """Take a key."""

    def caller_heard(self, turn_id: str, heard: TurnHeard) -> None:
        """Take what was heard of an agent turn that was not cut."""

    def happened(self, event: on.Event) -> None:
        """Take an event for the machine."""


class _Stall:
    """Whether the peer takes audio. Lives as long as its leg."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._refused_at = 0.0

    def took(self) -> None:
        """Note that the peer took something, or gave a sign of life."""
        self._since = None

    def refused(self, now: float) -> None:
        """Note that the peer would not take audio."""
        self._refused_at = now
        if self._since is None:
            self._since = now

    @property
    def is_dead(self) -> bool:
        """True once the peer has taken nothing for too long."""
        # Measured from refusal to refusal: a peer that nothing was offered to since is not stalled.
        return self._since is not None and self._refused_at - self._since >= _STALLED_S


class CallerLeg:
    """Lives as long as its call.

    Args:
        stream: the protocol, started.
        socket: the open media socket.
        downlink: the agent → caller chain.
        now: the clock.
        recorder: takes down what the caller says and hears; None when the call is not recorded.

    Attributes:
        downlink: the agent → caller chain.
        response: how long the caller waits for the agent.
        dropped: media messages not sent because Twilio read too slowly.
    """

    def __init__(
        self,
        stream: MediaStream,
        socket: CallerSocket,
        downlink: Downlink,
        now: Callable[[], float],
        recorder: Recorder | None = None,
    ) -> None:
        self._stream = stream
        self._socket = socket
        self._now = now
        self.response = ResponseClock()
        self._line = CallerLine(stream, socket, recorder, self.response.talk)
        self._last_mark: str | None = None
        self._give_up_on_mark_at: float | None = None
        self._stall = _Stall()
        self._left = False
        self.downlink = downlink
        self.dropped = 0

    async def listen(self, listener: CallerListener, failed: Callable[[Exception], None]) -> None:
        """Read until the socket is closed; the last thing reported, once, is a ``CallerLeft``.

        Args:
            failed: is told of a bug in what a message led to.
        """
        closed = await self._socket.listen(guarded(partial(self._hear, listener), failed))
        if not self._left:
            how: Literal["hung_up", "lost"] = "hung_up" if closed.code in (1000, 1005) else "lost"
            listener.happened(on.CallerLeft(how, f"close_{closed.code}"))

    def _hear(self, listener: CallerListener, text: str) -> None:
        """Take one message of Twilio's to completion."""
        if self._left:
            return
        try:
            message = self._stream.receive(text)
        except CallerProtocolError as error:
            if self._stream.failed:
                self._left = True
                listener.happened(on.CallerLeft("protocol", error.reason))
            return
        if type(message) is Media:
            self._line.heard(message, self._now())
            listener.caller_audio(message.payload)
        elif isinstance(message, MarkReturned):
            self._mark_returned(message, listener)
        elif isinstance(message, Dtmf):
            listener.caller_key(message.digit)
        elif isinstance(message, Stop):
            self._left = True
            listener.happened(on.CallerLeft("hung_up"))

    def _mark_returned(self, mark: MarkReturned, listener: CallerListener) -> None:
        heard = self.downlink.mark_returned(mark.name, self._now(), flushed=mark.flushed)
        if not mark.flushed:
            self._line.mark_returned(self.downlink.playout.ledger.lag_s)
        if heard is not None:
            listener.caller_heard(*heard)
        self._stall.took()
        if mark.name == self._last_mark:
            self._give_up_on_mark_at = None
            listener.happened(on.CallerHeardAll())

    def play(self, turn_id: str, audio: bytes, *, final: bool) -> bool:
        """Take agent audio (PCM16, 24 kHz) of a turn and send what is due; False when none will be heard."""
        pushed = self.downlink.push(turn_id, audio, self._now(), final=final)
        if pushed == "cuts_in":
            self._line.clear(self._now())
        if pushed != "nothing":
            self.response.agent_sounded(self.downlink.playout.counters.pieces)
        self.pump(self._now())
        return pushed != "nothing"

    def insert(self, ours: Ours, audio: bytes) -> None:
        """Play audio of ours (µ-law, 8 kHz) behind what waits."""
        self.downlink.insert(ours, audio, self._now())
        self.pump(self._now())

    def hush(self) -> None:
        """Stop the comfort at once."""
        if self.downlink.hush(self._now()):
            self._line.clear(self._now())

    def clear(self, *, tell: bool = True, keep_keys: bool = False) -> Cleared:
        """Drop what the caller has not heard, here and, unless the stream is over anyhow, at Twilio."""
        cleared = self.downlink.clear(self._now(), keep_keys=keep_keys)
        if cleared.voided:
            self._line.clear(self._now(), tell=tell)
        return cleared

    def hold(self, held: bool) -> None:
        """Send no more audio for now, or go on where that stopped."""
        self.downlink.playout.held = held
        self.pump(self._now())

    def drain(self) -> None:
        """Let out the rest; ``CallerHeardAll`` follows when it has been heard."""
        self._last_mark = self.downlink.drain(self._now())
        self.pump(self._now())

    def pump(self, now: float) -> None:
        """Send what is due."""
        self._line.play_from(self.downlink.playout.horizon, now)
        for item in self.downlink.pop_due(now):
            if isinstance(item, bytes):
                if self._line.play(item):
                    self._stall.took()
                else:
                    self.dropped += 1
                    self._stall.refused(now)
                continue
            self._line.mark(item.name)
            if item.name == self._last_mark:
                self._give_up_on_mark_at = max(now, self.downlink.playout.horizon) + MARK_GRACE_S
        self.response.sent(self.downlink.playout.counters.pieces, now)

    def overdue(self, now: float) -> on.Event | None:
        """Return what the clock alone says by now: all must have been heard, or the peer takes nothing."""
        if self._give_up_on_mark_at is not None and self._give_up_on_mark_at <= now:
            self._give_up_on_mark_at = None
            return on.CallerHeardAll()
        if self._stall.is_dead:
            return on.CallerLeft("lost", "stalled")
        return None

    def next_deadline(self) -> float | None:
        """Return when :meth:`pump` and :meth:`overdue` are to be called next."""
        audio, mark = self.downlink.next_deadline(), self._give_up_on_mark_at
        if audio is None or mark is None:
            return mark if audio is None else audio
        return min(audio, mark)

    def counters(self) -> dict[str, int | float]:
        """Return what was counted on both directions of the leg, by name; bad messages by reason as well."""
        stream, downlink, playout = (
            self._stream.counters,
            self.downlink.counters,
            self.downlink.playout.counters,
        )
        return (
            self.response.talk.counters(self._now())
            | {
                "caller_frames": stream.frames,
                "caller_gaps": stream.sequence_gaps + stream.chunk_gaps,
                "caller_gap_ms": stream.timestamp_gap_ms,
                "caller_bad_messages": sum(stream.bad_messages.values()),
                "caller_ignored": stream.duplicates
                + stream.wrong_stream
                + stream.after_stop
                + stream.marks_unprompted,
                "agent_turns": downlink.turns,
                "agent_ms": downlink.agent_bytes // _AGENT_BYTES_PER_MS,
                "agent_dbfs": round(self.downlink.level.rms_dbfs, 1),
                "agent_late_bytes": downlink.late_bytes,
                "pieces_sent": playout.pieces,
                "pieces_dropped": self.dropped,
                "cleared_ms": playout.cleared_bytes // BYTES_PER_MS,
                "overflow_ms": playout.overflow_bytes // BYTES_PER_MS,
                "underruns": playout.underruns,
                "peak_pending_ms": playout.peak_pending_ms,
            }
            | {f"caller_bad_messages.{reason}": count for reason, count in stream.bad_messages.items()}
        )

    async def close(self, code: int) -> None:
        """Close the media socket."""
        await self._socket.close(code)
