"""The HTTP server against peers that do not speak HTTP."""

import asyncio
import logging

import pytest

from tests.front_door import front_door
from tests.uncollected import left_to_the_collector, uncollected

HOSTILE = {
    "not HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "long path": b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n\r\n",
    "long header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Secret: " + b"canary" * 2_000 + b"\r\n\r\n",
    "NUL in a header": b"GET /healthz HTTP/1.1\r\nHost: a\0b\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two lengths": b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    b"Content-Length: 2\r\n\r\n",
    "length and chunks": b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad port": b"GET http://x:99999/healthz HTTP/1.1\r\nHost: x:99999\r\n\r\n",
    "bad target": b"GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    "bad chunk": b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


async def say(port: int, words: bytes) -> bytes:
    """Send bytes, and return what comes back until the server hangs up or has nothing more to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(words)
    writer.write_eof()
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE)
async def test_peer_that_speaks_something_else(words: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a peer sends, it gets no 500, the log no traceback, and the next request an answer."""
    async with front_door() as door:
        answer = await say(door.port, words)
        async with door.http.get(f"http://127.0.0.1:{door.port}/healthz") as healthy:
            assert healthy.status == 200

    assert b" 500 " not in answer.split(b"\r\n")[0]
    assert not [record for record in caplog.records if record.exc_info]
    assert "canary" not in caplog.text


async def test_bug_of_ours_keeps_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    """What goes wrong on our side is logged with its traceback."""
    log = logging.getLogger("gateway.http")
    try:
        raise ZeroDivisionError("a bug")
    except ZeroDivisionError:
        log.exception("Error handling request")

    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.levelname == "ERROR"


async def test_request_that_breaks_off() -> None:
    """A peer that leaves in the middle of its request costs nobody anything, not even a traceback."""
    async with front_door() as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(b"POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nCall")
        await writer.drain()
        async with door.http.get(f"http://127.0.0.1:{door.port}/healthz") as healthy:
            assert healthy.status == 200
        writer.close()
        assert await reader.read() == b""


_HEAD = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"POST /twilio/voice" + _HEAD + b"Content-Length: 60000\r\n\r\n" + bytes(30_000), b""),
        (b"POST /twilio/voice" + _HEAD + b"Content-Length: 3\r\n\r\na=b", b"403"),
        (b"POST /twilio/voice" + _HEAD + b"Content-Length: 70000\r\n\r\n" + bytes(70_000), b"413"),
        (b"GET /twilio/media" + _HEAD + b"\r\n", b"403"),
        (b"GET /nowhere" + _HEAD + b"\r\n", b"404"),
    ],
    ids=["broken_off", "unsigned", "too_large", "no_upgrade", "nowhere"],
)
async def test_request_of_a_stranger_leaves_nothing_to_the_collector(request_: bytes, status: bytes) -> None:
    """Its body would wait there, and that of the next one, for as long as calls live."""
    async with front_door() as door:
        await _ask(door.port, request_)  # what is made once
        with uncollected():
            answer = await _ask(door.port, request_)
            assert left_to_the_collector("aiohttp.web_request", "aiohttp.streams") == []
        assert answer.split(b" ")[1:2] == ([status] if status else [])


async def _ask(port: int, request: bytes) -> bytes:
    """Send a request; return the answer, or nothing if it is incomplete: the peer leaves then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    await asyncio.sleep(0.05)
    if b"60000" in request:
        writer.transport.abort()
        answer = b""
    else:
        answer = await reader.read()
        writer.close()
    await asyncio.sleep(0.05)
    return answer
