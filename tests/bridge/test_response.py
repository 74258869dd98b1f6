"""How long the caller waits for the agent: from the end of their turn to the first audio that leaves."""

import pytest

from gateway.bridge import events as on
from gateway.bridge.response import ResponseClock


@pytest.fixture
def clock() -> ResponseClock:
    """A clock of a caller who has begun to speak."""
    fresh = ResponseClock()
    fresh.notice(on.SpeechStarted(), 1.0)
    return fresh


def test_wait_from_the_end_of_speech_to_the_first_piece(clock: ResponseClock) -> None:
    """Audio that is still gathered does not count; the piece that leaves does, once."""
    clock.notice(on.SpeechStopped(), 2.0)
    assert clock.responded(7, 2.5) is None
    clock.agent_sounded(7)
    assert clock.responded(7, 2.55) is None
    assert clock.responded(8, 2.64) == 640
    clock.agent_sounded(8)
    assert clock.responded(9, 3.0) is None


def test_pieces_of_ours_before_the_agent_spoke_do_not_count(clock: ResponseClock) -> None:
    """A clip that leaves while the caller waits is no answer."""
    clock.notice(on.SpeechStopped(), 2.0)
    assert clock.responded(9, 2.1) is None
    clock.agent_sounded(9)
    clock.agent_sounded(10)

    assert clock.responded(10, 2.2) == 200


def test_caller_who_speaks_again_waits_anew(clock: ResponseClock) -> None:
    """Of two turns without an answer between them the second counts."""
    clock.notice(on.SpeechStopped(), 2.0)
    clock.agent_sounded(0)
    clock.notice(on.SpeechStarted(emulated=True), 3.0)
    assert clock.responded(1, 3.1) is None
    clock.notice(on.SpeechStopped(), 4.0)
    clock.agent_sounded(1)

    assert clock.responded(2, 4.25) == 250


def test_final_words_end_a_turn_that_nothing_else_ends(clock: ResponseClock) -> None:
    """Where only words show that somebody spoke, the last of them count."""
    clock.caller_said(2.0, final=False)
    clock.caller_said(3.0, final=True)
    clock.agent_sounded(0)

    assert clock.responded(1, 3.5) == 500


def test_words_that_come_after_the_end_of_speech_change_nothing(clock: ResponseClock) -> None:
    """The turn ended when the caller stopped, however late its words are understood."""
    clock.notice(on.SpeechStopped(), 2.0)
    clock.caller_said(2.4, final=True)
    clock.agent_sounded(0)

    assert clock.responded(1, 3.0) == 1_000


def test_agent_that_speaks_first_answers_nobody() -> None:
    """A greeting has no latency, nor has what comes while the caller talks."""
    clock = ResponseClock()
    clock.agent_sounded(0)
    assert clock.responded(1, 1.0) is None
    clock.notice(on.SpeechStarted(), 2.0)
    clock.agent_sounded(1)
    assert clock.responded(2, 2.5) is None
    clock.notice(on.Interruption(), 2.6)

    assert clock.responded(3, 2.7) is None
