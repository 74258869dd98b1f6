"""A telephone line with a pair of scissors: TCP on loopback that can be cut, or go dead without a word."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Self

Direction = Literal["in", "out"]
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_CHUNK_BYTES = 65_536


class Line:
    """Carries bytes to a port on this machine and back. Lives as long as :meth:`to` holds it.

    Attributes:
        port: where it listens.
        dead: directions in which nothing arrives any more, seen from who dialled: ``out`` is what they send.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._writers: set[asyncio.StreamWriter] = set()
        self._alive = {"in": asyncio.Event(), "out": asyncio.Event()}
        for direction in self._alive.values():
            direction.set()
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def to(cls, target_port: int) -> AsyncIterator[Self]:
        """Carry connections to a port until the context is left, then cut them all."""
        line = cls(target_port)
        server = await asyncio.start_server(line._carry, "127.0.0.1", 0)
        line.port = server.sockets[0].getsockname()[1]
        try:
            yield line
        finally:
            server.close()
            line.cut()
            line.mend()
            await server.wait_closed()

    def cut(self) -> None:
        """Reset every connection, at both ends."""
        for writer in self._writers:
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            writer.transport.abort()

    def deaden(self, direction: Direction) -> None:
        """Let nothing through any more in one direction, without a word to either end."""
        self._alive[direction].clear()

    def mend(self) -> None:
        """Let everything through again."""
        for direction in self._alive.values():
            direction.set()

    async def _carry(self, near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        far_in, far_out = await asyncio.open_connection("127.0.0.1", self._target_port)
        ends = {near_out, far_out}
        self._writers |= ends
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(near_in, far_out, self._alive["out"]))
                tasks.create_task(self._pump(far_in, near_out, self._alive["in"]))
        finally:
            self._writers -= ends
            for writer in ends:
                writer.close()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, alive: asyncio.Event
    ) -> None:
        try:
            while data := await source.read(_CHUNK_BYTES):
                await alive.wait()
                sink.write(data)
                await sink.drain()
            if sink.can_write_eof():
                sink.write_eof()
        except OSError:
            sink.transport.abort()
