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
            waits.add(lambda: None, 1)
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
async def test_all_that_holds_characters_can_be_taken_now() -> None:
    """All of it is taken then, once; what has a bound elsewhere waits on, in its order."""
    waits, taken = Backlog(), list[str]()
    for text in ("a", "agent's", "b", "another agent's", "c"):
        waits.add(partial(taken.append, text), len(text) if len(text) == 1 else 0)
    waits.do_all()
    assert taken == ["a", "b", "c"]
    await asyncio.sleep(0.005)
    assert taken == ["a", "b", "c", "agent's", "another agent's"]


@on_both_loops
async def test_too_much_beside_what_adds_itself_again() -> None:
    """Calls by the hundred, whose agents speak in bursts, are no reason to do one inside the other."""
    waits, taken = Backlog(), list[int]()

    def again(number: int, times: int) -> None:
        taken.append(number)
        if times:
            waits.add(partial(again, number, times - 1))

    for number in range(2_000):
        waits.add(partial(again, number, 2))
    for _ in range(3):
        waits.add(lambda: None, MOST_CHARACTERS)
    async with asyncio.timeout(5):
        while len(taken) < 6_000:  # noqa: ASYNC110 -- it is done in some turns of the loop
            await asyncio.sleep(0)
    assert taken == [*range(2_000)] * 3


@on_both_loops
async def test_one_that_breaks_costs_no_other() -> None:
    """What follows it is done all the same, in its turn."""
    waits, taken, seen = Backlog(), list[str](), list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context["exception"]))
    waits.add(lambda: taken.remove("what is not there"))
    waits.add(partial(taken.append, "a"))
    await asyncio.sleep(0.005)
    waits.add(partial(taken.append, "b"))
    await asyncio.sleep(0.005)
    assert taken == ["a", "b"]
    assert [type(error) for error in seen] == [ValueError]


def test_what_comes_of_it_is_as_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst of which each hands on the next is late since its first came; what comes new is not."""

    async def run() -> None:
        turns, waits = Turns(monkeypatch, 0.8 * LATE_S), Backlog()

        def again(text: str) -> None:
            turns.take(text)
            if text < "H":
                waits.add(partial(again, chr(ord(text) + 1)))

        waits.add(partial(again, "A"))
        seen = await turns.pass_by()
        assert seen == ["AB", "CDEFGH"]
        for text in "IJKL":
            waits.add(partial(turns.take, text))
        assert await turns.pass_by() == ["IJ", "KL"]

    asyncio.run(run())


def test_piece_is_the_longer_the_more_it_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenth of how long the first has waited: a process that is nearly full catches up."""

    async def run() -> None:
        turns, waits = Turns(monkeypatch, 0.0), Backlog()
        for number in range(200):
            waits.add(partial(turns.take, chr(65 + number)))
        seen = [len(piece) for piece in await turns.pass_by()]
        # After 17 pieces of 0.6 ms the first has waited for 10.2 ms.
        assert seen[:20] == [2] * 17 + [4, 4, 5]
        assert seen[20:-1] == sorted(seen[20:-1])
        assert seen[-2] == 7  # of 0.3 ms: 2 ms are the most

    asyncio.run(run())


def test_lateness_is_that_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has just come does not hide that others wait for too long."""

    async def run() -> None:
        turns, waits = Turns(monkeypatch, 0.6 * LATE_S), Backlog()
        for text in "ABCDEFGHIJ":
            waits.add(partial(turns.take, text))
        asyncio.get_running_loop().call_soon(waits.add, partial(turns.take, "K"))
        seen = await turns.pass_by()
        assert [len(piece) for piece in seen] == [2, 9]

    asyncio.run(run())
