"""Whose turn it is to be written."""

import asyncio

from gateway.ledger.held import Held

GATHER_S = 0.03
"""What happens within it is stored together, and after the calls have gone on with their work."""


class Turns:
    """Calls that wait to be written, in the order in which they came. Lives as long as the ledger."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Held] = asyncio.Queue()
        self._taking = asyncio.Lock()

    def add(self, held: Held) -> None:
        """Have a call wait."""
        self._waiting.put_nowait(held)

    async def take(self, most: int) -> list[Held]:
        """Wait for somebody's turn, and take those who come soon after with them."""
        async with self._taking:
            calls = [await self._waiting.get()]
            await asyncio.sleep(GATHER_S)
            while len(calls) < most and not self._waiting.empty():
                calls.append(self._waiting.get_nowait())
            return calls
