"""What Twilio writes into a media stream: numbered, timed, in its own byte order. PURE.

One sequence number runs through every kind of message, a chunk number through the audio alone.
"""

from collections.abc import Mapping
from typing import Final, Protocol

from gateway.simulator.forms import Identity
from gateway.twilio import messages

# The first timestamps of real calls were 102, 155 and 171 ms, and steps of 20 ms wobbled by 2
# (captures, reference section 2).
_FIRST_MS: Final = 102
_FIRST_SPREAD_MS: Final = 70
_WOBBLE_MS: Final = (0, 1, -1, 2, 0, -2, 1, 0, -1, 0, 2, -1, 1, -2, 0, 1)


class Wire(Protocol):
    """Where messages go: :class:`~gateway.simulator.wire.MediaWire`."""

    congested: bool

    def send(self, text: bytes) -> None:
        """Write one text frame."""


class Transmitter:
    """Writes one stream's messages. Lives as long as its stream.

    Attributes:
        frames: media messages sent.
        dropped_frames: frames that were not, because the server reads too slowly.
    """

    def __init__(self, wire: Wire, identity: Identity, stream_sid: str) -> None:
        self.frames = 0
        self.dropped_frames = 0
        self._wire = wire
        self._identity = identity
        self._stream_sid = stream_sid
        self._sid = stream_sid.encode()
        self._sequence = 0
        self._first_ms = _FIRST_MS + sum(self._sid) % _FIRST_SPREAD_MS

    def start(self, parameters: Mapping[str, str]) -> None:
        """Write ``connected`` and ``start``."""
        self._write(messages.Connected())
        self._write(
            messages.Start(
                stream_sid=self._stream_sid,
                call_sid=self._identity.call_sid,
                account_sid=self._identity.account_sid,
                parameters=parameters,
                sequence=self._next(),
            )
        )

    def frame(self, payload: bytes) -> bool:
        """Write 20 ms of the caller: base64, 216 characters.

        Returns:
            False when the frame was dropped; the timestamps go on, and that is how the gap shows.
        """
        ticks = self.frames + self.dropped_frames
        if self._wire.congested:
            self.dropped_frames += 1
            return False
        timestamp_ms = self._first_ms + 20 * ticks + _WOBBLE_MS[ticks % len(_WOBBLE_MS)]
        self.frames += 1
        self._sequence += 1
        self._wire.send(
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d","timestamp":"%d",'
            b'"payload":"%b"},"streamSid":"%b"}'
            % (self._sequence, self.frames, timestamp_ms, payload, self._sid)
        )
        return True

    def mark(self, name: str) -> None:
        """Give a mark back."""
        self._write(messages.Mark(self._stream_sid, self._next(), name))

    def key(self, digit: str) -> None:
        """Write a key the caller pressed."""
        self._write(messages.Dtmf(self._stream_sid, self._next(), digit))

    def stop(self) -> None:
        """Write the last message."""
        self._write(
            messages.Stop(self._stream_sid, self._next(), self._identity.call_sid, self._identity.account_sid)
        )

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence

    def _write(self, message: messages.TwilioMessage) -> None:
        self._wire.send(messages.dump_twilio(message).encode())
