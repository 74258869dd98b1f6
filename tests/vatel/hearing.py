"""Hears a socket message by message, and holds back what waits for its turn, as tests say."""

import asyncio
from collections import deque
from collections.abc import Callable
from weakref import WeakKeyDictionary

from gateway.backlog import Backlog
from gateway.vatel.socket import AgentSocket, SocketClosed

_heard: WeakKeyDictionary[AgentSocket, asyncio.Queue[str | SocketClosed]] = WeakKeyDictionary()


async def receive(socket: AgentSocket) -> str | SocketClosed:
    """Wait for the next text message, or the end; after the end, return that again."""
    if socket not in _heard:
        _heard[socket] = asyncio.Queue()
        socket.listen(_heard[socket].put_nowait)
    received = await _heard[socket].get()
    if isinstance(received, SocketClosed):
        _heard[socket].put_nowait(received)
    return received


async def full(socket: AgentSocket, above_bytes: int = 0) -> None:
    """Wait until more than so much waits to be taken."""
    while socket.waiting_bytes <= above_bytes:  # noqa: ASYNC110 -- the socket has no event for it
        await asyncio.sleep(0.001)


class HeldBacklog(Backlog):
    """A backlog whose turns pass when they are told to; it needs no loop."""

    def __init__(self) -> None:
        self._held = deque[Callable[[], None]]()

    def add(self, work: Callable[[], None], characters: int = 0) -> None:
        """Have some work wait."""
        self._held.append(work)

    def pass_by(self) -> int:
        """Do one after the other until there is nothing to do; return how many it were."""
        count = 0
        while self._held:
            self._held.popleft()()
            count += 1
        return count
