"""A telephone line with a pair of scissors: TCP on loopback that can be cut, or go dead without a word."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Self, cast

Direction = Literal["in", "out"]
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Line:
    """Carries bytes to a port on this machine and back. Lives as long as :meth:`to` holds it.

    Attributes:
        port: where it listens.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._ends: set[_End] = set()
        self._dead: set[Direction] = set()
        self._tasks = asyncio.TaskGroup()
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def to(cls, target_port: int) -> AsyncIterator[Self]:
        """Carry connections to a port until the context is left, then cut them all."""
        line = cls(target_port)
        async with line._tasks:
            server = await asyncio.get_running_loop().create_server(line._answer, "127.0.0.1", 0)
            line.port = server.sockets[0].getsockname()[1]
            try:
                yield line
            finally:
                server.close()
                line.cut()
        await server.wait_closed()

    def cut(self) -> None:
        """Reset every connection, at both ends."""
        for end in tuple(self._ends):
            end.reset()

    def deaden(self, direction: Direction) -> None:
        """Let nothing through any more in one direction, without a word to either end.

        Args:
            direction: seen from who dialled: ``out`` is what they send.
        """
        self._dead.add(direction)
        for end in self._ends:
            end.listen_if_alive()

    def mend(self) -> None:
        """Let everything through again, what has piled up first."""
        self._dead.clear()
        for end in self._ends:
            end.listen_if_alive()

    def _answer(self) -> "_End":
        near, far = _End(self, "out"), _End(self, "in")
        near.other, far.other = far, near
        self._tasks.create_task(self._dial(far))
        return near

    async def _dial(self, far: "_End") -> None:
        await asyncio.get_running_loop().create_connection(lambda: far, "127.0.0.1", self._target_port)

    def joined(self, end: "_End") -> None:
        """Take note of an end that is connected."""
        self._ends.add(end)

    def left(self, end: "_End") -> None:
        """Take note of an end that is not connected any more."""
        self._ends.discard(end)

    def is_dead(self, direction: Direction) -> bool:
        """Tell whether nothing gets through in a direction."""
        return direction in self._dead


class _End(asyncio.Protocol):
    """One end of a connection; what it hears the other end says. Lives as long as the connection."""

    other: "_End"

    def __init__(self, line: Line, direction: Direction) -> None:
        self._line = line
        self._direction: Direction = direction
        self._transport: asyncio.Transport | None = None
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._line.joined(self)
        self._transport.write(self._early)
        self.listen_if_alive()

    def data_received(self, data: bytes) -> None:
        self.other.say(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._line.left(self)
        self.other.close()

    def say(self, data: bytes) -> None:
        """Send what the other end heard."""
        if self._transport is None:
            self._early += data
        elif not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close once all is sent."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Close as a crash does."""
        if self._transport is not None and not self._transport.is_closing():
            connection = self._transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._transport.abort()

    def listen_if_alive(self) -> None:
        """Read unless the line is dead: what the peer sends then piles up in the kernel."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._line.is_dead(self._direction):
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
