"""What the demo promises, and that each promise can be broken."""

import pytest

from gateway.demo import script
from gateway.demo.script import LINES, Witness
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

ASKED: list[dict[str, object]] = [{"arguments": {"people": 4, "time": "19:30"}}]
GOOD: tuple[Happening, ...] = (
    *(TranscriptEntry(n, "caller", line, True, 0.0) for n, line in enumerate(LINES)),
    *(TranscriptEntry(10 + n, "agent", "words", True, 0.0) for n in range(6)),
    ToolAsked("t", "book_table", {}),
    ToolRun("t", "book_table", "ok", 5, "Booked."),
    Interrupted(1.0, 100),
    CallEnded(30.0, Ending(Result.COMPLETED, Reason.AGENT_ENDED), {}),
)


def broken(happenings: tuple[Happening, ...], asked: list[dict[str, object]]) -> list[str]:
    """Return the names of the promises that did not hold."""
    witness = Witness()
    for happening in happenings:
        witness.happening(happening)
    return [promise.name for promise in witness.promises(asked) if not promise.held]


def test_good_call_keeps_every_promise() -> None:
    """A call as it should be breaks nothing."""
    assert broken(GOOD, ASKED) == []


@pytest.mark.parametrize(
    ("happenings", "asked", "name"),
    [
        (GOOD[1:], ASKED, "caller understood"),
        ((TranscriptEntry(0, "caller", "", True, 0.0), *GOOD[1:]), ASKED, "caller understood"),
        (GOOD[:5] + GOOD[6:], ASKED, "agent spoke"),
        (GOOD, [], "tool asked once, rightly"),
        (GOOD, ASKED * 2, "tool asked once, rightly"),
        (GOOD, [{"arguments": {"people": 2, "time": "19:30"}}], "tool asked once, rightly"),
        (tuple(each for each in GOOD if not isinstance(each, ToolRun)), ASKED, "tool answered"),
        (tuple(each for each in GOOD if not isinstance(each, Interrupted)), ASKED, "caller interrupted once"),
        ((*GOOD, Interrupted(2.0, 1)), ASKED, "caller interrupted once"),
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


async def test_caller_says_every_line_and_cuts_in_once() -> None:
    """The script speaks each line, one of them as an interruption, and waits for the end."""
    steps = (await script.caller()).steps

    assert [getattr(step, "text") for step in steps if hasattr(step, "text")] == list(LINES)  # noqa: B009
    assert [step.name for step in steps].count("interrupt") == 1
    assert steps[-1].name == "wait_end"
