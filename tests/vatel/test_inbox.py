"""Texts between the socket and its reader: in order, bounded, none lost."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from gateway.vatel.closing import SocketClosed
from gateway.vatel.inbox import Inbox
from tests.virtual_time import on_virtual_time

END = SocketClosed(1000)


class Tap:
    """Notes when the peer is held back and let go."""

    def __init__(self) -> None:
        self.turns: list[bool] = []

    def __call__(self, on: bool) -> None:
        self.turns.append(on)


def make_inbox(limit_bytes: int = 100) -> tuple[Inbox, Tap]:
    """Return an inbox and the tap it turns."""
    tap = Tap()
    return Inbox(limit_bytes, reading=tap), tap


async def drain(inbox: Inbox) -> list[str | SocketClosed]:
    """Take all that waits, and the end."""
    taken: list[str | SocketClosed] = []
    while not taken or isinstance(taken[-1], str):
        taken.append(await inbox.take())
    return taken


@on_virtual_time
async def test_texts_come_out_in_order() -> None:
    """First in, first out, then the end, for ever."""
    inbox, _ = make_inbox()
    for text in "abc":
        inbox.put(text, 1)
    inbox.close(END)

    assert await drain(inbox) == ["a", "b", "c", END]
    assert await inbox.take() == END


@on_virtual_time
async def test_a_reader_that_waits_gets_the_next_text() -> None:
    """An empty inbox is waited for."""
    inbox, _ = make_inbox()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(inbox.take())
        await asyncio.sleep(1)
        inbox.put("late", 4)

    assert reading.result() == "late"


@on_virtual_time
async def test_a_reader_that_waits_gets_the_end() -> None:
    """Closing wakes the reader."""
    inbox, _ = make_inbox()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(inbox.take())
        await asyncio.sleep(1)
        inbox.close(END)

    assert reading.result() == END


@on_virtual_time
async def test_a_burst_wakes_a_reader_once() -> None:
    """Many texts at once are no trouble to a reader that waits."""
    inbox, _ = make_inbox()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(drain(inbox))
        await asyncio.sleep(1)
        inbox.put("a", 1)
        inbox.put("b", 1)
        inbox.close(END)

    assert reading.result() == ["a", "b", END]


@on_virtual_time
async def test_a_cancelled_reader_takes_nothing_along() -> None:
    """A text that arrives while the reader is cancelled waits for the next one."""
    inbox, _ = make_inbox()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(inbox.take())
        await asyncio.sleep(1)
        inbox.put("a", 1)
        reading.cancel()

    assert await inbox.take() == "a"


@on_virtual_time
async def test_the_peer_is_held_back_above_the_limit_and_let_go_below_half() -> None:
    """The tap turns once each way, not with every text."""
    inbox, tap = make_inbox(limit_bytes=100)
    for _ in range(10):
        inbox.put("x", 10)
    assert tap.turns == []
    inbox.put("x", 10)
    inbox.put("x", 10)
    assert tap.turns == [False]

    while inbox.waiting_bytes >= 60:
        await inbox.take()
    assert tap.turns == [False]
    await inbox.take()
    assert tap.turns == [False, True]


@on_virtual_time
async def test_one_text_above_the_limit_is_taken_all_the_same() -> None:
    """The limit holds the peer back; it never loses a text that is here."""
    inbox, tap = make_inbox(limit_bytes=10)
    inbox.put("big", 1_000)

    assert await inbox.take() == "big"
    assert tap.turns == [False, True]
    assert inbox.waiting_bytes == 0


def test_the_first_end_counts() -> None:
    """Later verdicts do not change how it ended."""
    inbox, _ = make_inbox()
    inbox.close(SocketClosed(1007))
    inbox.close(SocketClosed(1006))

    assert inbox.closed == SocketClosed(1007)


def test_nothing_is_added_after_the_end() -> None:
    """Texts behind the end are dropped."""
    inbox, _ = make_inbox()
    inbox.close(END)
    inbox.put("late", 4)

    assert inbox.waiting_bytes == 0


@on_virtual_time
async def test_discarding_drops_what_waits_and_what_comes() -> None:
    """A reader that left needs nothing; the peer is let go so that its close is heard."""
    inbox, tap = make_inbox(limit_bytes=5)
    inbox.put("before", 10)
    inbox.discard()
    inbox.put("after", 10)
    inbox.close(END)

    assert await inbox.take() == END
    assert tap.turns == [False, True]
    assert inbox.waiting_bytes == 0


@given(st.lists(st.integers(0, 50)), st.integers(1, 200))
def test_the_count_of_bytes_is_exact(sizes: list[int], limit_bytes: int) -> None:
    """Whatever comes and goes, what waits is what was put and not taken; an empty inbox holds nobody back."""

    async def scenario() -> None:
        inbox, tap = make_inbox(limit_bytes)
        for index, size in enumerate(sizes):
            inbox.put(str(index), size)
        assert inbox.waiting_bytes == sum(sizes)
        for index, size in enumerate(sizes):
            before = inbox.waiting_bytes
            assert await inbox.take() == str(index)
            assert inbox.waiting_bytes == before - size
        assert tap.turns in ([], [False, True]) or limit_bytes == 1

    asyncio.run(scenario())


@on_virtual_time
async def test_a_flood_leaves_others_their_turn() -> None:
    """Whoever takes text after text is taken off the loop about once a second of audio."""
    inbox, _ = make_inbox(limit_bytes=1 << 30)
    for index in range(100):
        inbox.put(str(index), 10_000)
    turns = 0

    async def somebody_else() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        other = group.create_task(somebody_else())
        taken = [await inbox.take() for _ in range(100)]
        other.cancel()

    assert taken == [str(index) for index in range(100)]
    assert 10 <= turns <= 20
