"""Vatel's REST API: calls and their recordings."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.vatel import models
from gateway.vatel.decoding import reader
from gateway.vatel.http import Exchange, capped, path_of

MAX_RECORDING_BYTES = 1024 * 1024 * 1024
"""More than four hours, the longest call there is, of 24 kHz mono WAV (691 MB)."""

RECORDING_TIMEOUT_S = 300.0


class Calls:
    """Calls and recordings."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def list(self, query: models.CallQuery | None = None) -> models.CallPage:
        """List calls, one page of them."""
        parameters = (query or models.CallQuery()).parameters()
        return await self._exchange.call(
            "GET", path_of("calls"), into=reader(models.CallPage), query=parameters
        )

    async def get(self, call_id: str) -> models.Call:
        """Fetch a call."""
        return await self._exchange.call("GET", path_of("calls", call_id), into=reader(models.Call))

    @asynccontextmanager
    async def recording(
        self, call_id: str, *, max_bytes: int = MAX_RECORDING_BYTES, timeout_s: float = RECORDING_TIMEOUT_S
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a call's recording: chunks of a WAV file; ``too_large`` beyond ``max_bytes``."""
        path = path_of("calls", call_id, "recording")
        async with self._exchange.open("GET", path, timeout_s=timeout_s) as response:
            yield capped(response.content, max_bytes)

    async def save_recording(
        self,
        call_id: str,
        path: Path,
        *,
        max_bytes: int = MAX_RECORDING_BYTES,
        timeout_s: float = RECORDING_TIMEOUT_S,
    ) -> int:
        """Save a call's recording as a file, whole or not at all.

        Returns:
            Its size in bytes.

        Raises:
            OSError: the file cannot be written.
        """
        partial = path.with_name(path.name + ".part")
        try:
            async with self.recording(call_id, max_bytes=max_bytes, timeout_s=timeout_s) as chunks:
                size_bytes = await _write(chunks, partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
        return size_bytes


async def _write(chunks: AsyncIterator[bytes], path: Path) -> int:
    """Write chunks to a file, off the loop's thread."""
    size_bytes = 0
    file = await asyncio.to_thread(path.open, "wb")
    try:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)
            size_bytes += len(chunk)
    finally:
        await asyncio.to_thread(file.close)
    return size_bytes
