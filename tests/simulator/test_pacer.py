"""One clock for all calls."""

import asyncio
from collections.abc import Callable

import pytest

from gateway.simulator.pacer import FRAME_S, SLOTS, Pacer


class Ticking:
    """Notes when it was ticked, and stops the pacer when it has had enough."""

    def __init__(self, enough: int, then: Callable[[], None]) -> None:
        self.times: list[float] = []
        self._enough = enough
        self._then = then

    def tick(self, now: float) -> None:
        """Note the time."""
        self.times.append(now)
        if len(self.times) == self._enough:
            self._then()


class TestBeat:
    """Fifty ticks a second, on absolute deadlines."""

    async def test_ticks_keep_to_the_grid_without_drift(self) -> None:
        """After 25 ticks, 24 frames have passed: a late one is not passed on to the next."""
        pacer = Pacer()
        ticking = Ticking(25, pacer.stop)
        pacer.join(ticking)

        await pacer.run()

        lasted = ticking.times[-1] - ticking.times[0]
        assert lasted == pytest.approx(24 * FRAME_S, abs=0.02)

    async def test_lost_time_is_made_up(self) -> None:
        """A loop that stood still for 100 ms gets five ticks at once, and says so."""
        pacer = Pacer()
        ticking = Ticking(8, pacer.stop)
        pacer.join(ticking)
        loop = asyncio.get_running_loop()

        def block() -> None:
            until = loop.time() + 0.1
            while loop.time() < until:
                pass

        loop.call_later(0.03, block)
        started_s = loop.time()
        await pacer.run()

        assert loop.time() - started_s < 8 * FRAME_S + 0.05
        assert pacer.counters.worst_late_ms > 50
        assert pacer.counters.late >= 3

    async def test_every_member_is_ticked_alike(self) -> None:
        """Forty calls, each as often as the others."""
        pacer = Pacer()
        many = [Ticking(5, lambda: None) for _ in range(40)]
        last = Ticking(5, pacer.stop)
        for ticking in (*many, last):
            pacer.join(ticking)

        await pacer.run()

        assert {len(ticking.times) for ticking in many} <= {4, 5}


class TestMembers:
    """Who is ticked."""

    async def test_calls_are_spread_over_the_frame(self) -> None:
        """As many phases as there are slots, so that no burst hits the gateway."""
        pacer = Pacer()
        many = [Ticking(3, lambda: None) for _ in range(SLOTS)]
        last = Ticking(3, pacer.stop)
        for ticking in (*many, last):
            pacer.join(ticking)

        await pacer.run()

        firsts = sorted(ticking.times[0] for ticking in many)
        assert firsts[-1] - firsts[0] > FRAME_S / 2

    async def test_who_leaves_is_not_ticked_again(self) -> None:
        """Not even later in the same round."""
        pacer = Pacer()
        leaving = Ticking(2, lambda: pacer.leave(leaving))
        staying = Ticking(6, pacer.stop)
        pacer.join(leaving)
        pacer.join(staying)

        await pacer.run()

        assert len(leaving.times) == 2

    async def test_leaving_twice_is_fine(self) -> None:
        """A call's end has more than one way."""
        pacer = Pacer()
        pacer.leave(Ticking(1, pacer.stop))

    async def test_an_idle_pacer_waits_for_the_next_call(self) -> None:
        """It starts again when somebody joins."""
        pacer = Pacer()
        left = asyncio.Event()

        def leave() -> None:
            pacer.leave(first)
            left.set()

        first = Ticking(2, leave)
        second = Ticking(2, pacer.stop)
        pacer.join(first)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pacer.run())
            await left.wait()
            rounds = pacer.counters.rounds
            pacer.join(second)

        assert rounds == 2
        assert len(second.times) == 2

    async def test_an_idle_pacer_can_be_stopped(self) -> None:
        """It does not wait for a call that never comes."""
        pacer = Pacer()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pacer.run())
            await asyncio.sleep(0)
            pacer.stop()
