"""Hears a socket message by message, for tests that say what comes next."""

import asyncio
from weakref import WeakKeyDictionary

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
