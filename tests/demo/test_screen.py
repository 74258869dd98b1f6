"""What the demo shows of a call."""

import io

import pytest
from rich.console import Console

from gateway.demo.screen import Screen
from gateway.records import (
    CallEnded,
    Ending,
    Happening,
    Interrupted,
    KeyPressed,
    Reason,
    Result,
    StateChanged,
    ToolAsked,
    ToolRun,
    TranscriptEntry,
)
from gateway.simulator import events as phone

ENDING = Ending(Result.COMPLETED, Reason.AGENT_ENDED)


def shown(*happenings: Happening | phone.Event, terminal: bool = False) -> str:
    """Return what the screen wrote."""
    out = io.StringIO()
    with Screen(Console(file=out, force_terminal=terminal, width=100, color_system=None)) as screen:
        for happening in happenings:
            if isinstance(happening, phone.StateChanged | phone.CallerSays | phone.Levels):
                screen.phone_event(happening)
            else:
                screen.happening(happening)
    return out.getvalue()


@pytest.mark.parametrize(
    ("happening", "line"),
    [
        (TranscriptEntry(0, "agent", "Hello.", True, 0.0), "agent  Hello."),
        (TranscriptEntry(1, "caller", "Hi.", True, 0.0), "understood  Hi."),
        (ToolAsked("t", "book", {"people": 4}), 'tool asked  book {"people": 4}'),
        (ToolRun("t", "book", "ok", 12, "Booked."), "tool ok  Booked.  (12 ms)"),
        (Interrupted(1.0, 750), "barge-in  750 ms of the agent's speech dropped"),
        (StateChanged(1.0, "talking"), "call  talking"),
        (CallEnded(1.0, ENDING, {}), "call  over: agent ended"),
        (phone.StateChanged("CA", "stream_over"), "phone  stream over"),
        (phone.CallerSays("CA", "Hello?"), "caller  Hello?"),
        (phone.CallerSays("CA", "Wait.", interrupting=True), "caller cuts in  Wait."),
        (
            TranscriptEntry(0, "agent", "Soup and fish.", True, 0.0, cut=True, heard_text="Soup"),
            "agent cut  the caller heard: “Soup …”",
        ),
    ],
)
def test_each_thing_that_happens_is_a_line(happening: Happening | phone.Event, line: str) -> None:
    """Words, tools, interruptions and states are each told in one line."""
    assert line in shown(happening)


def test_interim_words_and_keys_are_not_shown() -> None:
    """Hypotheses, and the caller's keys, stay off the screen."""
    assert shown(TranscriptEntry(0, "agent", "Hel", False, 0.0), KeyPressed(0.0, "7")) == ""


def test_agent_turn_is_told_once() -> None:
    """A turn that only learns what was heard of it is not said again."""
    said = TranscriptEntry(0, "agent", "Hello.", True, 0.0)
    heard = TranscriptEntry(0, "agent", "Hello.", True, 0.0, heard_ms=500, total_ms=500)

    assert shown(said, heard).count("Hello.") == 1


def test_times_are_those_of_the_phone() -> None:
    """Lines carry the time of the caller's stream."""
    assert shown(phone.Levels("CA", 2_500, False, False, -90.0), Interrupted(9.9, 1)).startswith("   2.5 s")


def test_levels_are_drawn_on_a_terminal() -> None:
    """A terminal shows who speaks and how loud the agent is; a file does not."""
    levels = phone.Levels("CA", 1_000, True, True, -15.0)

    assert "● speaks" in shown(levels, terminal=True)
    assert "█" in shown(levels, terminal=True)
    assert shown(levels) == ""
