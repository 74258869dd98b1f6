"""The messages as values."""

from copy import copy

import pytest

from gateway.vatel import frames, messages
from gateway.vatel.frames import (
    InputTranscript,
    ResponseAudio,
    ResponseText,
    SessionStarted,
    SpeechStarted,
    ToolCall,
)


def test_audio_is_matched_by_position() -> None:
    """The bridge takes turn, audio and finality apart in that order."""
    match ResponseAudio("turn", b"\0\0", None):
        case ResponseAudio(turn_id, audio, is_final):
            assert (turn_id, audio, is_final) == ("turn", b"\0\0", None)


def test_absent_finality_means_final_for_words_only() -> None:
    """Text and transcripts without is_final are final; of audio it is unknown (vatel.md 2.1)."""
    assert ResponseText("t", "hi").is_final is True
    assert InputTranscript("hi").is_final is True
    assert ResponseAudio().is_final is None


def test_missing_names_are_empty_where_the_contract_forgives() -> None:
    """A session without an id, audio without a turn, speech without its origin are still messages."""
    assert SessionStarted().id == ""
    assert ResponseAudio().turn_id == ""
    assert InputTranscript("hi").turn_id is None
    assert SpeechStarted().emulated is False


@pytest.mark.parametrize(
    "message",
    [SessionStarted("a"), ResponseAudio("a", b"b", True), ResponseText("a", "b"), ToolCall("a", "b")],
)
def test_messages_are_equal_by_value(message: frames.ServerMessage) -> None:
    """Two messages that say the same are the same, also as keys."""
    again = copy(message)

    assert again == message
    assert hash(again) == hash(message)


def test_the_message_module_offers_every_frame() -> None:
    """What is defined here is spoken there."""
    kinds = [
        name for name, value in vars(frames).items() if getattr(value, "__module__", "") == frames.__name__
    ]

    assert kinds
    assert set(kinds) <= set(messages.__all__)
