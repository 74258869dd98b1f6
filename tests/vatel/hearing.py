"""Hears a socket message by message, and holds back what waits for its turn, as tests say."""

import asyncio
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


class HeldBacklog(Backlog):
    """A backlog that does nothing until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Callable[[], None]] = []

    def add(self, work: Callable[[], None], characters: int = 0) -> None:
        """Have some work wait."""
        self.held.append(work)

    def let_go(self) -> None:
        """Do what waits."""
        while self.held:
            self.held.pop(0)()
