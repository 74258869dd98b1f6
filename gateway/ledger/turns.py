"""Whose turn it is to be written."""

import asyncio
from collections import deque

from gateway.ledger.held import Held

GATHER_S = 0.03
"""What happens within it is stored together, and after the calls have gone on with their work."""


class Turns:
    """Calls that wait to be written, in the order in which they came. Lives as long as the ledger."""

    def __init__(self) -> None:
        self._waiting: deque[Held] = deque()
        self._some = asyncio.Event()
        self._taking = asyncio.Lock()

    def add(self, held: Held) -> None:
        """Have a call wait."""
        self._waiting.append(held)
        self._some.set()

    async def take(self, most: int) -> list[Held]:
        """Wait for somebody's turn, and take those who come soon after with them, one alone at once."""
        async with self._taking:
            await self._some.wait()
            if most > 1:
                await asyncio.sleep(GATHER_S)
            calls = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            if not self._waiting:
                self._some.clear()
            return calls
