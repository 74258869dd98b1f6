"""Fuzz every parser, guided by coverage: ``python -m tests.fuzz --seconds 600`` (needs the extra ``fuzz``).

The first byte of an input chooses the target. Anything but the documented errors stops the run with the
input that caused it. Seeds are the golden frames of the tests.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["gateway"]):
    from tests.fuzz.targets import TARGETS

_GOLDEN = ("tests/twilio/golden", "tests/vatel/golden")


def one_input(data: bytes) -> None:
    """Run one input through the target its first byte names."""
    if data:
        TARGETS[data[0] % len(TARGETS)](data[1:])


def golden_texts() -> Iterator[str]:
    """Yield the wire text of every golden frame."""
    for source in sorted(path for folder in _GOLDEN for path in Path(folder).glob("*.json*")):
        text = source.read_text(encoding="utf-8")
        frames = (
            [json.loads(line) for line in text.splitlines()]
            if source.suffix == ".jsonl"
            else json.loads(text)
        )
        yield from (
            frame[key] for frame in frames for key in ("text", "wire") if isinstance(frame.get(key), str)
        )


def write_seeds(folder: Path) -> None:
    """Write each golden frame as a seed of each target."""
    for number, text in enumerate(golden_texts()):
        for target in range(len(TARGETS)):
            (folder / f"{number}-{target}").write_bytes(bytes([target]) + text.encode("utf-8", "replace"))


def main() -> None:
    """Fuzz for a while; the exit status is 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=600)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_seeds(Path(folder))
        atheris.Setup(
            [sys.argv[0], f"-max_total_time={arguments.seconds}", "-max_len=70000", "-timeout=10", folder],
            one_input,
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
