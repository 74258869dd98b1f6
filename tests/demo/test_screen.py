"""What the demo shows of a call."""

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from gateway.demo.screen import Screen, fold
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


def test_hypotheses_about_the_caller_and_keys_are_not_shown() -> None:
    """What was understood is shown when it is sure; the caller's keys stay off the screen."""
    assert shown(TranscriptEntry(0, "caller", "Hel", False, 0.0), KeyPressed(0.0, "7")) == ""


def words(*entries: TranscriptEntry) -> list[str]:
    """Return the lines the screen wrote, without their times."""
    return [line.partition(" s ")[2].strip() for line in shown(*entries).splitlines()]


def agent(text: str, *, final: bool, **more: Any) -> TranscriptEntry:
    """Return a state of the agent's first turn."""
    return TranscriptEntry(0, "agent", text, final, 0.0, **more)


def test_agent_turn_is_told_once() -> None:
    """A turn that only learns what was heard of it is not said again."""
    assert words(agent("Hello.", final=True), agent("Hello.", final=True, heard_ms=500, total_ms=500)) == [
        "agent  Hello."
    ]


def test_agent_turn_is_told_as_it_comes() -> None:
    """The first words are shown at once, the rest when it is final; what comes between waits."""
    assert words(
        agent("How can", final=False), agent("How can I", final=False), agent("How can I help?", final=True)
    ) == ["agent  How can …", "agent  … I help?"]


def test_agent_turn_that_is_worded_anew_is_told_anew() -> None:
    """Interim words may be taken back: then the final ones are shown whole."""
    assert words(agent("How can", final=False), agent("May I help?", final=True)) == [
        "agent  How can …",
        "agent  rather: May I help?",
    ]


def test_interim_words_that_prove_final_are_not_repeated() -> None:
    """A turn whose first words were all of it gets no second line; an empty text gets none at all."""
    assert words(agent("", final=False), agent("Bye.", final=False), agent("Bye.", final=True)) == [
        "agent  Bye. …"
    ]


def test_cut_turn_shows_its_words_before_what_was_heard_of_them() -> None:
    """A turn that was cut before it was final is there, with its cut."""
    assert words(
        agent("Soup and fish and", final=False),
        agent("Soup and fish and", final=False, cut=True, heard_text="Soup"),
    ) == ["agent  Soup and fish and …", "agent cut  the caller heard: “Soup …”"]


def test_long_line_is_folded_under_itself() -> None:
    """What does not fit goes on below its own column; words stay whole."""
    lines = shown(agent("soup " * 20, final=True)).splitlines()

    assert len(lines) == 2
    assert all(len(line) <= 100 for line in lines)
    assert lines[1].startswith(" " * 27 + "soup")


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("short", 60, ["short"]),
        ("", 60, [""]),
        ("a" * 70, 60, ["a" * 70]),
        ("kept  " + "word " * 12 + "end", 60, ["kept  " + ("word " * 11).strip(), "      word end"]),
        ("word " * 10, 10, [("word " * 10).strip()]),
        ("well-known " * 5, 50, ["well-known well-known well-known well-known", "      well-known"]),
    ],
)
def test_folding_keeps_words_whole(text: str, width: int, lines: list[str]) -> None:
    """Lines break at blanks only, never below 50 columns, and what follows is indented."""
    assert [line.rstrip() for line in fold(text, width, 6).split("\n")] == lines


def test_brackets_of_a_tools_answer_are_no_markup() -> None:
    """What the tool said is shown to the letter."""
    assert "[bold]x[/] :tada:" in shown(ToolRun("t", "book", "ok", 12, "[bold]x[/] :tada:"))


def test_times_are_those_of_the_phone() -> None:
    """Lines carry the time of the caller's stream."""
    assert shown(phone.Levels("CA", 2_500, False, False, -90.0), Interrupted(9.9, 1)).startswith("   2.5 s")


def test_levels_are_drawn_on_a_terminal() -> None:
    """A terminal shows who speaks and how loud the agent is; a file does not."""
    levels = phone.Levels("CA", 1_000, True, True, -15.0)

    assert "● speaks" in shown(levels, terminal=True)
    assert "█" in shown(levels, terminal=True)
    assert shown(levels) == ""


@pytest.mark.parametrize("columns", [20, 60, 200])
def test_level_line_is_one_line_however_narrow_the_terminal(columns: int) -> None:
    """The line that is drawn over and over never wraps: it would leave its remains behind."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=columns, color_system=None, soft_wrap=True)
    with Screen(console) as screen:
        screen.phone_event(phone.Levels("CA", 1_000, True, True, -15.0))
    drawn = [
        line for line in re.split(r"[\r\n]", re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", out.getvalue())) if line
    ]

    assert drawn
    assert all(len(line) <= columns for line in drawn)
    assert all("1.0 s" in line for line in drawn)


def test_several_turns_may_be_open_at_once() -> None:
    """Each turn goes on where it stood, whatever came between."""
    first, second = agent("One", final=False), TranscriptEntry(1, "agent", "Three", False, 0.0)
    assert words(
        first,
        second,
        replace(first, text="One two.", final=True),
        replace(second, text="Three four.", final=True),
    ) == ["agent  One …", "agent  Three …", "agent  … two.", "agent  … four."]


def test_nothing_is_drawn_where_nobody_looks() -> None:
    """Into a file or a pipe go plain lines: no colour, no cursor."""
    out = shown(
        StateChanged(1.0, "talking"), phone.Levels("CA", 1_000, True, True, -15.0), Interrupted(1.0, 7)
    )
    assert "\x1b" not in out
    assert "\r" not in out
    assert len(out.splitlines()) == 2
