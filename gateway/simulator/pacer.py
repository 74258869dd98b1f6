"""One clock for all calls: fifty ticks a second each, on absolute deadlines, spread over the 20 ms.

A timer per call would cost as much as the frame it sends, and calls that all tick at once would arrive as one
burst. So one task walks twenty slots of 1 ms and ticks whoever sits in each. A late tick is made up at once:
TCP would deliver such a stall as a burst too.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

FRAME_S: Final = 0.020
SLOTS: Final = 20
_SLOT_S: Final = FRAME_S / SLOTS
_LATE_S: Final = 0.005


class Paced(Protocol):
    """Something that does its work every 20 ms."""

    def tick(self, now: float) -> None:
        """Do one frame's work; must not raise and must not block."""


@dataclass(slots=True)
class PacerCounters:
    """How well the process kept time; the load report says so, so that our own lateness is never blamed on
    the gateway.

    Attributes:
        late: rounds more than 5 ms behind their deadline.
    """

    rounds: int = 0
    late: int = 0
    worst_late_ms: float = 0.0


class Pacer:
    """Ticks every call of the process. Lives as long as the simulator."""

    def __init__(self) -> None:
        self.counters = PacerCounters()
        self._slots: list[dict[Paced, None]] = [{} for _ in range(SLOTS)]
        self._occupied = asyncio.Event()
        self._stopped = False

    def join(self, paced: Paced) -> None:
        """Tick ``paced`` from its slot's next deadline on: the slot with the fewest others."""
        min(self._slots, key=len)[paced] = None
        self._occupied.set()

    def leave(self, paced: Paced) -> None:
        """Stop ticking ``paced``; unknown ones are fine."""
        for slot in self._slots:
            slot.pop(paced, None)

    def stop(self) -> None:
        """Let ``run`` return."""
        self._stopped = True
        self._occupied.set()

    async def run(self) -> None:
        """Tick until stopped."""
        loop = asyncio.get_running_loop()
        while not self._stopped:
            await self._somebody()
            origin, round_number = loop.time(), 0
            while any(self._slots) and not self._stopped:
                round_number = self._next_occupied(round_number)
                deadline = origin + round_number * _SLOT_S
                # At a negative delay this still lets the loop read its sockets once.
                await asyncio.sleep(max(0.0, deadline - loop.time()))
                self._tick(round_number % SLOTS, deadline, loop.time())

    async def _somebody(self) -> None:
        self._occupied.clear()
        if not any(self._slots) and not self._stopped:
            await self._occupied.wait()

    def _next_occupied(self, after: int) -> int:
        ahead = (step for step in range(1, SLOTS + 1) if self._slots[(after + step) % SLOTS])
        return after + next(ahead, 1)

    def _tick(self, slot: int, deadline: float, now: float) -> None:
        late_s = now - deadline
        self.counters.rounds += 1
        self.counters.late += late_s > _LATE_S
        self.counters.worst_late_ms = max(self.counters.worst_late_ms, late_s * 1_000)
        for paced in tuple(self._slots[slot]):
            paced.tick(now)
