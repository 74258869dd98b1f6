"""What stands elsewhere, and what is told when it does not stand there."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.tools.faults import SeveralFaults
from gateway.tools.references import MOST_FILE_BYTES, References

CANARY = "canary-0123456789"
FOLDER = Path("/etc/gateway")
FILES = {
    Path("/run/secrets/token"): b"t0ken\r\n",
    Path("/etc/gateway/near"): b"near by",
    Path("/lines"): b"a\nb\n\n",
    Path("/empty"): b"\n",
    Path("/large"): CANARY.encode() * MOST_FILE_BYTES,
    Path("/full"): b"x" * MOST_FILE_BYTES,
    Path("/binary"): CANARY.encode() + b"\xff",
}


def read_file(path: Path) -> bytes:
    """Read one of the files above."""
    if "\0" in str(path):
        raise ValueError("embedded null byte")
    if path not in FILES:
        raise FileNotFoundError(2, "No such file or directory", str(path))
    return FILES[path]


def references(env: dict[str, str] | None = None) -> References:
    """Return references into an environment and the files above."""
    return References({"KEY": "k3y", "BRACES": "${KEY}{{ x }}"} if env is None else env, FOLDER, read_file)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        ("plain $KEY $ {KEY} }", "plain $KEY $ {KEY} }"),
        ("${KEY}", "k3y"),
        ("a ${KEY}${KEY} b", "a k3yk3y b"),
        ("${file:/run/secrets/token}", "t0ken"),
        ("${file:near}", "near by"),
        ("${file:/lines}", "a\nb"),
        ("$${KEY}", "${KEY}"),
        ("$$${KEY}", "$${KEY}"),
        ("$$", "$$"),
        ("$${", "${"),
        ("${BRACES}", "${KEY}{{ x }}"),
    ],
)
def test_references_are_replaced_by_what_they_stand_for(text: str, value: str) -> None:
    """Variables and files are read once, without reading what they hold; $${ is a literal."""
    assert references().resolve(text) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("${MISSING}", "the environment variable MISSING is not set"),
        ("${NOTHING}", "the environment variable NOTHING is empty"),
        ("a ${KEY", "has ${ without its }"),
        ("${", "has ${ without its }"),
        ("${a{b}", "has ${ without its }"),
        ("${}", "has a ${…} that is no reference"),
        (f"${{{CANARY}}}", "has a ${…} that is no reference"),
        ("${ KEY }", "has a ${…} that is no reference"),
        ("${KEY:-x}", "has a ${…} that is no reference"),
        ("${file:/nowhere}", "${file:…} cannot be read (No such file or directory)"),
        ("${file:\0}", "${file:…} cannot be read (it is no path)"),
        ("${file:/large}", "${file:…} is larger than 16 kB"),
        ("${file:/binary}", "${file:…} is not UTF-8 text"),
        ("${file:/empty}", "${file:…} is empty"),
    ],
)
def test_what_cannot_be_resolved_is_told_without_any_value(text: str, told: str) -> None:
    """Each fault says what is wrong and the fix; neither a value nor a content is in it, or behind it."""
    with pytest.raises(ValueError, match=r"; ") as caught:
        references({"KEY": CANARY, "NOTHING": ""}).resolve(text)

    assert str(caught.value).startswith(told)
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "${A}${B} ${KEY} ${A} ${N}",
            ["variable A is not set", "variable B is not set", "variable N is empty"],
        ),
        ("${A} ${a b} ${file:/nowhere}", ["variable A", "is no reference", "${file:…} cannot be read"]),
        (
            "${file:/nowhere}${file:near}${file:gone}${file:/nowhere}${file:/empty}",
            ["${file:…} number 1 cannot be read", "number 3 cannot be read", "number 4 is empty"],
        ),
        ("${A} ${B", ["variable A is not set", "has ${ without its }"]),
    ],
)
def test_every_reference_that_cannot_be_resolved_is_told(text: str, told: list[str]) -> None:
    """Each is told once; of several files, whose paths are not repeated, it is told which."""
    found = references({"KEY": CANARY, "N": ""})
    with pytest.raises(SeveralFaults) as caught:
        found.resolve(text)

    assert len(caught.value.sentences) == len(told)
    assert all(part in sentence for part, sentence in zip(told, caught.value.sentences, strict=True))
    assert CANARY not in str(caught.value)
    assert caught.value.__context__ is None


def test_the_longest_file_may_be_read() -> None:
    """A file of just the limit is still a secret."""
    assert len(references().resolve("${file:/full}")) == MOST_FILE_BYTES


def test_what_was_found_is_remembered_as_secret_unless_it_is_none() -> None:
    """The values that logs must mask are those met at places where a secret may stand."""
    found = references()
    found.resolve("Bearer ${KEY} ${file:near} $${KEY}")
    found.resolve("${BRACES}", secret=False)

    assert found.secrets == {"k3y", "near by"}


def test_nothing_printed_shows_a_value() -> None:
    """The object's own description holds neither the environment nor what was found."""
    found = references({"KEY": CANARY})
    found.resolve("${KEY}")

    assert CANARY not in repr(found)


def escaped(text: str) -> str:
    """Return a text that resolves to the given one."""
    return text.replace("${", "$${")


@given(text=st.text(alphabet=st.sampled_from("${}aKEY:file/ \n")) | st.text())
@example(text="$${KEY}")
def test_any_text_can_be_written(text: str) -> None:
    """With each ${ written as $${ a text comes out as it is meant, whatever it holds."""
    found = references({})

    assert found.resolve(escaped(text)) == text
    assert found.secrets == set()


def whole(before: str, value: str, after: str) -> tuple[str, str]:
    """Return a text with one reference in it, and what it resolves to."""
    return f"{escaped(before)}${{KEY}}{escaped(after)}", f"{before}{value}{after}"


@given(
    before=st.text().filter(lambda text: not text.endswith("$")), value=st.text(min_size=1), after=st.text()
)
def test_a_value_is_put_in_as_it_is(before: str, value: str, after: str) -> None:
    """No value can be taken for a reference, nor change what stands around it."""
    text, resolved = whole(before, value, after)

    assert references({"KEY": value}).resolve(text) == resolved


@given(text=st.text(alphabet=st.sampled_from("${}aKEY:file/\0 \n")))
def test_every_text_resolves_or_is_refused(text: str) -> None:
    """Nothing but text or a ValueError comes of any text."""
    found = references()
    with suppress(ValueError):
        assert isinstance(found.resolve(text), str)
