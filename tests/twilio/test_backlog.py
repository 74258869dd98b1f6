"""Callers' messages let others pass: a little late, in pieces, and never out of order."""

import asyncio
from time import monotonic

from gateway.twilio.backlog import MOST, PIECE_S, Backlog
from tests.vatel.both_loops import on_both_loops


@on_both_loops
async def test_messages_wait_for_the_turn_to_end_and_keep_their_order() -> None:
    """What comes in the next turn is taken behind them."""
    backlog, taken = Backlog(), list[str]()
    loop = asyncio.get_running_loop()
    loop.call_soon(backlog.add, taken.append, "c")
    backlog.add(taken.append, "a")
    backlog.add(taken.append, "b")
    assert not taken
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert taken == ["a", "b", "c"]


@on_both_loops
async def test_message_added_by_another_is_taken_after_what_waits() -> None:
    """Whoever takes one may be the reason for the next."""
    backlog, taken = Backlog(), list[str]()

    def take(text: str) -> None:
        taken.append(text)
        if text == "a":
            backlog.add(taken.append, "c")

    backlog.add(take, "a")
    backlog.add(take, "b")
    await asyncio.sleep(0.01)
    assert taken == ["a", "b", "c"]
    backlog.add(take, "d")
    await asyncio.sleep(0.01)
    assert taken == ["a", "b", "c", "d"]


@on_both_loops
async def test_others_go_first_between_two_pieces() -> None:
    """A piece is as many messages as fit into half a millisecond; the network is read after each."""
    backlog, turns = Backlog(), list[str]()
    loop = asyncio.get_running_loop()

    def take(text: str) -> None:
        turns.append(text)
        until = monotonic() + 0.6 * PIECE_S
        while monotonic() < until:
            pass

    def turn(left: int) -> None:
        turns.append("|")
        if left:
            loop.call_soon(turn, left - 1)

    for number in range(6):
        backlog.add(take, str(number))
    turn(10)
    await asyncio.sleep(0.03)
    pieces = "".join(turns).strip("|").split("|")
    assert "".join(pieces) == "012345"
    assert max(len(piece) for piece in pieces) <= 2


@on_both_loops
async def test_too_many_are_all_taken_at_once() -> None:
    """What waits is bounded: a process that is behind for good lets the network hold its peers back."""
    backlog, taken = Backlog(), list[str]()
    for number in range(MOST):
        backlog.add(taken.append, str(number))
    assert not taken
    backlog.add(taken.append, "last")
    assert taken == [*map(str, range(MOST)), "last"]


@on_both_loops
async def test_what_waits_can_be_settled() -> None:
    """All of it is taken then, once."""
    backlog, taken = Backlog(), list[str]()
    backlog.add(taken.append, "a")
    backlog.add(taken.append, "b")
    backlog.settle()
    assert taken == ["a", "b"]
    await asyncio.sleep(0.005)
    assert taken == ["a", "b"]
