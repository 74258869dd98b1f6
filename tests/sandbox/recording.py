"""Records the lines that agents without the extra ``demo`` speak: python -m tests.sandbox.recording"""

import sys
from pathlib import Path

from gateway.audio import ulaw
from gateway.sandbox import faculties, seed
from gateway.sandbox.talker import conversation, table_booking
from gateway.speech import tts

LINES = Path(faculties.__file__).parent / "lines"


def spoken() -> tuple[str, ...]:
    """Return all that is said word for word, by the scenarios and by the agents of the example."""
    firsts = [fields["first_message"] for _, fields in seed.AGENTS]
    return tuple(dict.fromkeys((*table_booking().fixed_lines, *conversation().fixed_lines, *firsts)))


def main() -> int:
    """Record all of it anew."""
    for old in LINES.glob("*.ulaw"):
        old.unlink()
    for text in spoken():
        line = ulaw.encode(tts.render(text, tts.AGENT_VOICE, faculties.LINES_RATE_HZ))
        (LINES / faculties.file_name(text)).write_bytes(line)
        sys.stdout.write(f"{len(line) / faculties.LINES_RATE_HZ:5.1f} s  {text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
