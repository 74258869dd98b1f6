"""How a call ends whose stream has left: once, in bounded time, and without keeping what nobody needs."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.bridge.departures import Departed, Departures
from gateway.records import OUTLIVED, Ending, Reason, Result
from tests.bridge.stage import CALL
from tests.virtual_time import on_virtual_time

SID = CALL.call_sid
LOST = Ending(Result.FAILED, Reason.CALLER_LOST, "close_1006")
LEFT = Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)
STORY = "Caller: Hello."


def departed(ending: Ending = LOST, number: int | None = None) -> Departed:
    """Return a call whose first stream has left."""
    call = CALL if number is None else replace(CALL, call_sid=f"CA{number:032x}")
    return Departed(call, ending, STORY, 1)


class Ends:
    """Departures, and when each call's end was said."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.said: list[tuple[str, int]] = []
        self.departures = Departures()

    def sayer(self, name: str = "end") -> Callable[[], None]:
        """Return what says an end."""
        return lambda: self.said.append((name, round(self._loop.time() - self._began)))


@on_virtual_time
@pytest.mark.parametrize("reason", sorted(set(Reason) - OUTLIVED))
async def test_meant_end_is_the_end(reason: Reason) -> None:
    """A call that somebody ended is over at once, and what was said in it is forgotten."""
    ends = Ends()
    ending = Ending(Result.COMPLETED, reason)
    ends.departures.add(departed(ending), ends.sayer())

    assert ends.said == [("end", 0)]
    assert ends.departures.find(SID) == Departed(CALL, ending, "", 1, over=True)


@on_virtual_time
@pytest.mark.parametrize("reason", sorted(OUTLIVED - {Reason.TRANSFERRED}))
async def test_broken_stream_is_waited_for_and_no_longer(reason: Reason) -> None:
    """A call whose stream broke keeps its story for half a minute; then it is over and the story gone."""
    ends = Ends()
    broken = departed(Ending(Result.FAILED, reason))
    ends.departures.add(broken, ends.sayer())
    await asyncio.sleep(29.9)

    assert (ends.said, ends.departures.find(SID)) == ([], broken)
    await asyncio.sleep(0.2)
    assert ends.said == [("end", 30)]
    assert ends.departures.find(SID) == replace(broken, so_far="", over=True)


@on_virtual_time
async def test_caller_who_was_put_through_may_come_back_for_hours() -> None:
    """A transferred call keeps its story as long as a call lasts; then it is over, as transferred."""
    ends = Ends()
    away = departed(Ending(Result.COMPLETED, Reason.TRANSFERRED))
    ends.departures.add(away, ends.sayer())
    await asyncio.sleep(4 * 3_600 - 1)

    assert (ends.said, ends.departures.find(SID)) == ([], away)
    await asyncio.sleep(2)
    assert ends.said == [("end", 4 * 3_600)]
    assert ends.departures.find(SID) == replace(away, so_far="", over=True)


@on_virtual_time
async def test_note_on_a_call_that_waits_keeps_its_end() -> None:
    """A call that is added again with more to its story has its first end said, once."""
    ends = Ends()
    away = departed(Ending(Result.COMPLETED, Reason.TRANSFERRED))
    ends.departures.add(away, ends.sayer())
    ends.departures.add(replace(away, so_far="more"))
    found = ends.departures.find(SID)
    ends.departures.give_up(SID)

    assert found == replace(away, so_far="more")
    assert ends.said == [("end", 0)]


@on_virtual_time
async def test_resumed_call_has_no_end_here() -> None:
    """Once another stream runs the end is that stream's: nothing of the broken one is kept or said."""
    ends = Ends()
    ends.departures.add(departed(), ends.sayer())
    ends.departures.resumed(SID)
    await asyncio.sleep(100)

    assert ends.said == []
    assert ends.departures.find(SID) is None


@on_virtual_time
async def test_promised_stream_is_waited_for_as_long_as_promised() -> None:
    """The wait for a promised stream replaces the one for a promise; when it is in vain the call is over."""
    ends = Ends()
    ends.departures.add(departed(), ends.sayer())
    await asyncio.sleep(20)
    ends.departures.expect(SID, 60.0)
    await asyncio.sleep(59.9)

    assert ends.said == []
    await asyncio.sleep(1)
    assert ends.said == [("end", 80)]


@on_virtual_time
async def test_stream_that_failed_to_open_has_no_end_of_its_own() -> None:
    """A call whose further stream never came ends as its broken one did, which is waited for anew."""
    ends = Ends()
    ends.departures.add(departed(), ends.sayer("broken"))
    await asyncio.sleep(20)
    ends.departures.add(replace(departed(), streams=2))
    await asyncio.sleep(29.9)

    assert ends.said == []
    await asyncio.sleep(0.2)
    assert ends.said == [("broken", 50)]
    found = ends.departures.find(SID)
    assert found is not None
    assert (found.streams, found.over) == (2, True)


@on_virtual_time
async def test_call_that_never_had_a_stream_has_no_end_to_say() -> None:
    """Nothing was said of such a call, so nothing is said of its end; it is over all the same."""
    ends = Ends()
    ends.departures.add(departed())
    await asyncio.sleep(31)
    ends.departures.add(departed(LEFT, 2))

    assert ends.said == []
    assert [found and found.over for found in map(ends.departures.find, [SID, f"CA{2:032x}"])] == [True, True]


@on_virtual_time
async def test_call_that_is_given_up_is_over_at_once() -> None:
    """Its end is said once, however often it is given up, and its timer does not say it again."""
    ends = Ends()
    ends.departures.add(departed(), ends.sayer())
    await asyncio.sleep(3)
    for _ in range(3):
        ends.departures.give_up(SID)
    ends.departures.give_up("CA" + "0" * 32)
    await asyncio.sleep(100)

    assert ends.said == [("end", 3)]
    assert ends.departures.find("CA" + "0" * 32) is None


@on_virtual_time
async def test_what_was_never_broken_is_not_waited_for() -> None:
    """To promise a stream to a call that is over, or not known, changes nothing."""
    ends = Ends()
    ends.departures.add(departed(LEFT), ends.sayer())
    ends.departures.expect(SID, 1.0)
    ends.departures.expect("CA" + "0" * 32, 1.0)
    await asyncio.sleep(10)

    assert ends.said == [("end", 0)]


@on_virtual_time
async def test_settling_leaves_nothing_open() -> None:
    """Whoever leaves says all ends first; a stream that breaks later ends its call at once."""
    ends = Ends()
    for number in range(3):
        ends.departures.add(departed(number=number), ends.sayer(str(number)))
    ends.departures.settle()
    ends.departures.settle()
    ends.departures.add(departed(number=3), ends.sayer("3"))
    await asyncio.sleep(100)

    assert ends.said == [(str(number), 0) for number in range(4)]


@on_virtual_time
async def test_memory_is_bounded() -> None:
    """The last thousand calls that are over are remembered."""
    departures = Departures()
    departures.add(departed())
    for number in range(1_001):
        departures.add(departed(LEFT, number))

    assert departures.find(f"CA{0:032x}") is None
    assert departures.find(f"CA{1:032x}") is not None
    assert departures.find(SID) == departed()
    departures.settle()


@on_virtual_time
async def test_memory_of_those_who_may_come_back_is_bounded() -> None:
    """Of more than a thousand calls that wait the one that waits longest is over, and says so."""
    ends = Ends()
    for number in range(1_001):
        away = departed(Ending(Result.COMPLETED, Reason.TRANSFERRED), number)
        ends.departures.add(away, ends.sayer(str(number)))

    assert ends.said == [("0", 0)]
    ends.departures.settle()
    assert len(ends.said) == 1_001
