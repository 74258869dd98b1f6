"""Who is on the phone: what a caller says and when, decided by what it hears. PURE.

A caller is a description without state, so one object can make any number of calls. ``act`` is a generator
that the call advances every 20 ms, before that frame of the microphone is cut; when it returns the caller
has nothing more to do and stays on the line.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from gateway.audio import ulaw, wav
from gateway.audio.pcm import Pcm
from gateway.simulator.ear import Ear
from gateway.simulator.microphone import Frames, Microphone, cut

RATE_HZ: Final = 8_000
_FRAME_HZ: Final = 50
_BLIND_HZ: Final = 2.0  # closer to a multiple of 50 Hz the phase moves by too little a frame to be noticed


class Phone(Protocol):
    """What a caller has in hand during a call."""

    mic: Microphone
    ear: Ear

    @property
    def now_ms(self) -> int:
        """Milliseconds since the stream began, on the microphone's clock."""

    def note_speech(self, text: str) -> None:
        """Tell who watches what is being said from this frame on."""

    def note_interruption(self, frames: int) -> None:
        """Remember that the caller cuts in with this frame, for so many."""

    def note_missed(self, step: str) -> None:
        """Remember that a step's deadline passed."""

    def press(self, digits: str) -> None:
        """Press keys."""

    def hang_up(self) -> None:
        """Put the phone down."""


class Caller(Protocol):
    """Somebody who calls.

    Attributes:
        listens: whether ``phone.ear`` must be fed; costs about 10 µs a frame.
    """

    @property
    def listens(self) -> bool: ...

    def act(self, phone: Phone) -> Iterator[None]:
        """Do the next 20 ms' worth of things, then yield."""


def wait(phone: Phone, wait_ms: float) -> Iterator[None]:
    """Let time pass."""
    until = phone.now_ms + wait_ms
    while phone.now_ms < until:
        yield


def speak(phone: Phone, frames: Frames) -> Iterator[None]:
    """Say something to its end."""
    phone.mic.speak(frames)
    while phone.mic.talking:
        yield


@dataclass(frozen=True, slots=True)
class SilentCaller:
    """Says nothing, and hangs up after ``seconds`` (None: never)."""

    seconds: float | None = None
    listens: bool = False

    def act(self, phone: Phone) -> Iterator[None]:
        """Wait, then hang up."""
        if self.seconds is not None:
            yield from wait(phone, self.seconds * 1_000)
            phone.hang_up()


@dataclass(frozen=True, slots=True)
class WavCaller:
    """Plays a recording, listens ``linger_s`` longer, hangs up.

    Attributes:
        frames: from :func:`frames_of_wav` or :func:`~gateway.simulator.microphone.cut`.
        repeat: how often the recording is played.
    """

    frames: Frames
    linger_s: float = 1.0
    repeat: int = 1
    listens: bool = False

    def act(self, phone: Phone) -> Iterator[None]:
        """Play, wait, hang up."""
        for _ in range(self.repeat):
            yield from speak(phone, self.frames)
        yield from wait(phone, self.linger_s * 1_000)
        phone.hang_up()


class ToneCaller:
    """Plays a sine, listens ``linger_s`` longer, hangs up; its report says how the tone came back.

    Args:
        lead_s: silence before the tone, for a call whose agent needs a moment to be there.

    Raises:
        ValueError: the tone could come back damaged and look whole, or does not fit the line.
    """

    listens = False

    def __init__(
        self, hz: float, seconds: float, dbfs: float = -10.0, *, lead_s: float = 0.0, linger_s: float = 2.0
    ) -> None:
        self.hz = hz
        self.samples = round(seconds * RATE_HZ)
        self.dbfs = dbfs
        tone = sine(hz, self.samples, dbfs)
        _refuse_blind(hz)
        self._frames = cut(ulaw.encode(tone))
        self._lead_s = lead_s
        self._linger_s = linger_s

    def act(self, phone: Phone) -> Iterator[None]:
        """Wait, play the tone, wait, hang up."""
        yield from wait(phone, self._lead_s * 1_000)
        yield from WavCaller(self._frames, self._linger_s).act(phone)


def _refuse_blind(hz: float) -> None:
    """Refuse a tone with a whole number of periods in a frame: without a frame, or with one twice, it is the
    same tone. At 1,000 Hz the error of µ-law repeats itself too, every 8 samples, and flatters the SINAD.
    """
    blind_hz = round(hz / _FRAME_HZ) * _FRAME_HZ
    if blind_hz and abs(hz - blind_hz) < _BLIND_HZ:
        better_hz = blind_hz + 4 if blind_hz + 4 < RATE_HZ / 2 else blind_hz - 4
        raise ValueError(
            f"a tone of {hz:g} Hz looks whole with 20 ms frames lost or repeated, for each has the same "
            f"phase: take {better_hz} Hz"
        )


def sine(hz: float, samples: int, dbfs: float) -> Pcm:
    """Make a sine: int16, shape (samples,), 8 kHz; ``dbfs`` is its RMS level, so at most -3.01.

    Raises:
        ValueError: the level would clip, or the tone does not fit 8 kHz.
    """
    amplitude = 32_768 * 10 ** (dbfs / 20) * 2**0.5
    if amplitude > 32_768 or not 0 < hz < RATE_HZ / 2:
        raise ValueError("a tone needs a level of at most -3.02 dBFS and a frequency under 4,000 Hz")
    wave = amplitude * np.sin(2 * np.pi * hz / RATE_HZ * np.arange(samples))
    pcm: Pcm = np.rint(wave).clip(-32_768, 32_767).astype(np.int16)
    return pcm


def frames_of_wav(source: bytes) -> Frames:
    """Cut a WAV file's content into frames.

    Raises:
        ValueError: it is not a WAV we can read, or not at 8 kHz.
    """
    pcm, rate_hz = wav.read(source)
    if rate_hz != RATE_HZ:
        raise ValueError(f"the caller's WAV must be at {RATE_HZ} Hz, not {rate_hz}")
    return cut(ulaw.encode(pcm))
