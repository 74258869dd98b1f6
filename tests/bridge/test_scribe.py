"""What the scribe writes into the journal: each happening once, at its time since the stream began."""

import asyncio
from collections.abc import Iterator

import pytest
import structlog

from gateway.audio.heard import TurnHeard
from gateway.bridge.media import Cleared
from gateway.bridge.scribe import Scribe
from gateway.journal import Journal, Watcher
from gateway.records import (
    OUTLIVED,
    CallEnded,
    DtmfRuleRan,
    Ending,
    Happening,
    Interrupted,
    KeyPressed,
    Reason,
    Result,
    StateChanged,
    StreamLost,
    ToolAsked,
    ToolRun,
    TranscriptEntry,
)
from gateway.vatel import messages as vatel
from tests.bridge.stage import CALL


class Desk:
    """A scribe, its journal, and a clock turned by hand."""

    def __init__(self, watcher: Watcher, journal: Journal) -> None:
        self.now = 100.0
        self._watcher = watcher
        self.scribe = Scribe(CALL, journal, lambda: self.now, before="Caller: Hello?")

    def written(self) -> list[Happening]:
        """Return what was written since the last look."""
        out: list[Happening] = []
        while not self._watcher._queue.empty():
            call, happening = self._watcher._queue.get_nowait()
            assert call is CALL
            out.append(happening)
        return out


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Return a scribe whose stream just started."""
    journal = Journal()
    with journal.watch() as watcher:
        yield Desk(watcher, journal)


def entry(**known: object) -> TranscriptEntry:
    """Return an entry of the transcript."""
    plain: dict[str, object] = {
        "index": 0,
        "role": "agent",
        "text": "Hello there",
        "final": True,
        "at_s": 1.5,
    }
    return TranscriptEntry(**(plain | {"turn_id": "t1"} | known))  # type: ignore[arg-type]


def test_words_of_the_agent(desk: Desk) -> None:
    """Each state of a turn's text is written, under the turn's name within the call."""
    desk.now += 1.5
    desk.scribe.agent_said("2/t1", vatel.ResponseText("t1", "Hello", False))
    desk.now += 1
    desk.scribe.agent_said("2/t1", vatel.ResponseText("t1", "Hello there", True))

    assert desk.written() == [
        entry(text="Hello", final=False, turn_id="2/t1"),
        entry(turn_id="2/t1"),
    ]


def test_words_of_the_caller(desk: Desk) -> None:
    """The caller's words are written with or without a turn id."""
    desk.now += 1.5
    desk.scribe.caller_said(vatel.InputTranscript("a table", None, False))
    desk.scribe.caller_said(vatel.InputTranscript("A table.", "c1", True))

    first, second = desk.written()
    assert first == entry(role="caller", text="a table", final=False, turn_id="")
    assert isinstance(second, TranscriptEntry)
    assert (second.index, second.text, second.final) == (0, "A table.", True)


def test_turn_heard_whole(desk: Desk) -> None:
    """What was heard of a turn is written once its words are known; without words nothing is."""
    desk.scribe.heard("t1", TurnHeard("t1", 900, 900))
    assert desk.written() == []

    desk.now += 1.5
    desk.scribe.agent_said("t1", vatel.ResponseText("t1", "Hello there", True))
    assert desk.written() == [entry(heard_ms=900, total_ms=900)]


def test_interruption(desk: Desk) -> None:
    """An interruption is written behind the turns that it cut."""
    desk.now += 1.5
    desk.scribe.agent_said("t1", vatel.ResponseText("t1", "Hello there", True))
    desk.now += 1
    desk.written()
    desk.scribe.cleared(Cleared((("t1", TurnHeard("t1", 500, 1000)),), 500), interrupted=True)

    assert desk.written() == [
        entry(heard_ms=500, total_ms=1000, cut=True, heard_text="Hello"),
        Interrupted(2.5, 500),
    ]
    assert desk.scribe.interruptions == 1


def test_turn_cut_by_the_end_of_the_call(desk: Desk) -> None:
    """A turn that the end of the call cut is told without an interruption."""
    desk.scribe.agent_said("t1", vatel.ResponseText("t1", "Hello there", True))
    desk.written()
    desk.scribe.cleared(Cleared((("t1", TurnHeard("t1", 500, 1000)),), 500), interrupted=False)

    assert [getattr(written, "cut", None) for written in desk.written()] == [True]
    assert desk.scribe.interruptions == 0


def test_plain_happenings(desk: Desk) -> None:
    """Keys, states, tools and the end are written as they are."""
    desk.now += 0.12345
    ending = Ending(Result.COMPLETED, Reason.AGENT_ENDED)
    run = ToolRun("t-1", "book", "ok", 12, "{}")
    asked = ToolAsked("t-1", "book", {"size": 2})
    desk.scribe.key("5", 100.05)
    desk.scribe.state("talking")
    desk.scribe.tool_asked(asked)
    desk.scribe.tool_ran(run, "book")
    desk.scribe.stopped(ending, {"caller_frames": 5})
    desk.scribe.call_over()

    assert desk.written() == [
        KeyPressed(0.05, "5"),
        StateChanged(0.123, "talking"),
        asked,
        run,
        CallEnded(0.123, ending, {"caller_frames": 5, "streams": 1}),
    ]


def test_tool_that_ran_is_one_line_of_the_log(desk: Desk) -> None:
    """The log says how a tool went, under the name it has in the catalogue, and nothing of what was said."""
    run = ToolRun(
        *("t-1", "made up by the agent", "error", 812, "pin 4711", "http_503"),
        arguments={"pin": "4711"},
        attempts=3,
        http_status=503,
        output_bytes=8,
    )
    with structlog.testing.capture_logs() as logs:
        desk.scribe.tool_ran(run, "book")

    assert logs == [
        {
            "event": "tool_ran",
            "log_level": "info",
            "call_id": "c-1",
            "name": "book",
            "status": "error",
            "reason": "http_503",
            "latency_ms": 812,
            "attempts": 3,
            "http_status": 503,
            "output_bytes": 8,
        }
    ]


@pytest.mark.parametrize("reason", sorted(OUTLIVED))
def test_broken_stream_is_not_the_end(reason: Reason) -> None:
    """A stream that its call may outlive is said to be lost; the call's end comes once known, as of then."""
    journal, now = Journal(), [100.0]
    ending = Ending(Result.FAILED, reason, "close_1006")
    with journal.watch() as watcher, structlog.testing.capture_logs() as logs:
        scribe = Scribe(CALL, journal, lambda: now[0], streams=1)
        now[0] += 5
        scribe.stopped(ending, {"caller_frames": 250})
        lost = watcher._queue.get_nowait()
        assert watcher._queue.empty()
        now[0] += 30
        scribe.call_over()
        scribe.call_over()
        ended = watcher._queue.get_nowait()
        assert watcher._queue.empty()

    assert lost == (CALL, StreamLost(5.0, ending, {"caller_frames": 250}))
    assert ended == (CALL, CallEnded(5.0, ending, {"caller_frames": 250, "streams": 2}))
    assert [(line["event"], line["call_id"], line["streams"], line["duration_s"]) for line in logs] == [
        ("call_transferred" if reason is Reason.TRANSFERRED else "stream_lost", "c-1", 2, 5.0),
        ("call_ended", "c-1", 2, 5.0),
    ]


def test_call_without_an_end_says_none(desk: Desk) -> None:
    """As long as its stream goes on, a call has no end that could be written."""
    desk.scribe.call_over()

    assert desk.written() == []


def test_story_of_the_stream_before(desk: Desk) -> None:
    """The conversation goes on from what was said on a stream that broke."""
    desk.scribe.caller_said(vatel.InputTranscript("Again.", None, True))

    assert desk.scribe.conversation.so_far() == "Caller: Hello?\nCaller: Again."


def test_full_transcript_writes_nothing_more(desk: Desk) -> None:
    """Words beyond the transcript's bound are counted, not written."""
    for n in range(2_000):
        desk.scribe.caller_said(vatel.InputTranscript(f"word {n}", None, True))
    assert len(desk.written()) == 1_000  # as many as a watcher holds

    desk.scribe.caller_said(vatel.InputTranscript("one too many", None, True))
    assert desk.written() == []
    assert desk.scribe.conversation.dropped == 1


def test_rule_is_told_with_its_digits_and_logged_without(desk: Desk) -> None:
    """The log says how many keys it took, never which."""
    desk.now += 2.0
    with structlog.testing.capture_logs() as logs:
        desk.scribe.rule_ran("*97", "transfer", "error", "transfer_busy")

    assert desk.written() == [DtmfRuleRan(2.0, "*97", "transfer", "error", "transfer_busy")]
    assert logs == [
        {
            "event": "dtmf_rule",
            "log_level": "info",
            "call_id": "c-1",
            "action": "transfer",
            "keys": 3,
            "status": "error",
            "reason": "transfer_busy",
        }
    ]


async def test_writing_never_waits(desk: Desk) -> None:
    """The scribe writes without a task of its own: nothing is left to be done afterwards."""
    desk.scribe.key("1", 100.0)

    assert len(asyncio.all_tasks()) == 1
    assert len(desk.written()) == 1
