"""Texts between the socket and its listener: in order, bounded, none lost."""

import asyncio

import pytest
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


def listen(inbox: Inbox) -> list[str | SocketClosed]:
    """Listen to an inbox; return where what is taken goes."""
    taken: list[str | SocketClosed] = []
    inbox.listen(taken.append)
    return taken


def test_what_waited_is_taken_and_then_the_end() -> None:
    """First in, first out, and the end once: to whoever listens after it as well."""
    inbox, _ = make_inbox()
    for text in "abc":
        inbox.put(text, 1)
    inbox.close(END)

    assert listen(inbox) == ["a", "b", "c", END]
    assert listen(inbox) == [END]


def test_what_comes_is_taken_at_once() -> None:
    """No turn of the loop lies between a text and its listener; here there is no loop."""
    inbox, _ = make_inbox()
    taken = listen(inbox)
    inbox.put("a", 1)
    assert taken == ["a"]
    inbox.close(END)
    assert taken == ["a", END]


def test_the_peer_is_held_back_above_the_limit_and_let_go_below_half() -> None:
    """The tap turns once each way, not with every text."""
    inbox, tap = make_inbox(limit_bytes=100)
    for _ in range(10):
        inbox.put("x", 10)
    assert tap.turns == []
    inbox.put("x", 10)
    inbox.put("x", 10)
    assert tap.turns == [False]
    turns_at: list[tuple[int, int]] = []
    inbox.listen(lambda received: turns_at.append((inbox.waiting_bytes, len(tap.turns))))

    assert [turns for waiting, turns in turns_at if waiting >= 50] == [1] * 7
    assert [turns for waiting, turns in turns_at if waiting < 50] == [2] * 5


def test_one_text_above_the_limit_is_taken_all_the_same() -> None:
    """The limit holds the peer back; it never loses a text that is here."""
    inbox, tap = make_inbox(limit_bytes=10)
    inbox.put("big", 1_000)

    assert listen(inbox) == ["big"]
    assert tap.turns == [False, True]
    assert inbox.waiting_bytes == 0


def test_the_first_end_counts() -> None:
    """Later verdicts do not change how it ended."""
    inbox, _ = make_inbox()
    inbox.close(SocketClosed(1007))
    inbox.close(SocketClosed(1006))

    assert inbox.closed == SocketClosed(1007)


def test_nothing_is_taken_after_the_end() -> None:
    """Texts behind the end are dropped."""
    inbox, _ = make_inbox()
    inbox.close(END)
    inbox.put("late", 4)

    assert listen(inbox) == [END]
    assert inbox.waiting_bytes == 0


def test_discarding_drops_what_waits_and_what_comes() -> None:
    """A listener that left needs nothing; the peer is let go so that its close is heard."""
    inbox, tap = make_inbox(limit_bytes=5)
    inbox.put("before", 10)
    inbox.discard()
    inbox.put("after", 10)
    inbox.close(END)

    assert listen(inbox) == [END]
    assert tap.turns == [False, True]
    assert inbox.waiting_bytes == 0


@given(st.lists(st.integers(0, 40_000)), st.integers(2, 100_000), st.integers(0, 10))
def test_whatever_comes_is_taken_once_and_in_order(sizes: list[int], limit_bytes: int, before: int) -> None:
    """However much waits when somebody begins to listen, and comes at once afterwards."""

    async def scenario() -> None:
        inbox, tap = make_inbox(limit_bytes)
        for index, size in enumerate(sizes[:before]):
            inbox.put(str(index), size)
        assert inbox.waiting_bytes == sum(sizes[:before])
        taken = listen(inbox)
        for index, size in enumerate(sizes[before:], start=before):
            inbox.put(str(index), size)
        inbox.close(END)
        async with asyncio.timeout(5):
            while END not in taken:  # noqa: ASYNC110 -- it is taken in some turn of the loop
                await asyncio.sleep(0)
        assert taken == [*map(str, range(len(sizes))), END]
        assert inbox.waiting_bytes == 0
        assert tap.turns == [False, True] * (len(tap.turns) // 2)

    asyncio.run(scenario())


@pytest.mark.parametrize("waits", [True, False])
def test_a_flood_leaves_others_their_turn(waits: bool) -> None:
    """After about a second of audio everybody else has a turn, whether it waited or comes all at once."""

    @on_virtual_time
    async def play() -> None:
        inbox, _ = make_inbox(limit_bytes=1 << 30)
        taken: list[str | SocketClosed] = []
        if not waits:
            inbox.listen(taken.append)
        for index in range(100):
            inbox.put(str(index), 10_000)
        if waits:
            inbox.listen(taken.append)
        lengths = []
        while len(taken) < 100:
            lengths.append(len(taken))
            await asyncio.sleep(0)

        assert taken == [str(index) for index in range(100)]
        assert lengths[0] == 7
        assert 10 <= len(lengths) <= 20

    play()
