"""A page of the books: bounded, without holes, and nothing that matters gives way to what does not."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.page import LIMIT, Page, is_firm, storable
from gateway.records import (
    AgentJoined,
    AgentResponded,
    CallEnded,
    DtmfRuleRan,
    Happening,
    Interrupted,
    KeyPressed,
    StateChanged,
    StreamLost,
    ToolAsked,
    ToolRun,
    TranscriptEntry,
)
from gateway.storage.rows import CallEvent
from tests.ledger.bookkeeping import ENDED, JOINED, call_info, said, state
from tests.tenants import LOST

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
CALL = call_info()


def page(limit: int = LIMIT, last_seq: int | None = 0) -> Page:
    """Return an empty page of a call that stands at a number."""
    empty = Page(CALL, limit)
    empty.last_seq = last_seq
    return empty


def fill(page: Page, *happenings: Happening) -> None:
    """Let things happen, a second apart."""
    for place, happening in enumerate(happenings):
        page.take(happening, NOW + timedelta(seconds=place))


def indexes(page: Page) -> list[int]:
    """Return the indexes of the entries in the next batch."""
    return [event.data["index"] for event in page.next_batch() if event.kind == "transcript"]


@pytest.mark.parametrize(
    ("happening", "firm"),
    [
        (AgentJoined(0.0, "s"), True),
        (said(0), True),
        (said(0, final=False), False),
        (ToolAsked("t", "book", {}), True),
        (ToolRun("t", "book", "ok", 5, ""), True),
        (DtmfRuleRan(1.0, "1", "ignore", "ok"), True),
        (Interrupted(1.0, 100), False),
        (AgentResponded(1.0, 100), False),
        (StateChanged(1.0, "talking"), False),
        (KeyPressed(1.0, "1"), False),
        (StreamLost(1.0, LOST, {}), True),
        (ENDED, True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_must_not_wait(happening: Happening, firm: bool) -> None:
    """Final words, tools, and where a call begins and ends are stored at once; the rest in batches."""
    assert is_firm(happening) is firm
    assert page().take(happening, NOW) is firm


def test_events_are_numbered_from_one_in_their_order() -> None:
    """A batch holds all that waited, with the time at which each thing happened."""
    filled = page()
    fill(filled, JOINED, said(0), ENDED)

    batch = filled.next_batch()

    assert [(event.seq, event.kind, event.at) for event in batch] == [
        (1, "agent_joined", NOW),
        (2, "transcript", NOW + timedelta(seconds=1)),
        (3, "call_ended", NOW + timedelta(seconds=2)),
    ]
    assert {event.call_id for event in batch} == {CALL.call_id}


def test_numbers_go_on_behind_what_is_stored() -> None:
    """A node that takes a call over goes on where the other stopped."""
    filled = page(last_seq=41)
    fill(filled, JOINED)

    assert [event.seq for event in filled.next_batch()] == [42]


def test_nothing_is_numbered_before_it_is_known_where_the_call_stands() -> None:
    """Until then everything waits."""
    filled = page(last_seq=None)
    fill(filled, JOINED)

    assert filled.next_batch() == ()
    assert len(filled) == 1


def test_batch_is_offered_until_it_is_stored() -> None:
    """A batch that may have been stored is offered again as it was; what came since waits behind it."""
    filled = page()
    fill(filled, JOINED)
    first = filled.next_batch()
    fill(filled, said(0))

    assert filled.next_batch() is first
    assert len(filled) == 2

    filled.stored()

    assert [event.seq for event in filled.next_batch()] == [2]
    filled.stored()
    assert (len(filled), filled.next_batch()) == (0, ())


def test_words_that_may_change_replace_each_other_while_they_wait() -> None:
    """Of an entry only the latest words are stored, in the place of the latest."""
    filled = page()
    fill(filled, said(0, "he", final=False), state(), said(0, "hell", final=False), said(0, "hello"))

    batch = filled.next_batch()

    assert [(event.seq, event.kind) for event in batch] == [(1, "state"), (2, "transcript")]
    assert batch[1].data["text"] == "hello"


def test_words_of_different_entries_stand_side_by_side() -> None:
    """Words replace those of their own entry alone, and never final ones."""
    filled = page()
    fill(filled, said(0, "a", final=False), said(1, "b", final=False), said(1, "c"), said(1, "d", cut=True))

    assert [(event.data["index"], event.data["text"]) for event in filled.next_batch()] == [
        (0, "a"),
        (1, "c"),
        (1, "d"),
    ]


def test_words_that_are_being_stored_are_not_replaced() -> None:
    """What is in the batch stays; the final words follow it."""
    filled = page()
    fill(filled, said(0, "he", final=False))
    filled.next_batch()
    fill(filled, said(0, "hello"))

    assert [event.data["text"] for event in filled.next_batch()] == ["he"]
    filled.stored()
    assert [event.data["text"] for event in filled.next_batch()] == ["hello"]


def test_full_page_drops_what_matters_less() -> None:
    """When a page is full, what matters less finds no room; the rest is numbered without a hole."""
    filled = page(limit=3)
    fill(filled, said(0), said(1), said(2), state(), said(7, final=False))

    assert [event.seq for event in filled.next_batch()] == [1, 2, 3]
    assert (indexes(filled), filled.spilled) == ([0, 1, 2], 2)


def test_what_matters_takes_the_place_of_what_matters_less() -> None:
    """Final words push out the oldest thing that matters less."""
    filled = page(limit=3)
    fill(filled, state(1.0), said(0, final=False), state(2.0), said(1), said(2))

    assert [event.kind for event in filled.next_batch()] == ["state", "transcript", "transcript"]
    assert (indexes(filled), filled.spilled) == ([1, 2], 2)


def test_words_that_were_pushed_out_come_back_as_others() -> None:
    """An entry whose words gave way is no trouble when its next words come."""
    filled = page(limit=2)
    fill(filled, said(0, "a", final=False), said(1), said(2))
    filled.next_batch()
    filled.stored()
    fill(filled, said(0, "b", final=False), said(0, "c"))

    assert [event.data["text"] for event in filled.next_batch()] == ["c"]


def test_page_full_of_what_matters_drops_the_newest_but_the_end() -> None:
    """A thousand things that matter keep their places; the end of the call finds room all the same."""
    filled = page()
    fill(filled, *(said(index) for index in range(LIMIT + 5)), ENDED)

    batch = filled.next_batch()

    assert (len(batch), filled.spilled) == (LIMIT + 1, 5)
    assert batch[-1].kind == "call_ended"
    assert [event.seq for event in batch] == list(range(1, LIMIT + 2))


def test_batch_under_way_counts_towards_the_limit() -> None:
    """A page whose batch cannot be stored holds no more than one that waits."""
    filled = page(limit=3)
    fill(filled, said(0), said(1))
    filled.next_batch()
    fill(filled, said(2), said(3))

    assert (len(filled), filled.spilled) == (3, 1)


HAPPENINGS = st.one_of(
    st.builds(
        lambda index, text, final: TranscriptEntry(index, "agent", text, final, 0.0),
        st.integers(0, 3),
        st.text(max_size=3),
        st.booleans(),
    ),
    st.just(state()),
    st.just(JOINED),
)


@given(st.lists(HAPPENINGS, max_size=30), st.lists(st.integers(0, 30)), st.integers(2, 40))
def test_whatever_happens_numbers_have_no_holes_and_final_words_stay(
    happenings: list[Happening], taken_at: list[int], limit: int
) -> None:
    """With batches taken at any moment: bounded, numbers from 1 on, and all final words, unless spilled."""
    filled = page(limit)
    stored: list[CallEvent] = []
    for place, happening in enumerate(happenings):
        filled.take(happening, NOW)
        assert len(filled) <= limit
        if place in taken_at:
            stored += filled.next_batch()
            filled.stored()
    stored += filled.next_batch()
    final = [one.text for one in happenings if isinstance(one, TranscriptEntry) and one.final]

    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
    if not filled.spilled:
        kept = [e.data["text"] for e in stored if e.kind == "transcript" and e.data["final"]]
        assert kept == final


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ({"a": 1}, {"a": 1}),
        ({"a": math.nan, "b": [math.inf]}, {"a": "NaN", "b": ["Infinity"]}),
        ({"a": {1}}, {"a": "{1}"}),
    ],
)
def test_what_json_cannot_hold_is_kept_as_text(data: dict[str, Any], kept: dict[str, Any]) -> None:
    """No value of a tool keeps an event from being stored."""
    assert storable(data) == kept


def test_end_of_a_call_keeps_its_counters() -> None:
    """The last event says how the call ended, in words."""
    filled = page()
    fill(filled, CallEnded(1.0, LOST, {"frames": 3}))

    assert filled.next_batch()[0].data == {
        "at_s": 1.0,
        "ending": {"result": "failed", "reason": "agent_lost", "detail": "close_1011"},
        "counters": {"frames": 3},
    }
