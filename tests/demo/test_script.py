"""What the demo promises, and that each promise can be broken."""

import re
from dataclasses import FrozenInstanceError, replace

import pytest

from gateway.demo import script
from gateway.demo.script import TABLE_BOOKING, Play, Witness
from gateway.records import (
    CallEnded,
    Ending,
    Happening,
    Interrupted,
    Reason,
    Result,
    ToolAsked,
    ToolRun,
    TranscriptEntry,
)
from gateway.simulator import promises
from gateway.simulator.promises import Limits
from gateway.speech import extra, tts
from tests.simulator.stories import report_of

needs_speech = pytest.mark.skipif(not extra.available(), reason="the extra `demo` is not installed")

ASKED: list[dict[str, object]] = [{"arguments": {"people": 4, "time": "19:30"}}]
GOOD: tuple[Happening, ...] = (
    *(TranscriptEntry(n, "caller", line, True, 0.0) for n, line in enumerate(TABLE_BOOKING.lines)),
    *(TranscriptEntry(10 + n, "agent", "words", True, 0.0) for n in range(6)),
    ToolAsked("t", "book_table", {}),
    ToolRun("t", "book_table", "ok", 5, "Booked."),
    Interrupted(1.0, 100),
    CallEnded(30.0, Ending(Result.COMPLETED, Reason.AGENT_ENDED), {}),
)


def broken(
    happenings: tuple[Happening, ...], asked: list[dict[str, object]], play: Play = TABLE_BOOKING
) -> list[str]:
    """Return the names of the promises that did not hold."""
    witness = Witness()
    for happening in happenings:
        witness.happening(happening)
    return [promise.name for promise in witness.promises(play, asked) if not promise.held]


def test_good_call_keeps_every_promise() -> None:
    """A call as it should be breaks nothing."""
    assert broken(GOOD, ASKED) == []


@pytest.mark.parametrize(
    ("happenings", "asked", "name"),
    [
        (GOOD[1:], ASKED, "caller understood"),
        ((TranscriptEntry(0, "caller", "", True, 0.0), *GOOD[1:]), ASKED, "caller understood"),
        (GOOD[:5] + GOOD[6:], ASKED, "agent spoke"),
        (GOOD, [], "tools asked rightly"),
        (GOOD, ASKED * 2, "tools asked rightly"),
        (GOOD, [{"arguments": {"people": 2, "time": "19:30"}}], "tools asked rightly"),
        (tuple(each for each in GOOD if not isinstance(each, ToolRun)), ASKED, "tools answered"),
        (tuple(each for each in GOOD if not isinstance(each, Interrupted)), ASKED, "caller cut in"),
        ((*GOOD, Interrupted(2.0, 1)), ASKED, "caller cut in"),
        (GOOD[:-1], ASKED, "ended cleanly"),
        (
            (*GOOD[:-1], CallEnded(1.0, Ending(Result.FAILED, Reason.AGENT_LOST), {})),
            ASKED,
            "ended cleanly",
        ),
    ],
)
def test_each_promise_can_be_broken(
    happenings: tuple[Happening, ...], asked: list[dict[str, object]], name: str
) -> None:
    """Each thing that goes wrong breaks just the promise that names it."""
    assert broken(happenings, asked) == [name]


def test_play_without_tool_and_interruption_promises_that_there_are_none() -> None:
    """What a call is not to hold is held to as well."""
    quiet = Play(lines=("Hi.",), agent_turns=1, limits=Limits())

    assert broken((GOOD[0], GOOD[5], GOOD[-1]), [], quiet) == []
    assert broken((GOOD[0], GOOD[5], *GOOD[-3:]), ASKED, quiet) == [
        "tools asked rightly",
        "tools answered",
        "caller cut in",
    ]


@needs_speech
def test_caller_says_every_line_and_cuts_in_once() -> None:
    """The script speaks each line, one of them as an interruption, and waits for the end."""
    steps = script.caller(TABLE_BOOKING).steps

    assert [getattr(step, "text") for step in steps if hasattr(step, "text")] == list(TABLE_BOOKING.lines)  # noqa: B009
    assert [step.name for step in steps].count("interrupt") == 1
    assert steps[-1].name == "wait_end"


@needs_speech
def test_caller_who_never_cuts_in_waits_for_each_turn() -> None:
    """Without an interruption every line follows a pause of the agent's."""
    steps = script.caller(Play(lines=("One.", "Two."), agent_turns=1, limits=Limits())).steps

    assert [step.name for step in steps] == ["wait_agent_quiet", "say", "wait_agent_quiet", "say", "wait_end"]


def test_promises_about_time_bear_the_names_that_the_report_gives_them() -> None:
    """Each name that counts as a matter of time is one that a judged call of the demo has."""
    good = report_of(ending="rest_completed")
    interrupted = replace(good, streams=(replace(good.streams[0], barge_in_ms=(50.0,)),))
    judged = promises.judge(interrupted, TABLE_BOOKING.limits)

    assert {promise.name for promise in script.timed(judged.promises)} == script._TIMED


def test_what_was_said_and_done_is_no_matter_of_time() -> None:
    """A machine that is late excuses no word, no tool and no ending."""
    assert script.timed(Witness().promises(TABLE_BOOKING, [])) == []


@needs_speech
def test_caller_is_good_for_a_second_call() -> None:
    """What it is going to do is frozen: one call leaves nothing of itself for the next."""
    caller = script.caller(Play(lines=("One.",), agent_turns=1, limits=Limits()))

    assert isinstance(caller.steps, tuple)
    for step in caller.steps:
        with pytest.raises(FrozenInstanceError):
            step.timeout_s = 1.0  # type: ignore[misc]


@needs_speech
def test_caller_speaks_with_another_voice_than_the_agent() -> None:
    """Who listens to the recording can tell the two apart."""
    assert TABLE_BOOKING.agent.voice != tts.CALLER_VOICE


def test_conversation_answers_each_line_of_the_caller() -> None:
    """The scenario that the caller's lines were written for understands each of their words."""
    known = " ".join(grammar.jsgf for grammar in TABLE_BOOKING.agent.conversation.grammar.values())
    words = " ".join(TABLE_BOOKING.lines).lower().translate(str.maketrans("", "", ".,?")).split()

    assert set(words) <= set(re.findall(r"[a-z']+", known))
