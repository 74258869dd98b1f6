"""Fillers by their name in the tools file."""

from pathlib import Path

import numpy as np
import pytest

from gateway.audio import clips, ulaw, wav
from gateway.audio.fillers import load_filler


def test_name_of_a_clip_is_the_clip() -> None:
    """What the gateway brings along needs no file."""
    assert load_filler("one_moment") == clips.load("one_moment")


def test_path_of_a_file_is_its_sound(tmp_path: Path) -> None:
    """A WAV file of the operator's, as µ-law."""
    samples = np.full(800, 1_000, np.int16)
    path = tmp_path / "wait.wav"
    wav.write(path, samples, 8_000)

    assert load_filler(str(path)) == ulaw.encode(samples)


@pytest.mark.parametrize("content", [None, b"", b"RIFFnothing"])
def test_what_is_neither_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """The message says what would do."""
    path = tmp_path / "wait.wav"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ValueError, match="WAV"):
        load_filler(str(path))
