"""The caller's microphone: 20 ms frames of speech, cut and encoded beforehand, or line silence. PURE."""

import base64
from collections import deque
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

FRAME_BYTES: Final = 160
FRAME_MS: Final = 20
_SILENT_FRAMES: Final = 32

Frames = tuple[bytes, ...]
"""Base64 of 160 bytes of µ-law each, 216 characters: what the wire carries."""


def _silent(seed: int) -> bytes:
    # A captured silent frame held 0xFF x76, 0x7F x82 and a few 0xFE/0x7E (reference section 2).
    noise = b"".join(blake2b(b"%d %d" % (seed, n)).digest() for n in range(3))[:FRAME_BYTES]
    return bytes((0xFF if byte & 1 else 0x7F) - (byte > 252) for byte in noise)


SILENCE: Final[Frames] = tuple(base64.b64encode(_silent(seed)) for seed in range(_SILENT_FRAMES))


def cut(ulaw: bytes) -> Frames:
    """Cut 8 kHz µ-law into frames ready for the wire; the last is filled with silence.

    Build once, speak in any number of calls: frames are shared, never copied.
    """
    return tuple(
        base64.b64encode(ulaw[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\xff"))
        for at in range(0, len(ulaw), FRAME_BYTES)
    )


class Microphone:
    """What one caller says, frame by frame. Lives as long as its stream.

    Args:
        keep_audio: remember each frame for the recording (a reference a frame, no copy).
    """

    def __init__(self, *, keep_audio: bool = True) -> None:
        self.frames = 0
        self.spoken_frames = 0
        self._waiting: deque[bytes] = deque()
        self._sent: list[bytes] | None = [] if keep_audio else None

    @property
    def talking(self) -> bool:
        """Whether speech still waits to be sent."""
        return bool(self._waiting)

    def speak(self, frames: Iterable[bytes]) -> None:
        """Queue speech behind what is being said."""
        self._waiting.extend(frames)

    def hush(self) -> None:
        """Stop in the middle of a word."""
        self._waiting.clear()

    def next_frame(self) -> bytes:
        """Take the next 20 ms: base64, 216 characters."""
        if self._waiting:
            frame = self._waiting.popleft()
            self.spoken_frames += 1
        else:
            frame = SILENCE[self.frames % _SILENT_FRAMES]
        self.frames += 1
        if self._sent is not None:
            self._sent.append(frame)
        return frame

    def recorded(self, first_frame: int = 0) -> bytes:
        """Give back what was sent from a frame on: µ-law, 8 kHz; empty when it was not kept."""
        return b"".join(map(base64.b64decode, (self._sent or [])[first_frame:]))
