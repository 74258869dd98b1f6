"""Finished recordings between this disk and the store: sent, read, found, removed.

A recording that is finished lies in ``ready`` until the store has it. With a local store that is a rename;
with an object store it is sent in the background, again and again while the store is away, and read from here
meanwhile: an outage loses nothing.
"""

import asyncio
from pathlib import Path

from gateway.errors import RecordingError
from gateway.recording import names
from gateway.recording.encryption import KeyRing
from gateway.recording.finalise import Finished
from gateway.recording.reader import Recording, open_recording
from gateway.recording.store import LocalStore, Store, Stored
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_RETRY_S = (1.0, 2.0, 5.0, 15.0, 60.0)


class Archive:
    """Reads as a store: what is ready and what is kept are the same bytes. Lives as long as the process.

    Args:
        ready: the folder of what is finished and not kept yet; on the file system of a local store.
        store: where recordings are kept.
        keys: open sealed recordings.
    """

    def __init__(self, ready: Path, store: Store, keys: KeyRing | None) -> None:
        self._folder = ready
        self._ready = LocalStore(ready)
        self._store = store
        self._keys = keys
        self._arrived = asyncio.Event()

    async def keep(self, name: str) -> None:
        """See that a recording that is ready gets to the store; a local store has it when this returns."""
        if not isinstance(self._store, LocalStore) or not await self._send(name):
            self._arrived.set()

    async def run(self) -> None:
        """Send what is ready, at once and whenever something arrives; ends by being cancelled."""
        failures = 0
        while True:
            self._arrived.clear()
            failures = 0 if await self.send_all() else failures + 1
            if failures:
                await asyncio.sleep(_RETRY_S[min(failures, len(_RETRY_S)) - 1])
            else:
                await self._arrived.wait()

    async def send_all(self) -> bool:
        """Send all that is ready, once; False when something is left."""
        done = True
        async for waiting in self._ready.list():
            done = await self._send(waiting.name) and done
        return done

    async def _send(self, name: str) -> bool:
        try:
            await self._store.put(name, self._folder / name)
            if not isinstance(self._store, LocalStore):
                await self._let_go(name)
        except (RecordingError, OSError) as error:
            reason = getattr(error, "reason", "io_error")
            log.warning("recording_waits", recording_id=names.id_of(name), reason=reason)
            return False
        return True

    async def _let_go(self, name: str) -> None:
        """Remove what the store has by now; what was erased while it was on its way, there as well."""
        try:
            await self._ready.stat(name)
        except RecordingError as fault:
            if fault.reason != "not_found":
                raise
            await self._store.delete(name)
        await self._ready.delete(name)

    async def stat(self, name: str) -> Stored:
        """Return what is known of a recording.

        Raises:
            RecordingError: ``not_found``, or the store did not answer.
        """
        try:
            return await self._ready.stat(name)
        except RecordingError:
            return await self._store.stat(name)

    async def read(self, name: str, start: int, count: int) -> bytes:
        """Return a range of a recording's bytes as they are kept.

        Raises:
            RecordingError: ``not_found``, or the store did not answer.
        """
        try:
            return await self._ready.read(name, start, count)
        except RecordingError:
            return await self._store.read(name, start, count)

    async def open(self, name: str) -> Recording:
        """Open a recording by its name.

        Raises:
            RecordingError: ``not_found``, its key is not there, or the store did not answer.
        """
        return await open_recording(self, name, self._keys)

    async def find(self, recording_id: str) -> Finished | None:
        """Return a recording by its id; None when there is none.

        Raises:
            RecordingError: the id is no UUID, its key is not there, or the store did not answer.
        """
        possible = [names.name_of(recording_id, sealed=sealed) for sealed in (False, True)]
        # What waits here is found here: a store that is away has no say in it.
        waiting = [name for name in possible if await self._waits(name)]
        for name in waiting or possible:
            try:
                found = await self.open(name)
            except RecordingError as fault:
                if fault.reason == "not_found":
                    continue
                raise
            return Finished(recording_id, name, found.size_bytes, found.duration_ms, found.key_id)
        return None

    async def _waits(self, name: str) -> bool:
        try:
            await self._ready.stat(name)
        except RecordingError:
            return False
        return True

    async def delete(self, recording_id: str) -> None:
        """Remove a recording for good; one that is not there is no fault.

        Raises:
            RecordingError: the id is no UUID, or the store did not answer: ask again.
        """
        for sealed in (False, True):
            name = names.name_of(recording_id, sealed=sealed)
            await self._ready.delete(name)
            await self._store.delete(name)

    async def sweep(self, before_ms: int) -> list[str]:
        """Remove the recordings that were finished before a time (Unix time); return their ids.

        Raises:
            RecordingError: the store did not answer; what was removed is, the rest waits for the next sweep.
        """
        places: tuple[Store, Store] = (self._ready, self._store)
        removed = []
        for place in places:
            async for stored in place.list():
                if stored.modified_ms < before_ms:
                    await place.delete(stored.name)
                    removed.append(names.id_of(stored.name))
        return removed
