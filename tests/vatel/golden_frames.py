"""Golden frames of Vatel's socket (vatel.md 2, vatel-openapi.json), their bad twins, and random messages."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from gateway.errors import AgentProtocolError
from gateway.vatel import messages

FOLDER = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Frame:
    """A frame and the message it carries."""

    name: str
    wire: str
    message: object

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class BadTwin:
    """A frame that must be refused, and why."""

    name: str
    wire: str
    reason: str

    def __str__(self) -> str:
        return self.name


def frames(name: str) -> list[Frame]:
    """Load the golden frames of one direction: ``server`` or ``client``."""
    return [
        Frame(entry["name"], entry["wire"], _message(entry["kind"], entry["fields"]))
        for entry in json.loads((FOLDER / f"{name}_frames.json").read_text(encoding="utf-8"))
    ]


def bad_twins(name: str) -> list[BadTwin]:
    """Load the bad twins of one direction."""
    listed = json.loads((FOLDER / f"{name}_bad_twins.json").read_text(encoding="utf-8"))
    return [BadTwin(**entry) for entry in listed]


def _message(kind: str, fields: dict[str, Any]) -> object:
    fields = dict(fields)
    if "audio_hex" in fields:
        fields["audio"] = bytes.fromhex(fields.pop("audio_hex"))
    if "arguments" in fields:
        fields["arguments"] = tuple(messages.Argument(*argument) for argument in fields["arguments"])
    return getattr(messages, kind)(**fields)


# What a peer may say, for property tests. Lone surrogates are no text: JSON over UTF-8 cannot carry them.
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
named = words.filter(bool)
audio = st.binary(max_size=200)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
arguments = st.builds(messages.Argument, words, words, words, words, st.booleans(), json_values)
server_messages: st.SearchStrategy[messages.ServerMessage] = st.one_of(
    st.builds(messages.SessionStarted, words),
    st.builds(messages.ResponseAudio, words, audio, st.none() | st.booleans()),
    st.builds(messages.ResponseText, words, words, st.booleans()),
    st.builds(messages.InputTranscript, words, st.none() | words, st.booleans()),
    st.builds(messages.SpeechStarted, st.booleans()),
    st.builds(messages.SpeechStopped),
    st.builds(messages.Interruption),
    st.builds(messages.SessionEnded),
    st.builds(messages.ToolCall, named, words, st.lists(arguments, max_size=3).map(tuple)),
    st.builds(messages.Unknown, words.map(lambda word: f"x-{word}")),
)
dialects = st.builds(
    messages.Dialect, st.sampled_from(["null", "object", "absent"]), st.booleans(), st.booleans()
)


def refusal(read: Callable[[str | bytes], object], text: str | bytes) -> str | None:
    """Return the reason for which a text is refused, or None when it is read; anything else escapes."""
    try:
        read(text)
    except AgentProtocolError as error:
        return error.reason
    return None
