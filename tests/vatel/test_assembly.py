"""Frames into messages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from gateway.vatel.assembly import Assembly


def push(assembly: Assembly, *frames: Frame) -> list[bytes]:
    """Push frames; return the messages they complete."""
    payloads = [assembly.push(frame) for frame in frames]
    return [bytes(payload) for payload in payloads if payload is not None]


def test_a_whole_frame_is_a_message() -> None:
    """A text frame with FIN needs nothing else."""
    assert push(Assembly(), Frame(Opcode.TEXT, b"a"), Frame(Opcode.TEXT, b"")) == [b"a", b""]


def test_fragments_make_one_message() -> None:
    """Pieces are joined when the last one is there, empty ones included."""
    frames = [
        Frame(Opcode.TEXT, b"a", fin=False),
        Frame(Opcode.CONT, b"", fin=False),
        Frame(Opcode.CONT, b"b", fin=False),
        Frame(Opcode.CONT, b"c"),
    ]

    assert push(Assembly(), *frames) == [b"abc"]


def test_control_frames_between_fragments_change_nothing() -> None:
    """Pings and pongs may come in the middle of a message (RFC 6455 5.4)."""
    frames = [
        Frame(Opcode.TEXT, b"a", fin=False),
        Frame(Opcode.PING, b"x"),
        Frame(Opcode.PONG, b"y"),
        Frame(Opcode.CONT, b"b"),
    ]

    assert push(Assembly(), *frames) == [b"ab"]


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG, Opcode.CLOSE])
def test_control_frames_are_no_messages(opcode: Opcode) -> None:
    """Only text completes a message."""
    assembly = Assembly()

    assert push(assembly, Frame(opcode, b"")) == []
    assert assembly.binary_frames == 0


def test_binary_messages_are_counted_once_each() -> None:
    """In fragments or whole, a binary message is one, and its pieces reach nobody."""
    assembly = Assembly()
    frames = [
        Frame(Opcode.BINARY, b"a"),
        Frame(Opcode.BINARY, b"b", fin=False),
        Frame(Opcode.CONT, b"c", fin=False),
        Frame(Opcode.CONT, b"d"),
        Frame(Opcode.TEXT, b"e"),
    ]

    assert push(assembly, *frames) == [b"e"]
    assert assembly.binary_frames == 2


def test_a_message_leaves_nothing_for_the_next() -> None:
    """Each message starts empty."""
    assembly = Assembly()
    message = [Frame(Opcode.TEXT, b"a", fin=False), Frame(Opcode.CONT, b"b")]

    assert push(assembly, *message, *message) == [b"ab", b"ab"]


@given(st.lists(st.lists(st.binary(max_size=8), min_size=1, max_size=5), max_size=5))
def test_any_cutting_gives_the_messages_back(messages: list[list[bytes]]) -> None:
    """However messages are cut, they come out whole and in order."""
    frames = [
        Frame(Opcode.CONT if index else Opcode.TEXT, piece, fin=index == len(pieces) - 1)
        for pieces in messages
        for index, piece in enumerate(pieces)
    ]

    assert push(Assembly(), *frames) == [b"".join(pieces) for pieces in messages]
