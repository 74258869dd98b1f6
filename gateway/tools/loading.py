"""Reads a tools file, and tells when it has changed."""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.errors import ConfigError
from gateway.tools.catalog import Catalog
from gateway.tools.references import MOST_FILE_BYTES

MOST_BYTES: Final = 1_048_576
"""The largest tools file."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a file from another. A value."""

    modified_ns: int
    size: int
    inode: int


def stamp(path: Path) -> Stamp | None:
    """Return the state of a file, symbolic links followed; None while there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


def load(path: Path, env: Mapping[str, str], load_filler: Callable[[str], bytes]) -> Catalog:
    """Read a tools file, and the files that it names.

    Args:
        env: what ``${NAME}`` is looked up in.
        load_filler: returns a clip by its name or its path, as µ-law at 8 kHz, or raises ValueError.

    Raises:
        ConfigError: the file cannot be read, or something in it is wrong; one line for every fault, each
            beginning with the file.
    """
    document = _document(path)
    try:
        return Catalog.parse(
            document, env=env, folder=path.parent, read_file=_read_file, load_filler=load_filler
        )
    except ConfigError as error:
        lines = (f"{path}: {line}" for line in str(error).split("\n"))
        raise ConfigError("\n".join(lines), reason=error.reason) from None


def _document(path: Path) -> Mapping[str, Any]:
    try:
        content = _read(path, MOST_BYTES)
    except (OSError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is no path"
        raise _fault(
            f"{path}: cannot be read ({cause}); name an existing file with GATEWAY_TOOLS__FILE"
        ) from None
    if len(content) > MOST_BYTES:
        raise _fault(f"{path}: is larger than {MOST_BYTES // 1024} kB; it is to hold tools, not data")
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError:
        raise _fault(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise _fault(f"{path}: is not TOML: {error}") from None
    except RecursionError:
        raise _fault(f"{path}: is nested too deep; write it flatter") from None


def _read_file(path: Path) -> bytes:
    return _read(path, MOST_FILE_BYTES)


def _read(path: Path, limit: int) -> bytes:
    """Return a file's content, or a little more than the limit of it."""
    with path.open("rb") as file:
        return file.read(limit + 1)


def _fault(message: str) -> ConfigError:
    return ConfigError(message if message.isprintable() else ascii(message), reason="bad_tools")
