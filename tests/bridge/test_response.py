"""How long the caller waits for the agent: from the end of their turn to the first audio that leaves."""

import pytest

from gateway.bridge import events as on
from gateway.bridge.response import ResponseClock


class Told(ResponseClock):
    """A clock whose waits are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[int] = []
        self.tell = self.waits.append


@pytest.fixture
def clock() -> Told:
    """A clock of a caller who has begun to speak."""
    fresh = Told()
    fresh.notice(on.SpeechStarted(), 1.0)
    return fresh


def test_wait_from_the_end_of_speech_to_the_first_piece(clock: Told) -> None:
    """Audio that is still gathered does not count; the piece that leaves does, once."""
    clock.notice(on.SpeechStopped(), 2.0)
    clock.sent(7, 2.5)
    clock.agent_sounded(7)
    clock.sent(7, 2.55)
    assert clock.waits == []
    clock.sent(8, 2.64)
    clock.agent_sounded(8)
    clock.sent(9, 3.0)

    assert clock.waits == [640]


def test_pieces_of_ours_before_the_agent_spoke_do_not_count(clock: Told) -> None:
    """A clip that leaves while the caller waits is no answer."""
    clock.notice(on.SpeechStopped(), 2.0)
    clock.sent(9, 2.1)
    clock.agent_sounded(9)
    clock.agent_sounded(10)
    clock.sent(10, 2.2)

    assert clock.waits == [200]


def test_caller_who_speaks_again_waits_anew(clock: Told) -> None:
    """Of two turns without an answer between them the second counts."""
    clock.notice(on.SpeechStopped(), 2.0)
    clock.agent_sounded(0)
    clock.notice(on.SpeechStarted(emulated=True), 3.0)
    clock.sent(1, 3.1)
    clock.notice(on.SpeechStopped(), 4.0)
    clock.agent_sounded(1)
    clock.sent(2, 4.25)

    assert clock.waits == [250]


def test_final_words_end_a_turn_that_nothing_else_ends(clock: Told) -> None:
    """Where only words show that somebody spoke, the last of them count."""
    clock.caller_said(2.0, final=False)
    clock.caller_said(3.0, final=True)
    clock.agent_sounded(0)
    clock.sent(1, 3.5)

    assert clock.waits == [500]


def test_words_that_come_after_the_end_of_speech_change_nothing(clock: Told) -> None:
    """The turn ended when the caller stopped, however late its words are understood."""
    clock.notice(on.SpeechStopped(), 2.0)
    clock.caller_said(2.4, final=True)
    clock.agent_sounded(0)
    clock.sent(1, 3.0)

    assert clock.waits == [1_000]


def test_agent_that_speaks_first_answers_nobody() -> None:
    """A greeting has no latency, nor has what comes while the caller talks."""
    clock = Told()
    clock.agent_sounded(0)
    clock.sent(1, 1.0)
    clock.notice(on.SpeechStarted(), 2.0)
    clock.agent_sounded(1)
    clock.sent(2, 2.5)
    clock.notice(on.Interruption(), 2.6)
    clock.sent(3, 2.7)

    assert clock.waits == []


def test_clock_that_nobody_listens_to_runs_all_the_same() -> None:
    """Without anybody to tell a wait is over, and gone."""
    clock = ResponseClock()
    clock.notice(on.SpeechStopped(), 1.0)
    clock.agent_sounded(0)
    clock.sent(1, 2.0)
    clock.tell = lambda latency_ms: pytest.fail("told twice")
    clock.sent(2, 3.0)
