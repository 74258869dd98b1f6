"""The object store, on the memory store and on a server that speaks S3's HTTP badly or not at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import obstore
import pytest
from aiohttp import web
from obstore.store import MemoryStore

from gateway.errors import ConfigError, RecordingError
from gateway.recording.objects import ObjectStore, open_store
from gateway.recording.store import LocalStore
from tests.recording.bucket import serving

ID = "3f0c2b1a-0000-4000-8000-00000000abcd"
NAME = f"3f/{ID}.wav"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a file to be sent, large enough to go in parts."""
    path = tmp_path / "source"
    path.write_bytes(bytes(range(256)) * 40_000)
    return path


async def test_recording_is_kept_read_and_removed(source: Path) -> None:
    """What is put can be read by ranges, is listed, and is gone when it was deleted; the source stays."""
    store = open_store("memory:///")

    await store.put(NAME, source)

    found = await store.stat(NAME)
    assert (found.name, found.size_bytes) == (NAME, 10_240_000)
    assert found.modified_ms > 1_700_000_000_000
    assert await store.read(NAME, 255, 3) == b"\xff\x00\x01"
    assert await store.read(NAME, 10_239_999, 100) == b"\xff"
    assert await store.read(NAME, 10_240_000, 100) == b""
    assert [one async for one in store.list()] == [found]
    assert await asyncio.to_thread(source.exists)
    await store.delete(NAME)
    await store.delete(NAME)
    with pytest.raises(RecordingError) as caught:
        await store.read(NAME, 0, 1)
    assert caught.value.reason == "not_found"


async def test_long_recording_arrives_whole(source: Path) -> None:
    """One of several minutes is sent in parts, which the store puts together."""
    async with serving() as bucket:
        await bucket.store().put(NAME, source)

        assert bucket.objects == {NAME: await asyncio.to_thread(source.read_bytes)}
        assert bucket.sent_in_parts == 1


async def test_vendors_variables_reach_the_store(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no option says comes from the environment, also what the library's HTTP client has to know."""
    async with serving() as bucket:
        variables = {f"AWS_{name.upper()}": value for name, value in bucket.options.items()}
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        await open_store("s3://bucket", environment=variables).put(NAME, source)
        for refused in (
            open_store("s3://bucket", {"allow_http": "false"}, variables),
            open_store("s3://bucket", environment=variables | {"AWS_ALLOW_HTTP": "false"}),
        ):
            with pytest.raises(RecordingError):
                await refused.stat(NAME)

        assert list(bucket.objects) == [NAME]


async def test_names_are_checked_and_strangers_passed_over(source: Path) -> None:
    """Nothing but our names is asked for or listed."""
    bucket = MemoryStore()
    store = ObjectStore(bucket)
    await obstore.put_async(bucket, "other/thing.wav", b"x")

    for attempt in (store.stat("other/thing.wav"), store.read("../x", 0, 1), store.delete("x")):
        with pytest.raises(RecordingError) as caught:
            await attempt
        assert caught.value.reason == "not_found"
    with pytest.raises(RecordingError):
        await store.put("other/thing.wav", source)
    assert [one async for one in store.list()] == []


async def test_recording_that_arrived_short_is_not_kept(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that says it has it, but has less, is not believed."""
    store = open_store("memory:///")

    real = obstore.put_async

    async def put_half(bucket: MemoryStore, name: str, path: Path) -> None:
        await real(bucket, name, b"half")

    monkeypatch.setattr(obstore, "put_async", put_half)

    with pytest.raises(RecordingError) as caught:
        await store.put(NAME, source)
    assert caught.value.reason == "unavailable"


@asynccontextmanager
async def bucket_that_answers(status: int) -> AsyncIterator[str]:
    """Serve the same answer to everything; yield the address."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text="<Error><Code>InternalError</Code></Error>")

    app = web.Application(client_max_size=1 << 25)
    app.router.add_route("*", "/{any:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("status", "reason"), [(403, "unavailable"), (404, "not_found")])
async def test_answer_of_the_vendor_becomes_our_error(source: Path, status: int, reason: str) -> None:
    """Refusals of a store over HTTP are ours to read, and hold none of the vendor's words."""
    async with bucket_that_answers(status) as endpoint:
        store = open_store(
            "s3://bucket/prefix",
            {
                "endpoint": endpoint,
                "region": "here",
                "access_key_id": "canary-id",
                "secret_access_key": "canary-secret",
                "allow_http": "true",
            },
        )
        for attempt in (store.stat(NAME), store.put(NAME, source)):
            with pytest.raises(RecordingError) as caught:
                await attempt
            assert caught.value.reason == reason
            assert "canary" not in str(caught.value)


async def test_store_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every question to a store has a deadline."""

    async def hang(bucket: object, name: str) -> None:
        await asyncio.sleep(60)

    monkeypatch.setattr("gateway.recording.objects._ASK_WITHIN_S", 0.05)
    monkeypatch.setattr(obstore, "head_async", hang)
    monkeypatch.setattr(obstore, "delete_async", hang)
    store = open_store("memory:///")

    for attempt in (store.stat(NAME), store.delete(NAME)):
        with pytest.raises(RecordingError) as caught:
            await attempt
        assert caught.value.reason == "unavailable"


@pytest.mark.parametrize("url", ["file:///var/recordings", "/var/recordings", "recordings"])
def test_path_is_a_local_store(url: str) -> None:
    """A path, with or without its scheme, is a folder."""
    store = open_store(url)

    assert isinstance(store, LocalStore)
    assert str(store._folder).endswith("recordings")


@pytest.mark.parametrize(
    ("url", "options", "names"),
    [
        ("ftp://host/x", {}, "ftp"),
        ("https://host/x", {}, "https"),
        ("s3://bucket", {"no_such_option": "canary"}, "s3"),
    ],
)
def test_store_that_cannot_be_is_refused(url: str, options: dict[str, str], names: str) -> None:
    """An unknown kind of store or option is the operator's error, told without the option's value."""
    with pytest.raises(ConfigError, match=names) as caught:
        open_store(url, options)

    assert "canary" not in str(caught.value)
