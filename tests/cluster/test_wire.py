"""What nodes write to each other, and what they make of anything else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cluster import wire


@pytest.mark.parametrize(
    "note",
    [
        wire.EventNote(7, b"\x00\xff body", True),
        wire.CommandNote("id", "channel", "transfer", {"number": "+1", "deep": {"a": [1, None]}}, 5.0),
        wire.AnswerNote("id", result={"done": True}),
        wire.AnswerNote("id", fault="no", reason="refused"),
    ],
)
def test_note_comes_back_as_it_was(note: msgspec.Struct) -> None:
    """Every kind of note survives the wire, bytes included."""
    assert wire.read(wire.write(note), type(note)) == note


@given(st.binary(max_size=100))
def test_anything_else_is_no_note(data: bytes) -> None:
    """Whatever somebody says on our channels, reading it raises nothing."""
    for kind in (wire.EventNote, wire.CommandNote, wire.AnswerNote):
        assert wire.read(data, kind) is None or isinstance(wire.read(data, kind), kind)


@pytest.mark.parametrize("other", [{"s": "x", "b": b""}, {"s": 1}, [1, 2], None])
def test_note_of_another_shape_is_none(other: object) -> None:
    """A missing field, or one of another type, makes it no note."""
    assert wire.read(msgspec.msgpack.encode(other), wire.EventNote) is None
