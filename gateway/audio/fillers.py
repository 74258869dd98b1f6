"""What callers hear while a tool works, by its name in the tools file. PURE but for reading the file."""

from pathlib import Path

from gateway.audio import clips


def load_filler(name: str) -> bytes:
    """Return a filler: one of our clips, or a WAV file.

    Returns:
        µ-law at 8 kHz.

    Raises:
        ValueError: there is no such clip and no such file, or the file is not fit; the message says why.
    """
    if name in clips.CLIPS:
        return clips.load(name)
    try:
        data = Path(name).read_bytes()
    except OSError as error:
        known = ", ".join(clips.CLIPS)
        raise ValueError(
            f"names neither a clip of ours ({known}) nor a WAV file that can be read ({error.strerror})"
        ) from None
    return clips.from_wav(data)
