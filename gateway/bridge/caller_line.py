"""What goes out to the caller's phone, and what a recording of the call is told of both directions."""

from typing import Protocol

from gateway.audio.heard import BYTES_PER_SECOND
from gateway.bridge.talk import TalkClock
from gateway.recording.tape import Recorder
from gateway.twilio.messages import Media
from gateway.twilio.protocol import MediaStream


class Sends(Protocol):
    """What the line needs of its socket."""

    def send(self, text: str, *, urgent: bool = False) -> bool:
        """Write a message at once; False when it was dropped because the peer reads too slowly."""


class CallerLine:
    """Lives as long as its call's stream.

    A recording has audio where the ear hears it, which is behind the time when it was sent: by as much as the
    quickest mark took to come back. Within a spurt that stays as it was at its beginning.

    Args:
        stream: the protocol, started.
        socket: the open media socket.
        recorder: takes down what the caller says and hears; None when the call is not recorded.
        talk: is told when something is heard.
    """

    def __init__(
        self, stream: MediaStream, socket: Sends, recorder: Recorder | None, talk: TalkClock
    ) -> None:
        self._stream = stream
        self._socket = socket
        self._recorder = recorder
        self._talk = talk
        self._quickest_s: float | None = None
        self._lag_s = 0.0
        self._heard_until = 0.0

    def heard(self, frame: Media, now: float) -> None:
        """Note a frame of the caller's."""
        if self._recorder is not None:
            self._recorder.caller(frame.payload, frame.timestamp_ms, now)

    def mark_returned(self, lag_s: float) -> None:
        """Note how late a mark came back."""
        self._quickest_s = lag_s if self._quickest_s is None else min(self._quickest_s, lag_s)

    def play_from(self, horizon: float, now: float) -> None:
        """Say where what is played next begins: at a horizon up to which audio was sent, or now."""
        if horizon <= now:
            self._lag_s = self._quickest_s or 0.0
        self._heard_until = max(horizon, now)

    def play(self, piece: bytes) -> bool:
        """Send a piece of µ-law, which follows the one before; False when the peer would not take it."""
        heard_from = self._heard_until + self._lag_s
        self._heard_until += len(piece) / BYTES_PER_SECOND
        if not self._socket.send(self._stream.play(piece)):
            return False
        self._talk.heard(heard_from, heard_from + len(piece) / BYTES_PER_SECOND)
        if self._recorder is not None:
            self._recorder.agent(piece, heard_from)
        return True

    def mark(self, name: str) -> None:
        """Send a mark."""
        self._socket.send(self._stream.mark(name), urgent=True)

    def clear(self, now: float, *, tell: bool = True) -> None:
        """Take back what was sent and not heard; tell Twilio so unless the stream is over anyhow."""
        self._talk.cleared(now + self._lag_s)
        if self._recorder is not None:
            self._recorder.cleared(now + self._lag_s)
        if tell:
            self._socket.send(self._stream.clear(), urgent=True)
