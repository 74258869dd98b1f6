"""How late this machine runs: what a call on it can be blamed for, and what not."""

import asyncio

TICK_S = 0.02


class Lateness:
    """Watches its event loop keep time. Lives as long as the call it is asked about.

    Attributes:
        worst_s: the longest that a moment asked for was overdue. All that shares the loop waited as long.
    """

    def __init__(self) -> None:
        self.worst_s = 0.0

    async def watch(self) -> None:
        """Ask for a moment every 20 ms, until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + TICK_S, loop.time())  # a stall is counted once, not for each tick it swallowed
            await asyncio.sleep(due - loop.time())
            self.worst_s = max(self.worst_s, loop.time() - due)
