"""Reading a tools file from a disk, and seeing that it changed."""

import os
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.tools.loading import MOST_BYTES, Stamp, load, stamp
from tests.tools.files import load_filler, webhook


def told(path: Path) -> list[str]:
    """Return the lines of the error that a file raises, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        load(path, {}, load_filler)
    assert caught.value.reason == "bad_tools"
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    return [line.removeprefix(f"{path}: ") for line in lines]


def test_a_file_is_read_with_what_lies_beside_it(tmp_path: Path) -> None:
    """Secrets and fillers are found from the folder of the file, the environment is what is passed."""
    (tmp_path / "token").write_text("t0ken\n", encoding="utf-8")
    path = tmp_path / "tools.toml"
    path.write_text(
        webhook('headers = { X-A = "${file:token}", X-B = "${B}" }\ncomfort = { filler = "good.wav" }'),
        encoding="utf-8",
    )
    catalog = load(path, {"B": "bee"}, load_filler)

    assert catalog.secrets == {"t0ken", "bee"}
    assert catalog.tools[0].comfort.filler == str(tmp_path / "good.wav").encode()


def test_every_fault_begins_with_the_file(tmp_path: Path) -> None:
    """A file with two faults has two lines."""
    path = tmp_path / "tools.toml"
    path.write_text("tolls = 1\n[calls]\nparallel = 0\n", encoding="utf-8")

    assert told(path) == [
        "tolls: is no key here; did you mean tools?",
        "calls: parallel: must be greater than or equal to 1; it means: tools of one call that run at once",
    ]


@pytest.mark.parametrize(
    ("content", "start"),
    [
        (b"[[tools]]\nname = 'a'\nurl = \n", "is not TOML: "),
        (b"name = '\xff'", "is not UTF-8 text; save it as UTF-8"),
        (b"\0", "is not TOML: "),
        (b"a = " + b"[" * 5_000, "is nested too deep; write it flatter"),
        (b"#" * (MOST_BYTES + 1), "is larger than 1024 kB; it is to hold tools, not data"),
    ],
)
def test_what_is_no_toml_is_told(tmp_path: Path, content: bytes, start: str) -> None:
    """A file that cannot be read as TOML is one fault, with the line where there is one."""
    path = tmp_path / "tools.toml"
    path.write_bytes(content)
    [line] = told(path)

    assert line.startswith(start)
    assert ("line 3" in line) is (b"url" in content)


def test_a_file_of_just_the_limit_is_read(tmp_path: Path) -> None:
    """The largest file that may be is."""
    path = tmp_path / "tools.toml"
    path.write_bytes(b"#" * MOST_BYTES)

    assert load(path, {}, load_filler).tools == ()


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A file that is missing, and a folder, are told with the setting that names the file."""
    fix = "; name an existing file with GATEWAY_TOOLS__FILE"

    assert told(tmp_path / "none.toml") == [f"cannot be read (No such file or directory){fix}"]
    assert told(tmp_path) == [f"cannot be read (Is a directory){fix}"]
    with pytest.raises(ConfigError, match=r"cannot be read \(it is no path\)"):
        load(Path("a\0b"), {}, load_filler)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"canary" * 10_000, "is larger than 16 kB"),
        (b"canary\xff", "is not UTF-8 text"),
    ],
)
def test_a_secret_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None, fault: str) -> None:
    """The place is told, never what the file holds."""
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    path = tmp_path / "tools.toml"
    path.write_text(webhook('headers = { X-A = "${file:secret}" }'), encoding="utf-8")
    [line] = told(path)

    assert line.startswith(f'tools[0] "book": headers.X-A: ${{file:…}} {fault}')
    assert "canary" not in line


def test_a_stamp_tells_one_state_from_another(tmp_path: Path) -> None:
    """A file written, replaced or gone has another stamp; one that is left alone keeps it."""
    path = tmp_path / "tools.toml"
    missing = stamp(path)
    path.write_text("a", encoding="utf-8")
    first, again = stamp(path), stamp(path)
    path.write_text("ab", encoding="utf-8")
    longer = stamp(path)
    os.utime(path, ns=(1, 1))
    touched = stamp(path)
    other = tmp_path / "other"
    other.write_text("cd", encoding="utf-8")
    os.utime(other, ns=(1, 1))
    other.replace(path)
    replaced = stamp(path)

    assert missing is None
    assert isinstance(first, Stamp)
    assert first == again
    assert len({first, longer, touched, replaced}) == 4


def test_a_stamp_follows_links(tmp_path: Path) -> None:
    """A mounted volume that changes the target of a link has changed the file."""
    for name in ("old", "new"):
        (tmp_path / name).write_text(name, encoding="utf-8")
        os.utime(tmp_path / name, ns=(1, 1))
    link = tmp_path / "tools.toml"
    link.symlink_to(tmp_path / "old")
    before = stamp(link)
    link.unlink()
    link.symlink_to(tmp_path / "new")

    assert stamp(link) != before
