"""Tools files for tests: written in TOML, read with an environment and files that the test names."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.tools.catalog import Catalog

FOLDER = Path("/etc/gateway")


def load_filler(name: str) -> bytes:
    """Return the only clip there is, or a file whose path says that it is fit."""
    if name == "one_moment" or name.endswith("good.wav"):
        return name.encode()
    if name.endswith("gone.wav"):
        raise FileNotFoundError(2, "No such file or directory", name)
    raise ValueError("names neither a clip of ours nor a WAV file")


def parse(
    text: str, env: Mapping[str, str] | None = None, files: Mapping[str, bytes] | None = None
) -> Catalog:
    """Read a tools file."""

    def read_file(path: Path) -> bytes:
        if str(path) not in (files or {}):
            raise FileNotFoundError(2, "No such file or directory", str(path))
        return (files or {})[str(path)]

    return Catalog.parse(
        tomllib.loads(text), env=env or {}, folder=FOLDER, read_file=read_file, load_filler=load_filler
    )


def faults(
    text: str, env: Mapping[str, str] | None = None, files: Mapping[str, bytes] | None = None
) -> list[str]:
    """Return the lines of the one error that a tools file raises."""
    with pytest.raises(ConfigError) as caught:
        parse(text, env, files)
    assert caught.value.reason == "bad_tools"
    return str(caught.value).splitlines()


def document_faults(tool: Mapping[str, object]) -> list[str]:
    """Return the faults of a document with one tool; none when it is right."""
    try:
        Catalog.parse(
            {"tools": [tool]}, env={}, folder=FOLDER, read_file=Path.read_bytes, load_filler=load_filler
        )
    except ConfigError as error:
        return str(error).splitlines()
    return []


def webhook(lines: str) -> str:
    """Return a file with one tool called ``book`` that has these lines too."""
    return f'[[tools]]\nname = "book"\nurl = "https://h.example/book"\n{lines}\n'


def webhook_faults(lines: str, env: Mapping[str, str] | None = None) -> list[str]:
    """Return the faults of such a tool, without its name."""
    return [line.removeprefix('tools[0] "book": ') for line in faults(webhook(lines), env)]
