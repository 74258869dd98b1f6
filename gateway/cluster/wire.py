"""How nodes write to each other: small MessagePack maps, read strictly. PURE."""

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


class EventNote(msgspec.Struct, frozen=True):
    """A live event on its channel.

    Attributes:
        s: its number.
        b: its body.
        l: whether it is the last.
    """

    s: int
    b: bytes
    l: bool = False  # noqa: E741 - the field's name on the wire


class CommandNote(msgspec.Struct, frozen=True):
    """A command on its call's channel.

    Attributes:
        id: what the answer names.
        to: the channel the answer goes to.
        name: the command.
        arguments: by name.
        within_s: how long the asker waits.
    """

    id: str
    to: str
    name: str
    arguments: dict[str, Any]
    within_s: float


class AnswerNote(msgspec.Struct, frozen=True):
    """The answer to a command.

    Attributes:
        id: of the command.
        result: what the handler returned; None when it raised.
        fault: what it raised, for people.
        reason: what it raised, as a slug.
    """

    id: str
    result: dict[str, Any] | None = None
    fault: str = ""
    reason: str = ""


def write(note: msgspec.Struct) -> bytes:
    """Return a note as bytes."""
    return msgspec.msgpack.encode(note)


def read(data: bytes, kind: type[T]) -> T | None:
    """Return the note that bytes hold, or None when they are no such note."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a ValidationError is a DecodeError
        return None
