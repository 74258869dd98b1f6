"""How an agent's audio leaves: in chunks, faster than it plays, and how much of it has been heard.

PURE.
"""

from collections.abc import Callable
from zlib import crc32

from gateway.sandbox.stage import BYTES_PER_MS, Stage, Timer
from gateway.vatel.messages import ResponseAudio, ResponseText, Unknown

_Then = Callable[[float], None]


class Delivery:
    """Sends turns of audio and text, one at a time. Lives as long as its session.

    The client is taken to play what it gets back to back, so the end of what is being played is known here:
    :attr:`playing_until`.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._turns = self._chunks = 0
        self._turn_id = ""
        self._rest = b""
        self._text = ""
        self._next_at = 0.0
        self._timers: list[Timer] = []
        self.playing_until = 0.0

    def playing(self, now: float) -> bool:
        """Return True while the client still plays what was sent, or more is to be sent."""
        return now < self.playing_until or bool(self._rest)

    def turn(self, audio: bytes, text: str, now: float, played: _Then | None = None) -> str:
        """Send a turn, and call ``played(now)`` once the client must have played it.

        Args:
            audio: PCM16, 24 kHz, even length.
            text: sent along as ``response_text``; empty sends none.

        Returns:
            The turn's id.
        """
        self.stop(now)
        self._turns += 1
        self._turn_id = f"turn-{self._turns}"
        self._rest, self._text, self._next_at = audio, text, now
        start = max(now, self.playing_until)
        self.playing_until = start + len(audio) / BYTES_PER_MS / 1000
        if self._stage.switches.unknown_types:
            self._stage.send(Unknown("response_mood"))
        self._interim()
        if played is not None:
            self._timers.append(self._stage.at(self.playing_until, played))
        self._send_due(now)
        return self._turn_id

    def stop(self, now: float) -> bytes:
        """Stop: what was not sent is dropped and returned, and ``played`` is not called."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        rest, self._rest = self._rest, b""
        self.playing_until = min(self.playing_until, now)
        return rest

    def _interim(self) -> None:
        words = self._text.split()
        if self._stage.switches.interim and len(words) > 1:
            self._stage.send(ResponseText(self._turn_id, " ".join(words[: len(words) // 2]), False))

    def _send_due(self, now: float) -> None:
        switches = self._stage.switches
        if not self._rest:
            self._finish_text()
        while self._rest:
            sent_ms = self._send_chunk()
            if switches.pace and self._rest:
                self._next_at += sent_ms / 1000 / switches.pace
                if self._next_at > now:
                    self._timers.append(self._stage.at(self._next_at, self._send_due))
                    return

    def _send_chunk(self) -> float:
        switches = self._stage.switches
        self._chunks += 1
        size = switches.chunk_ms * BYTES_PER_MS - switches.odd_chunks
        if switches.ragged_chunks:
            size = 1 + crc32(f"{switches.seed}/{self._chunks}".encode()) % size
        chunk, self._rest = self._rest[:size], self._rest[size:]
        last = not self._rest
        self._stage.send(ResponseAudio(self._turn_id, chunk, last and not switches.empty_final))
        if last and switches.empty_final:
            self._stage.send(ResponseAudio(self._turn_id, b"", True))
        if last:
            self._finish_text()
        return len(chunk) / BYTES_PER_MS

    def _finish_text(self) -> None:
        if self._text:
            self._stage.send(ResponseText(self._turn_id, self._text, True))
            self._text = ""
