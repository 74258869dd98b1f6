"""WAV in and out: what people have lying about is read, what is written is plain PCM16.

PURE but for the file itself. The RIFF walk is our own because the standard library's `wave` reads neither
µ-law nor the half-written files that recorders leave behind. Formats: "Multimedia Programming Interface and
Data Specifications 1.0" (RIFF, `fmt `), RFC 2361 (tags), Microsoft's WAVEFORMATEXTENSIBLE.
"""

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gateway.audio import pcm as linear
from gateway.audio import ulaw
from gateway.audio.pcm import Pcm

_PCM = 0x0001
_ULAW = 0x0007
_EXTENSIBLE = 0xFFFE
_BITS = {_PCM: 16, _ULAW: 8}
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_MAX_RATE_HZ = 384_000


@dataclass(frozen=True, slots=True)
class _Format:
    tag: int
    channels: int
    rate_hz: int
    bits: int


def read(source: Path | bytes) -> tuple[Pcm, int]:
    """Read a WAV of PCM16 or µ-law, mono or stereo.

    Stereo is mixed to mono as the mean of both channels, rounded down. A header that claims more than there
    is (a recording cut short, a stream of unknown length) is believed as far as the data goes; a frame cut
    in the middle is dropped.

    Args:
        source: a file, or its whole content.

    Returns:
        The samples, int16 of shape (n,), and their rate in Hz.

    Raises:
        ValueError: not such a WAV; names the file and the fault.
        OSError: the file cannot be read.
    """
    name = source.name if isinstance(source, Path) else "WAV data"
    content = source.read_bytes() if isinstance(source, Path) else source
    try:
        return _decode(content)
    except ValueError as fault:
        raise ValueError(f"{name}: {fault}") from None


def _decode(content: bytes) -> tuple[Pcm, int]:
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError("not a WAV file (no RIFF/WAVE header)")
    shape: _Format | None = None
    for tag, body in _chunks(content):
        if tag == b"fmt ":
            shape = _parse_format(body)
        elif tag == b"data":
            if shape is None:
                raise ValueError("the data chunk comes before the fmt chunk")
            return _samples(body, shape), shape.rate_hz
    raise ValueError("no data chunk" if shape else "no fmt chunk")


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Walk the chunks; the last may be shorter than it claims."""
    (riff_size,) = struct.unpack_from("<I", content, 4)
    at = 12
    while at + 8 <= len(content):
        tag, size = struct.unpack_from("<4sI", content, at)
        if tag == b"data" and size == 0 and riff_size + 8 < len(content):
            size = len(content)  # the recorder died before it came back to fill in its header
        yield tag, content[at + 8 : at + 8 + size]
        at += 8 + size + size % 2  # chunks start at even offsets


def _parse_format(body: bytes) -> _Format:
    if len(body) < 16:
        raise ValueError(f"the fmt chunk has {len(body)} bytes, at least 16 are needed")
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        (tag,) = struct.unpack_from("<H", body, 24)  # the GUID of the sub-format starts with the plain tag
    if tag not in _BITS:
        raise ValueError(f"encoding 0x{tag:04x} is neither PCM (0x0001) nor µ-law (0x0007); convert it first")
    if bits != _BITS[tag]:
        raise ValueError(f"{bits} bits a sample; PCM needs 16, µ-law 8")
    if channels not in (1, 2):
        raise ValueError(f"{channels} channels; mono and stereo are read")
    if not 1 <= rate_hz <= _MAX_RATE_HZ:
        raise ValueError(f"a rate of {rate_hz} Hz; 1 to {_MAX_RATE_HZ} are read")
    return _Format(tag, channels, rate_hz, bits)


def _samples(body: bytes, shape: _Format) -> Pcm:
    frame_bytes = shape.channels * shape.bits // 8
    body = body[: len(body) // frame_bytes * frame_bytes]
    samples = ulaw.decode(body) if shape.tag == _ULAW else linear.from_bytes(body)
    if shape.channels == 1:
        return samples
    left, right = samples.reshape(-1, 2).astype(np.int32).T
    mono: Pcm = ((left + right) >> 1).astype(np.int16)
    return mono


def write(path: Path, pcm: Pcm, rate_hz: int) -> None:
    """Write mono PCM16, all or nothing: the name shows the old file or the whole new one.

    Raises:
        ValueError: more than a WAV can hold (4 GiB).
        OSError: the file cannot be written.
    """
    _write(path, pcm, channels=1, rate_hz=rate_hz)


def write_stereo(path: Path, left: Pcm, right: Pcm, rate_hz: int) -> None:
    """Write stereo PCM16 as :func:`write` does; the shorter side is followed by silence."""
    _write(path, _pairs(left, right), channels=2, rate_hz=rate_hz)


def stereo(left: Pcm, right: Pcm, rate_hz: int) -> bytes:
    """Return what :func:`write_stereo` writes; for less than 4 GiB."""
    body = linear.to_bytes(_pairs(left, right))
    return _header(len(body), channels=2, rate_hz=rate_hz) + body


def _pairs(left: Pcm, right: Pcm) -> Pcm:
    pairs = np.zeros((max(len(left), len(right)), 2), dtype=np.int16)
    pairs[: len(left), 0] = left
    pairs[: len(right), 1] = right
    return pairs


def _header(size: int, *, channels: int, rate_hz: int) -> bytes:
    frame_bytes = channels * linear.SAMPLE_BYTES
    return _HEADER.pack(
        *(b"RIFF", _HEADER.size - 8 + size, b"WAVE"),
        *(b"fmt ", 16, _PCM, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, 16),
        *(b"data", size),
    )


def _write(path: Path, samples: Pcm, *, channels: int, rate_hz: int) -> None:
    if samples.nbytes + _HEADER.size > 0xFFFF_FFFF:
        raise ValueError(f"{path.name}: {samples.nbytes} bytes of audio do not fit a WAV file (4 GiB)")
    body = linear.to_bytes(samples)
    header = _header(len(body), channels=channels, rate_hz=rate_hz)
    # Beside the target, since a rename is atomic only within one file system.
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            file.write(header)
            file.write(body)
        partial.replace(path)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()
