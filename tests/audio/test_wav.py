"""WAV against the standard library's reader, and against what recorders leave behind."""

import audioop
import struct
import wave
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from gateway.audio import wav
from gateway.audio.pcm import Pcm, from_bytes, to_bytes

RAMP: Pcm = np.arange(-500, 500, 5).astype(np.int16)
PCM, ULAW, FLOAT, EXTENSIBLE = 1, 7, 3, 0xFFFE


def chunk(tag: bytes, body: bytes, *, claims: int | None = None) -> bytes:
    size = len(body) if claims is None else claims
    return tag + struct.pack("<I", size) + body + b"\x00" * (len(body) % 2)


def fmt(tag: int = PCM, channels: int = 1, rate_hz: int = 8_000, bits: int = 16, extra: bytes = b"") -> bytes:
    frame = channels * bits // 8
    return chunk(
        b"fmt ", struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame, frame, bits) + extra
    )


def riff(*chunks: bytes, claims: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if claims is None else claims) + body


def test_written_file_is_what_the_standard_library_reads(tmp_path: Path) -> None:
    """Mono PCM16 arrives in another reader with every sample and the rate."""
    path = tmp_path / "ramp.wav"

    wav.write(path, RAMP, 24_000)

    with wave.open(str(path), "rb") as reader:
        assert (reader.getnchannels(), reader.getsampwidth(), reader.getframerate()) == (1, 2, 24_000)
        assert reader.readframes(1_000) == to_bytes(RAMP)


def test_written_stereo_keeps_the_sides_apart(tmp_path: Path) -> None:
    """Left and right interleave in this order; the shorter one is followed by silence."""
    path = tmp_path / "stereo.wav"

    wav.write_stereo(path, RAMP[:3], RAMP[:1], 8_000)

    with wave.open(str(path), "rb") as reader:
        assert reader.getnchannels() == 2
        assert from_bytes(reader.readframes(9)).tolist() == [-500, -500, -495, 0, -490, 0]


def test_written_stereo_of_nothing_is_a_valid_file(tmp_path: Path) -> None:
    """A call without audio still leaves a WAV that opens."""
    path = tmp_path / "nothing.wav"

    wav.write_stereo(path, RAMP[:0], RAMP[:0], 8_000)

    assert wav.read(path)[0].shape == (0,)


def test_write_replaces_the_old_file_whole(tmp_path: Path) -> None:
    """A second write leaves the new content and nothing beside it."""
    path = tmp_path / "ramp.wav"
    wav.write(path, RAMP, 8_000)

    wav.write(path, RAMP[:2], 8_000)

    assert wav.read(path)[0].tolist() == [-500, -495]
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_leaves_the_target_and_nothing_beside_it(tmp_path: Path) -> None:
    """Where the file cannot take its name the error is told and the partial file goes."""
    target = tmp_path / "taken.wav"
    target.mkdir()

    with pytest.raises(OSError, match=r"taken\.wav"):
        wav.write(target, RAMP, 8_000)

    assert list(tmp_path.iterdir()) == [target]


def test_write_refuses_more_than_a_wav_can_hold(tmp_path: Path) -> None:
    """Beyond 4 GiB the header's sizes would wrap, so the write is refused by name."""
    endless = as_strided(RAMP, (2**31,), (0,), writeable=False)  # one sample, seen over and over

    with pytest.raises(ValueError, match=r"long\.wav: .* do not fit"):
        wav.write(tmp_path / "long.wav", endless, 8_000)


@given(st.lists(st.integers(-32_768, 32_767), max_size=50), st.sampled_from([8_000, 16_000, 24_000]))
def test_read_takes_what_the_standard_library_writes(values: list[int], rate_hz: int) -> None:
    """Any mono PCM16 content is read sample for sample."""
    buffer = BytesIO()
    with wave.open(buffer, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(to_bytes(np.array(values, dtype=np.int16)))

    pcm, found_hz = wav.read(buffer.getvalue())

    assert pcm.tolist() == values
    assert found_hz == rate_hz


def test_read_decodes_ulaw() -> None:
    """A µ-law file (tag 7, with the extension size and fact chunk that it carries) is decoded."""
    codes = bytes(range(255))
    content = riff(
        fmt(ULAW, bits=8, extra=b"\x00\x00"), chunk(b"fact", struct.pack("<I", 255)), chunk(b"data", codes)
    )

    assert to_bytes(wav.read(content)[0]) == audioop.ulaw2lin(codes, 2)


def test_read_mixes_stereo_to_its_mean() -> None:
    """Both channels count the same, and two loud ones do not overflow."""
    pairs = np.array([[100, 200], [32_767, 32_767], [-32_768, -32_768], [1, -2]], dtype=np.int16)

    pcm, _ = wav.read(riff(fmt(channels=2), chunk(b"data", pairs.tobytes())))

    assert pcm.tolist() == [150, 32_767, -32_768, -1]


def test_read_mixes_stereo_ulaw() -> None:
    """µ-law of two channels is decoded first, then mixed."""
    pcm, _ = wav.read(riff(fmt(ULAW, channels=2, bits=8), chunk(b"data", b"\x80\xff")))

    assert pcm.tolist() == [16_062]


def test_read_finds_the_plain_tag_in_an_extensible_format() -> None:
    """WAVEFORMATEXTENSIBLE names PCM in the first two bytes of its GUID."""
    extra = struct.pack("<HHIH", 22, 16, 4, PCM) + bytes.fromhex("000000001000800000aa00389b71")

    pcm, _ = wav.read(riff(fmt(EXTENSIBLE, extra=extra), chunk(b"data", to_bytes(RAMP))))

    assert pcm.tolist() == RAMP.tolist()


def test_read_steps_over_chunks_it_does_not_know() -> None:
    """Lists before the data are skipped, with the padding byte of odd ones."""
    content = riff(chunk(b"LIST", b"abc"), fmt(), chunk(b"junk", b"x"), chunk(b"data", to_bytes(RAMP)))

    assert wav.read(content)[0].tolist() == RAMP.tolist()


@pytest.mark.parametrize("claims", [10_000, 0xFFFF_FFFF])
def test_read_believes_an_oversized_header_as_far_as_the_data_goes(claims: int) -> None:
    """A recording cut short, or streamed with an unknown length, yields what there is."""
    content = riff(fmt(), chunk(b"data", to_bytes(RAMP), claims=claims), claims=0xFFFF_FFFF)

    assert wav.read(content)[0].tolist() == RAMP.tolist()


def test_read_drops_a_frame_cut_in_the_middle() -> None:
    """A stereo file that ends in three bytes of a frame loses that frame only."""
    content = riff(fmt(channels=2), chunk(b"data", b"\x01\x00\x01\x00\x02\x00\x02", claims=8))[:-1]

    assert wav.read(content)[0].tolist() == [1]


def test_read_takes_all_of_a_file_whose_header_was_never_filled_in() -> None:
    """A recorder that died before its header was final loses nothing."""
    content = riff(fmt(), chunk(b"data", to_bytes(RAMP), claims=0), claims=0)

    assert wav.read(content)[0].tolist() == RAMP.tolist()


def test_read_leaves_alone_what_follows_an_empty_recording() -> None:
    """Where the header is final, an empty data chunk is empty, and a list behind it is not audio."""
    content = riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"abcd"))

    assert wav.read(content)[0].shape == (0,)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "no RIFF/WAVE header"),
        (b"OggS" + bytes(40), "no RIFF/WAVE header"),
        (b"RIFF\x04\x00\x00\x00AVI ", "no RIFF/WAVE header"),
        (riff(), "no fmt chunk"),
        (riff(fmt()), "no data chunk"),
        (riff(chunk(b"data", b"\x00\x00"), fmt()), "the data chunk comes before the fmt chunk"),
        (riff(chunk(b"fmt ", b"\x01\x00")), "the fmt chunk has 2 bytes, at least 16 are needed"),
        (riff(fmt(FLOAT, bits=32)), "encoding 0x0003 is neither PCM"),
        (riff(fmt(EXTENSIBLE)), "encoding 0xfffe is neither PCM"),
        (riff(fmt(bits=24)), "24 bits a sample; PCM needs 16"),
        (riff(fmt(ULAW, bits=16)), "16 bits a sample; PCM needs 16, µ-law 8"),
        (riff(fmt(channels=6)), "6 channels; mono and stereo are read"),
        (riff(fmt(channels=0)), "0 channels"),
        (riff(fmt(rate_hz=0)), "a rate of 0 Hz"),
    ],
)
def test_read_names_file_and_fault(tmp_path: Path, content: bytes, fault: str) -> None:
    """What is no such WAV is refused in one sentence that says which file and why."""
    path = tmp_path / "greeting.wav"
    path.write_bytes(content)

    with pytest.raises(ValueError, match=rf"^greeting\.wav: .*{fault}"):
        wav.read(path)


def test_read_calls_bytes_wav_data() -> None:
    """Content without a name is named for what it should be."""
    with pytest.raises(ValueError, match=r"^WAV data: not a WAV file"):
        wav.read(b"nothing")


def test_read_passes_on_that_a_file_is_missing(tmp_path: Path) -> None:
    """A missing file is the file system's error, not a format's."""
    with pytest.raises(FileNotFoundError):
        wav.read(tmp_path / "missing.wav")


@given(st.binary(max_size=80))
def test_read_never_fails_otherwise_on_hostile_content(tail: bytes) -> None:
    """Any bytes behind a RIFF header are read or refused with a ValueError."""
    for content in (tail, b"RIFF\x00\x00\x00\x00WAVE" + tail, riff(fmt(), tail)):
        try:
            pcm, rate_hz = wav.read(content)
        except ValueError:
            continue
        assert pcm.dtype == np.int16
        assert rate_hz > 0


def test_stereo_in_memory_is_what_is_written(tmp_path: Path) -> None:
    """The bytes are those of the file."""
    wav.write_stereo(tmp_path / "a.wav", RAMP[:3], RAMP[:1], 8_000)
    assert wav.stereo(RAMP[:3], RAMP[:1], 8_000) == (tmp_path / "a.wav").read_bytes()
