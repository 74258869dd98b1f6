"""Audio lets others pass: a little late, in pieces, and never out of order."""

import asyncio
from functools import partial

import pytest

from gateway import backlog
from gateway.backlog import LATE_S, MOST_CHARACTERS, PIECE_S, Backlog
from tests.vatel.both_loops import on_both_loops


@on_both_loops
async def test_messages_wait_for_the_turn_to_end_and_keep_their_order() -> None:
    """What comes in the next turn is taken behind them."""
    waits, taken = Backlog(), list[str]()
    loop = asyncio.get_running_loop()
    loop.call_soon(waits.add, partial(taken.append, "c"))
    waits.add(partial(taken.append, "a"))
    waits.add(partial(taken.append, "b"))
    assert not taken
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert taken == ["a", "b", "c"]


@on_both_loops
async def test_message_added_by_another_is_taken_after_what_waits() -> None:
    """Whoever takes one may be the reason for the next."""
    waits, taken = Backlog(), list[str]()

    def take(text: str) -> None:
        taken.append(text)
        if text == "a":
            waits.add(partial(taken.append, "c"))

    waits.add(partial(take, "a"))
    waits.add(partial(take, "b"))
    await asyncio.sleep(0.01)
    assert taken == ["a", "b", "c"]
    waits.add(partial(take, "d"))
    await asyncio.sleep(0.01)
    assert taken == ["a", "b", "c", "d"]


class Turns:
    """The loop's turns, on a clock turned by hand: what was taken in each, and what else took how long."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, else_s: float) -> None:
        self._now = 0.0
        self._else_s = else_s
        self._taken = list[str]()
        monkeypatch.setattr(backlog, "monotonic", lambda: self._now)

    def take(self, text: str) -> None:
        """Take a message, which is work."""
        self._taken.append(text)
        self._now += 0.6 * PIECE_S

    async def pass_by(self) -> list[str]:
        """Let a few turns pass; return what was taken in each, until none was."""
        pieces = list[str]()
        while True:
            self._now += self._else_s
            await asyncio.sleep(0)
            if not self._taken:
                return pieces
            pieces.append("".join(self._taken))
            self._taken.clear()


@pytest.mark.parametrize(
    ("else_s", "pieces"), [(0.0, [2] * 15), (0.002, [2, 2, 2, 2, 7, 7, 7, 1]), (0.02, [30])]
)
def test_others_go_first_between_two_pieces(
    monkeypatch: pytest.MonkeyPatch, else_s: float, pieces: list[int]
) -> None:
    """The network is read after half a millisecond; what waits for too long gets as much time as all else."""

    async def run() -> None:
        turns, waits = Turns(monkeypatch, else_s), Backlog()
        numbers = [chr(65 + number) for number in range(30)]
        for number in numbers:
            waits.add(partial(turns.take, number))
        seen = await turns.pass_by()
        assert "".join(seen) == "".join(numbers)
        assert [len(piece) for piece in seen] == pieces

    asyncio.run(run())


def test_pieces_do_not_multiply(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is one in a turn, however often all was taken in the meantime."""

    async def run() -> None:
        turns, waits = Turns(monkeypatch, 0.0), Backlog()
        for _ in range(5):
            waits.add(lambda: None)
            waits.do_all()
        for number in range(6):
            waits.add(partial(turns.take, str(number)))
        assert await turns.pass_by() == ["01", "23", "45"]

    asyncio.run(run())


@on_both_loops
async def test_too_much_is_all_taken_at_once() -> None:
    """What waits is bounded: in a process that is behind for good it is the network that holds back."""
    waits, taken = Backlog(), list[str]()
    half = "x" * (MOST_CHARACTERS // 2)
    for _ in range(2):  # what was taken does not count any more
        waits.add(partial(taken.append, half), len(half))
        waits.add(partial(taken.append, half), len(half))
        assert not taken
        waits.add(partial(taken.append, "last"), len("last"))
        assert taken == [half, half, "last"]
        taken.clear()


@on_both_loops
async def test_all_that_waits_can_be_taken_now() -> None:
    """All of it is taken then, once."""
    waits, taken = Backlog(), list[str]()
    waits.add(partial(taken.append, "a"))
    waits.add(partial(taken.append, "b"))
    waits.do_all()
    assert taken == ["a", "b"]
    await asyncio.sleep(0.005)
    assert taken == ["a", "b"]


@on_both_loops
async def test_what_comes_of_it_is_not_done_with_it() -> None:
    """Doing all has an end, though each may add another."""
    waits, taken = Backlog(), list[str]()

    def again(text: str) -> None:
        taken.append(text)
        if len(taken) < 5:
            waits.add(partial(again, text + "+"))

    waits.add(partial(again, "a"))
    waits.do_all()
    assert taken == ["a"]
    await asyncio.sleep(0.005)
    assert taken == ["a", "a+", "a++", "a+++", "a++++"]


@on_both_loops
async def test_one_of_them_may_have_all_done() -> None:
    """Each is done once then, too."""
    waits, taken = Backlog(), list[str]()
    waits.add(waits.do_all)
    waits.add(partial(taken.append, "a"))
    waits.do_all()
    assert taken == ["a"]
    waits.add(waits.do_all)
    waits.add(partial(taken.append, "b"))
    await asyncio.sleep(0.005)
    assert taken == ["a", "b"]


def test_what_waits_is_late_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backlog that is never empty is not late, as long as each in it is done soon."""

    async def run() -> None:
        turns, waits = Turns(monkeypatch, 0.8 * LATE_S), Backlog()

        def again(text: str) -> None:
            turns.take(text)
            if text < "H":
                waits.add(partial(again, chr(ord(text) + 2)))

        waits.add(partial(again, "A"))
        waits.add(partial(again, "B"))
        assert await turns.pass_by() == ["AB", "CD", "EF", "GH", "I"]

    asyncio.run(run())
