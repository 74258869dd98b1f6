"""Finished recordings on their way, with a store that is there, away, or comes back."""

import asyncio
import os
import wave
from pathlib import Path

import pytest

from gateway.errors import RecordingError
from gateway.recording import archive as archive_module
from gateway.recording import finalise, names, wav
from gateway.recording.archive import Archive
from gateway.recording.encryption import KeyRing
from gateway.recording.objects import ObjectStore, open_store
from gateway.recording.reader import ByteRange
from gateway.recording.store import LocalStore, Stored
from tests.recording.bucket import serving

ID = "3f0c2b1a-0000-4000-8000-00000000abcd"
OTHER = "ab0c2b1a-0000-4000-8000-00000000abcd"
AUDIO = wav.header(8_000) + wav.frames(b"\x01\xff" * 8_000)


def name_of(recording_id: str) -> str:
    """Return the name of a plain recording."""
    return f"{recording_id[:2]}/{recording_id}.wav"


def ready(folder: Path, recording_id: str = ID) -> str:
    """Lay a finished recording into the folder; return its name."""
    path = folder / "ready" / name_of(recording_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(AUDIO)
    return name_of(recording_id)


async def content(archive: Archive, name: str) -> bytes:
    """Return a recording as a reader gets it."""
    recording = await archive.open(name)
    return b"".join([block async for block in recording.read()])


async def test_local_store_has_it_at_once(tmp_path: Path) -> None:
    """With a folder for a store, keeping is a rename."""
    archive = Archive(tmp_path / "ready", LocalStore(tmp_path / "kept"), None)

    await archive.keep(ready(tmp_path))

    assert (tmp_path / "kept" / name_of(ID)).read_bytes() == AUDIO
    assert not (tmp_path / "ready" / name_of(ID)).exists()
    found = await archive.find(ID)
    assert found is not None
    assert (found.name, found.size_bytes, found.duration_ms) == (name_of(ID), len(AUDIO), 1_000)


async def test_outage_of_the_store_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the store is away recordings wait and can be read; when it is back it gets them, once each."""
    monkeypatch.setattr(archive_module, "_RETRY_S", (0.01,))
    monkeypatch.setattr("gateway.recording.objects._ASK_WITHIN_S", 0.2)
    monkeypatch.setattr("gateway.recording.objects._PUT_WITHIN_S", 0.2)
    async with serving() as bucket, asyncio.TaskGroup() as group:
        bucket.away = True
        archive = Archive(tmp_path / "ready", bucket.store(), None)
        running = group.create_task(archive.run())
        for recording_id in (ID, OTHER):
            await archive.keep(ready(tmp_path, recording_id))

        assert not await archive.send_all()
        assert await content(archive, name_of(ID)) == AUDIO
        bucket.away = False
        async with asyncio.timeout(10):
            while len(bucket.objects) < 2 or list((tmp_path / "ready").glob("*/*.wav")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        running.cancel()

        assert bucket.objects == {name_of(ID): AUDIO, name_of(OTHER): AUDIO}
        assert await content(archive, name_of(ID)) == AUDIO
        recording = await archive.open(name_of(ID))
        assert b"".join([block async for block in recording.read(ByteRange(50, 60))]) == AUDIO[50:60]


async def test_sealed_recording_that_waits_is_found_without_the_store(tmp_path: Path) -> None:
    """What lies here is found by either of its names, though the store cannot say if it has the other."""
    keys = KeyRing("k", {"k": b"k" * 32})
    path = tmp_path / "ready" / names.name_of(ID, sealed=True)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"".join(finalise._sealed(iter([AUDIO]), keys)))
    async with serving() as bucket:
        bucket.away = True
        found = await Archive(tmp_path / "ready", bucket.store(), keys).find(ID)

    assert found is not None
    assert (found.size_bytes, found.key_id) == (len(AUDIO), "k")


async def test_what_waits_from_before_is_sent_at_the_start(tmp_path: Path) -> None:
    """Recordings that an earlier process finished and did not send go out when this one starts."""
    store = open_store("memory:///")
    archive = Archive(tmp_path / "ready", store, None)
    ready(tmp_path)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(archive.run())
        async with asyncio.timeout(5):
            while (tmp_path / "ready" / name_of(ID)).exists():  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        running.cancel()

    assert (await store.stat(name_of(ID))).size_bytes == len(AUDIO)


async def test_local_store_that_fails_leaves_it_ready(tmp_path: Path) -> None:
    """A recording that cannot be moved waits where it is, and is read from there."""
    (tmp_path / "kept").write_bytes(b"in the way")
    archive = Archive(tmp_path / "ready", LocalStore(tmp_path / "kept"), None)
    name = ready(tmp_path)

    await archive.keep(name)

    assert await content(archive, name) == AUDIO
    (tmp_path / "kept").unlink()
    assert await archive.send_all()
    assert await content(archive, name) == AUDIO


@pytest.mark.parametrize("url", ["memory:///", "local"])
async def test_erasure_and_retention_remove_for_good(tmp_path: Path, url: str) -> None:
    """What is deleted, or older than its time, is gone from both places; the young stay."""
    store = LocalStore(tmp_path / "kept") if url == "local" else open_store(url)
    archive = Archive(tmp_path / "ready", store, None)
    for recording_id in (ID, OTHER):
        ready(tmp_path, recording_id)
    assert await archive.send_all()
    newest_ms = max([stored.modified_ms async for stored in store.list()])

    assert await archive.sweep(newest_ms - 3_600_000) == []
    await archive.delete(ID)
    await archive.delete(ID)
    assert await archive.find(ID) is None
    assert await archive.sweep(newest_ms + 1) == [OTHER]
    assert await archive.find(OTHER) is None


async def test_retention_reaches_what_waits(tmp_path: Path) -> None:
    """A recording whose time is over while the store is away is removed as well."""
    archive = Archive(tmp_path / "ready", open_store("memory:///"), None)
    name = ready(tmp_path)
    os.utime(tmp_path / "ready" / name, (1_000, 1_000))

    assert await archive.sweep(1_000_001) == [ID]

    assert not (tmp_path / "ready" / name).exists()


async def test_store_that_is_away_is_not_an_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is told that there is no recording because the store did not answer."""
    monkeypatch.setattr("gateway.recording.objects._ASK_WITHIN_S", 0.1)
    async with serving() as bucket:
        bucket.away = True
        archive = Archive(tmp_path / "ready", bucket.store(), None)

        for attempt in (archive.find(ID), archive.delete(ID)):
            with pytest.raises(RecordingError) as caught:
                await attempt
            assert caught.value.reason == "unavailable"


async def test_kept_recording_is_a_wav(tmp_path: Path) -> None:
    """What the archive gives is what the standard library's reader takes."""
    archive = Archive(tmp_path / "ready", LocalStore(tmp_path / "kept"), None)
    await archive.keep(ready(tmp_path))
    path = tmp_path / "out.wav"
    path.write_bytes(await content(archive, name_of(ID)))

    with wave.open(str(path)) as reader:
        assert reader.getnframes() == 8_000


async def test_recording_erased_on_its_way_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recording that is deleted while it is being sent is gone when the sending ends."""
    store = open_store("memory:///")
    archive = Archive(tmp_path / "ready", store, None)
    put = ObjectStore.put
    ready(tmp_path)

    async def put_while_erased(target: ObjectStore, name: str, source: Path) -> None:
        await put(target, name, source)
        await asyncio.to_thread(source.unlink)

    monkeypatch.setattr(ObjectStore, "put", put_while_erased)
    assert await archive.send_all()

    assert [one async for one in store.list()] == []
    assert await archive.find(ID) is None


async def test_folder_that_cannot_be_read_keeps_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it cannot be told whether a recording was erased it is sent again rather than removed."""
    archive = Archive(tmp_path / "ready", open_store("memory:///"), None)
    ready(tmp_path)

    async def broken(store: LocalStore, name: str) -> Stored:
        raise RecordingError("injected", reason="unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "stat", broken)
        assert not await archive.send_all()
    assert await archive.send_all()
    assert await content(archive, name_of(ID)) == AUDIO
