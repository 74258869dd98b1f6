"""Text to speech by espeak-ng 1.52 (GPL-3.0, extra ``demo``), called through ctypes.

The library keeps its voice, parameters and callback in globals, so the process has one engine and one lock.
Rendering takes about 3 ms per second of speech; it runs in a thread, and what was said once is kept.
"""

import ctypes
import threading
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import soxr

from gateway.audio.pcm import Pcm
from gateway.errors import ConfigError, GatewayError
from gateway.speech import extra

# speak_lib.h, espeak-ng 1.52
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4

_PEAK = 0.7 * 32_768
"""Head room: a resampler overshoots the peaks of what it is given by up to 2 dB."""

_OnSamples = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class Voice:
    """How somebody sounds.

    Attributes:
        name: a voice of espeak-ng with an optional variant (``en-us+f2``).
        words_per_minute: 80 to 450.
        pitch: 0 to 99.
        pitch_range: 0 (monotone) to 99.
    """

    name: str
    words_per_minute: int = 150
    pitch: int = 50
    pitch_range: int = 50


AGENT_VOICE = Voice("en-us", words_per_minute=165, pitch=40)
CALLER_VOICE = Voice("en-us+f2", words_per_minute=150)


class _Engine:
    """The process's one espeak-ng. Lives as long as the process."""

    def __init__(self) -> None:
        loader = extra.load("espeakng_loader")
        self._library = ctypes.CDLL(loader.get_library_path())
        self._lock = threading.Lock()
        self._pieces: list[bytes] = []
        self._callback = _OnSamples(self._collect)
        data_path = str(loader.get_data_path()).encode()
        self.rate_hz: int = self._library.espeak_Initialize(
            _AUDIO_OUTPUT_SYNCHRONOUS, 0, data_path, _INITIALIZE_DONT_EXIT
        )
        if self.rate_hz <= 0:
            raise ConfigError("espeak-ng does not start: reinstall espeakng-loader", reason="espeak_failed")
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, samples: object, count: int, _events: object) -> int:
        if samples and count > 0:
            self._pieces.append(ctypes.string_at(samples, count * 2))  # type: ignore[arg-type]
        return 0

    def say(self, text: str, voice: Voice) -> Pcm:
        """Return int16 samples, shape (n,), at :attr:`rate_hz`."""
        with self._lock:
            self._choose(voice)
            self._pieces.clear()
            data = text.encode() + b"\0"
            failed = self._library.espeak_Synth(
                data, len(data), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
            )
            self._library.espeak_Synchronize()
            if failed:
                raise GatewayError("espeak-ng refused the text", reason="espeak_failed")
            return np.frombuffer(b"".join(self._pieces), np.int16)

    def _choose(self, voice: Voice) -> None:
        if self._library.espeak_SetVoiceByName(voice.name.encode()):
            raise ConfigError(f"voice: espeak-ng has no voice {voice.name!r}", reason="unknown_voice")
        settings = ((_RATE, voice.words_per_minute), (_VOLUME, 100))
        for parameter, value in (*settings, (_PITCH, voice.pitch), (_RANGE, voice.pitch_range)):
            self._library.espeak_SetParameter(parameter, value, 0)


@cache
def _engine() -> _Engine:
    return _Engine()


_start = threading.Lock()


@lru_cache(maxsize=256)
def render(text: str, voice: Voice, rate_hz: int = 24_000) -> Pcm:
    """Speak a text; blocks for about 3 ms per second of speech.

    Returns:
        int16 samples, shape (n,), read-only, peak at -3 dBFS.

    Raises:
        ConfigError: the extra is missing, or the voice does not exist.
    """
    with _start:
        engine = _engine()
    spoken = engine.say(text, voice).astype(np.float32)
    peak = float(np.abs(spoken).max(initial=1.0))
    pcm = np.rint(soxr.resample(spoken * (_PEAK / peak), engine.rate_hz, rate_hz)).clip(-32_768, 32_767)
    samples: Pcm = pcm.astype(np.int16)
    samples.flags.writeable = False
    return samples
