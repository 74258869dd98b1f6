"""One clock for all calls: alarms fire in time, and once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.bridge.clock import Alarm, Clock
from tests.virtual_time import on_virtual_time


class Caller:
    """Notes when its alarm fires."""

    def __init__(self, clock: Clock, then: float | None = None) -> None:
        self.fired: list[float] = []
        self.then = then
        self.alarm: Alarm = clock.alarm(self.due)

    def due(self, now: float) -> None:
        """Note it; ask again if told to."""
        self.fired.append(round(now, 6))
        if self.then is not None:
            self.alarm.set(now + self.then)


@on_virtual_time
async def test_alarms_fire_at_their_times() -> None:
    """Each alarm fires once, at its own time."""
    clock = Clock(asyncio.get_running_loop())
    start = clock.now()
    callers = [Caller(clock) for _ in range(3)]
    for caller, delay in zip(callers, (3.0, 1.0, 2.0), strict=True):
        caller.alarm.set(start + delay)
    await asyncio.sleep(10)

    assert [caller.fired for caller in callers] == [[start + 3], [start + 1], [start + 2]]
    assert [caller.alarm.when for caller in callers] == [None, None, None]


@on_virtual_time
async def test_changed_mind() -> None:
    """The last wish counts: earlier, later, or none at all."""
    clock = Clock(asyncio.get_running_loop())
    start = clock.now()
    earlier, later, never, back = (Caller(clock) for _ in range(4))
    earlier.alarm.set(start + 5)
    earlier.alarm.set(start + 1)
    later.alarm.set(start + 1)
    later.alarm.set(start + 5)
    never.alarm.set(start + 1)
    never.alarm.set(None)
    for when in (start + 2, None, start + 2):
        back.alarm.set(when)
    await asyncio.sleep(10)

    assert earlier.fired == [start + 1]
    assert later.fired == [start + 5]
    assert never.fired == []
    assert back.fired == [start + 2]


@on_virtual_time
async def test_past_is_now() -> None:
    """A wish for a time that has passed fires on the loop's next turn."""
    clock = Clock(asyncio.get_running_loop())
    caller = Caller(clock)
    caller.alarm.set(0.0)
    await asyncio.sleep(0.01)

    assert len(caller.fired) == 1


@on_virtual_time
async def test_neighbours_fire_together() -> None:
    """Deadlines within the slack share one wake-up, and each is told a time at which it is due."""
    clock = Clock(asyncio.get_running_loop(), slack_s=0.001)
    start = clock.now()
    first, second, third = (Caller(clock) for _ in range(3))
    first.alarm.set(start + 1)
    second.alarm.set(start + 1.0008)
    third.alarm.set(start + 1.5)
    await asyncio.sleep(1.0004)

    assert first.fired == [start + 1]
    assert second.fired == [round(start + 1.0008, 6)]
    assert third.fired == []


@on_virtual_time
async def test_periodic_alarm_does_not_drift() -> None:
    """An alarm that asks for the next time from the time it was told keeps its beat."""
    clock = Clock(asyncio.get_running_loop())
    caller = Caller(clock, then=0.02)
    start = clock.now()
    caller.alarm.set(start)
    await asyncio.sleep(1.01)

    assert len(caller.fired) == 51
    assert caller.fired[-1] == pytest.approx(start + 1.0, abs=1e-4)
    caller.alarm.set(None)


@on_virtual_time
async def test_many_wishes_leave_nothing_behind() -> None:
    """Wishes that were given up leave the heap when their time has come."""
    clock = Clock(asyncio.get_running_loop())
    callers = [Caller(clock) for _ in range(50)]
    for n in range(1_000):
        callers[n % 50].alarm.set(clock.now() + 0.001 * (n % 97))
    await asyncio.sleep(1)

    assert clock._heap == []
    assert all(len(caller.fired) == 1 for caller in callers)


@on_virtual_time
async def test_deadline_put_off_again_and_again_takes_one_place() -> None:
    """A call that moves its deadline with every message queues once, and is woken at its last wish alone."""
    clock = Clock(asyncio.get_running_loop())
    caller = Caller(clock)
    start = clock.now()
    for n in range(100):
        caller.alarm.set(start + 1 + n / 10)
        assert len(clock._heap) == 1
    await asyncio.sleep(20)

    assert caller.fired == [pytest.approx(start + 10.9)]


@on_virtual_time
async def test_calls_that_ask_while_others_fire_share_one_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls a wake-up serves, it sets the next timer once."""
    loop = asyncio.get_running_loop()
    clock = Clock(loop)
    callers = [Caller(clock, then=1.0 - n / 100) for n in range(20)]
    for caller in callers:
        caller.alarm.set(clock.now() + 1)
    timers: list[float] = []
    call_at = loop.call_at

    def counted(when: float, callback: Callable[..., object], *args: Any, **kwargs: Any) -> object:
        if callback == clock._fire:
            timers.append(when)
        return call_at(when, callback, *args, **kwargs)

    monkeypatch.setattr(loop, "call_at", counted)
    await asyncio.sleep(1.5)

    assert all(len(caller.fired) == 1 for caller in callers)
    assert len(timers) == 1
    for caller in callers:
        caller.alarm.set(None)


def test_clock_keeps_the_beat_on_every_loop() -> None:
    """On asyncio's own loop and on uvloop alarms fire, and none is told a time before its own."""
    uvloop = pytest.importorskip("uvloop")

    async def beat() -> list[float]:
        clock = Clock(asyncio.get_running_loop())
        late: list[float] = []
        done = asyncio.Event()

        def due(now: float) -> None:
            late.append(now - wish.pop())
            if len(late) == 10:
                done.set()
                return
            ask(now + 0.005)

        def ask(when: float) -> None:
            wish.append(when)
            alarm.set(when)

        wish: list[float] = []
        alarm = clock.alarm(due)
        ask(clock.now() + 0.005)
        await asyncio.wait_for(done.wait(), 10)
        return late

    for factory in (asyncio.new_event_loop, uvloop.new_event_loop):
        with asyncio.Runner(loop_factory=factory) as runner:
            late = runner.run(beat())
        assert min(late) >= 0
