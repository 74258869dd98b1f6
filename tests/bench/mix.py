"""What is said in the bench's calls, built once: caller frames and agent turns, the same for every call.

Two mixes. One call-second is, on average:

    half   50 caller frames of 160 B in, 50 `input_audio` out, 5 `response_audio` of 100 ms in, 5 `media` out;
           turns of 4 s: 2 s of speech that come in 0.5 s (4 x real time), then 2 s of silence; every fourth
           turn is interrupted 1 s after its begin
    full   the same with 10 `response_audio` a second, in real time, without a pause, never interrupted:
           the load of performance.md's tables

Each turn also brings what a conversation brings: `response_text` twice, and in `half` `speech_started`, two
`input_audio_transcript`, `speech_stopped`.
"""

import json
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np

from gateway.audio import ulaw
from tests.bench.wire import frame

Mix = Literal["half", "full"]
MIXES: tuple[Mix, ...] = get_args(Mix)

TURN_S = 4.0
SPEECH_BYTES = {"half": 16_000, "full": 32_000}
"""µ-law a whole turn comes to at the caller's ear."""

FRAME_S = 0.02
_CHUNKS = 20
_INTERRUPTED_EVERY = 4


@dataclass(frozen=True, slots=True)
class Line:
    """One message of the agent.

    Attributes:
        at_s: when, since the begin of its turn.
        data: the frame as it goes onto the wire.
    """

    at_s: float
    data: bytes
    kind: Literal["first_audio", "audio", "interruption", "other"] = "other"


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of the agent; ``cut`` when it is interrupted."""

    lines: tuple[Line, ...]
    cut: bool


def _speech(rate_hz: int, seconds: float) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Return something with the spectrum and level of a voice, syllables included."""
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    voice = sum(np.sin(2 * np.pi * 140 * k * t) / k for k in range(1, 22))
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t)
    samples: np.ndarray[tuple[int], np.dtype[np.int16]] = np.rint(5_000 * voice * syllables).astype(np.int16)
    return samples


@cache
def caller_payloads() -> tuple[bytes, ...]:
    """Return 50 frames of caller speech, µ-law in base64."""
    coded = ulaw.encode(_speech(8_000, 1.0))
    return tuple(b64encode(coded[at : at + 160]) for at in range(0, len(coded), 160))


@cache
def _chunks() -> tuple[str, ...]:
    pcm = _speech(24_000, _CHUNKS / 10).astype("<i2").tobytes()
    return tuple(b64encode(pcm[at : at + 4_800]).decode() for at in range(0, len(pcm), 4_800))


@cache
def turn(mix: Mix, number: int) -> Turn:
    """Return the agent's turn of a number, from 0."""
    cut = mix == "half" and number % _INTERRUPTED_EVERY == _INTERRUPTED_EVERY - 1
    lines = _audio(mix, f"turn-{number}") + _words(f"turn-{number}")
    if mix == "half":
        lines += _caller_answers(f"turn-{number}", cut)
    return Turn(tuple(sorted(lines, key=lambda line: line.at_s)), cut)


def _audio(mix: Mix, turn_id: str) -> list[Line]:
    count, every_s = (_CHUNKS, 0.025) if mix == "half" else (2 * _CHUNKS, 0.1)
    return [
        Line(
            at * every_s,
            _message(
                "response_audio",
                {"turn_id": turn_id, "audio": _chunks()[at % _CHUNKS], "is_final": at == count - 1},
            ),
            "audio" if at else "first_audio",
        )
        for at in range(count)
    ]


def _words(turn_id: str) -> list[Line]:
    words = "Certainly, a table for four at half past seven."
    return [
        Line(0.01, _message("response_text", {"turn_id": turn_id, "text": words[:20], "is_final": False})),
        Line(0.51, _message("response_text", {"turn_id": turn_id, "text": words, "is_final": True})),
    ]


def _caller_answers(turn_id: str, cut: bool) -> list[Line]:
    words = "That would be lovely, thank you."
    begin_s = 1.0 if cut else 2.6
    lines = [
        Line(begin_s - 0.01, _message("speech_started", {"emulated": False})),
        Line(begin_s + 0.3, _message("input_audio_transcript", {"transcript": words[:9], "is_final": False})),
        Line(begin_s + 0.6, _message("speech_stopped", None)),
        Line(begin_s + 0.7, _message("input_audio_transcript", {"transcript": words, "is_final": True})),
    ]
    if cut:
        lines.append(Line(begin_s, _message("interruption", None), "interruption"))
    return lines


def _message(kind: str, data: object) -> bytes:
    return frame(json.dumps({"type": kind, "data": data}, separators=(",", ":")).encode())
