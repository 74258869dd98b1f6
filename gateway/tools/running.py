"""A run of a tool as something that goes on: who still waits for it, and whose place it takes meanwhile."""

import asyncio
from dataclasses import dataclass, field

from gateway.tools.runner import Run


@dataclass(slots=True, eq=False)
class Running:
    """Lives until its result has been given, or told to the callback URL.

    Attributes:
        began_at: seconds of the loop's clock.
        places: where it takes one of the call's places for tools while the call waits for it.
        ended: set once its result stands in the run.
        late: the agent that asked cannot get the result any more.
    """

    run: Run
    began_at: float
    places: asyncio.Semaphore
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    late: bool = False
    _has_place: bool = False

    @property
    def in_background(self) -> bool:
        """True when nobody waits for it from the start."""
        return self.run.webhook.spec.mode == "background"

    @property
    def outlives(self) -> bool:
        """True when somebody can still use the result once nobody waits for it."""
        spec = self.run.webhook.spec
        return self.in_background or spec.callback_url is not None or spec.idempotency is not None

    @property
    def deadline(self) -> float:
        """When it is given up."""
        spec = self.run.webhook.spec
        told_late = self.in_background or spec.callback_url is not None
        return self.began_at + (max(spec.deadline_s, spec.late_s) if told_late else spec.deadline_s)

    async def take_place(self) -> bool:
        """Wait for a place; False when there was none until the deadline."""
        try:
            if self.places.locked():
                async with asyncio.timeout_at(self.deadline):
                    await self.places.acquire()
            else:
                await self.places.acquire()  # which does not wait
        except TimeoutError:
            return False
        self._has_place = True
        return True

    def give_place(self) -> None:
        """Let others have the place; giving it twice is no fault."""
        if self._has_place:
            self._has_place = False
            self.places.release()

    async def wait(self, until: float) -> bool:
        """Wait for the result; False when it is not there by then: it is late, and without a place."""
        try:
            async with asyncio.timeout_at(until):
                await self.ended.wait()
        except TimeoutError:
            return False
        finally:
            if not self.ended.is_set():
                self.late = True
                self.give_place()
        return True
