"""``${NAME}`` and ``${file:/path}`` in the strings of a tools file: secrets that stand elsewhere. PURE.

``$${`` is a literal ``${``. A file is read by what the caller passes in, a relative path from the folder of
the tools file; its closing line break is left out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gateway.tools.faults import raise_all

MOST_FILE_BYTES = 16_384
"""The longest file that a reference may name: a key or a token, not a document."""

_REFERENCE = re.compile(r"\$(?P<escaped>\$\{)|\$\{(?P<inner>[^{}]*)(?P<end>\}?)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_FILE = "file:"


@dataclass(frozen=True, slots=True)
class References:
    """Reads references, and remembers what it found. Lives as long as one reading of a tools file.

    Attributes:
        env: the environment.
        folder: where relative paths start.
        read_file: returns the bytes of a file, or raises OSError; it need not return more than
            ``MOST_FILE_BYTES`` + 1.
        secrets: every value found, for the log's redaction.
    """

    env: Mapping[str, str] = field(repr=False)
    folder: Path
    read_file: Callable[[Path], bytes] = field(repr=False)
    secrets: set[str] = field(default_factory=set, repr=False)

    def resolve(self, text: str, *, secret: bool = True) -> str:
        """Return the text with its references replaced by what they stand for.

        Args:
            secret: whether what is found here is to be remembered as a secret.

        Raises:
            ValueError: a reference cannot be resolved; the message never shows a value.
            SeveralFaults: there are several such references.
        """
        files = list(dict.fromkeys(match["inner"] for match in _REFERENCE.finditer(text) if _is_file(match)))
        told: list[str] = []

        def found(match: re.Match[str]) -> str:
            if match["escaped"]:
                return "${"
            # A path is not repeated, so that of several files the number is told.
            numbered = _is_file(match) and len(files) > 1
            file = "${file:…}" + (f" number {files.index(match['inner']) + 1}" if numbered else "")
            try:
                value = self._value(match["inner"], file, terminated=bool(match["end"]))
            except ValueError as error:
                told.append(str(error))
                return ""
            if secret:
                self.secrets.add(value)
            return value

        resolved = _REFERENCE.sub(found, text)
        raise_all(told)
        return resolved

    def _value(self, inner: str, file: str, *, terminated: bool) -> str:
        # What stands inside is repeated only where it is a name: a secret may have been pasted there.
        if not terminated:
            raise ValueError("has ${ without its }; close it, or write $${ for a literal ${")
        if inner.startswith(_FILE):
            return self._file(inner.removeprefix(_FILE), file)
        if not _NAME(inner):
            raise ValueError("has a ${…} that is no reference; write ${NAME}, ${file:/path}, or $${ for ${")
        value = self.env.get(inner)
        if value is None:
            raise ValueError(f"the environment variable {inner} is not set; set it, or use ${{file:/path}}")
        if not value:
            raise ValueError(f"the environment variable {inner} is empty; give it its value")
        return value

    def _file(self, path: str, called: str) -> str:
        try:
            content = self.read_file(self.folder / path)
        except (OSError, ValueError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is no path"
            raise ValueError(f"{called} cannot be read ({cause}); mount the secret there") from None
        if len(content) > MOST_FILE_BYTES:
            raise ValueError(
                f"{called} is larger than {MOST_FILE_BYTES // 1024} kB; it must hold the secret alone"
            )
        try:
            value = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            value = None
        if value is None:  # outside the handler: its error holds the content
            raise ValueError(f"{called} is not UTF-8 text; save the secret as text")
        if not value:
            raise ValueError(f"{called} is empty; put the secret into it")
        return value


def _is_file(match: re.Match[str]) -> bool:
    return bool(match["end"]) and match["inner"].startswith(_FILE)
