"""The operator's endpoint over real HTTP: whatever it does, the agent gets an answer in time."""

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from gateway.errors import ToolError
from gateway.tools.webhook import ToolRequest, ToolWebhook, error_output

REQUEST = ToolRequest("t-1", "book_table", {"size": 2, "name": "Ada \ud800"}, {"id": "c-1", "from": "+4930"})
DEADLINE_S = 0.5

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def endpoint(handler: Handler, deadline_s: float = DEADLINE_S) -> AsyncIterator[ToolWebhook]:
    """Return a webhook whose endpoint answers as the handler does."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/tools"
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as http:
            yield ToolWebhook(http, url, deadline_s)
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_endpoint(
    serve: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[ToolWebhook]:
    """Return a webhook whose endpoint writes bytes by hand."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        try:
            await serve(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as http:
            yield ToolWebhook(http, f"http://127.0.0.1:{port}/", DEADLINE_S)
    finally:
        server.close()


async def failure(webhook: ToolWebhook) -> ToolError:
    """Return the error a tool call ends in, which must come in time."""
    started = time.monotonic()
    with pytest.raises(ToolError) as caught:
        await webhook.ask(REQUEST)
    assert time.monotonic() - started < DEADLINE_S + 2
    return caught.value


async def test_question_is_posted_as_json() -> None:
    """The endpoint gets one POST with the tool, its arguments and the call; its text is the answer."""
    seen: list[web.Request] = []
    bodies: list[object] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        bodies.append(await request.json())
        return web.Response(text="Booked für zwei.")

    async with endpoint(answer) as webhook:
        assert await webhook.ask(REQUEST) == "Booked für zwei."

    assert [(request.method, request.path) for request in seen] == [("POST", "/tools")]
    assert seen[0].content_type == "application/json"
    assert bodies == [
        {
            "tool_call_id": "t-1",
            "tool": "book_table",
            "arguments": {"size": 2, "name": "Ada \ud800"},
            "call": {"id": "c-1", "from": "+4930"},
        }
    ]


@pytest.mark.parametrize(
    ("status", "text"), [(200, '{"table":7}'), (201, "ok"), (200, ""), (204, ""), (299, "odd but fine")]
)
async def test_every_2xx_is_an_answer(status: int, text: str) -> None:
    """Any 2xx with any text, JSON or not, empty or not, is the answer as it stands."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text or None)

    async with endpoint(answer) as webhook:
        assert await webhook.ask(REQUEST) == text


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 502, 503])
async def test_error_status(status: int) -> None:
    """A status that says no is an error that names it, and nothing of the body."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text="secret details")

    async with endpoint(answer) as webhook:
        error = await failure(webhook)
    assert error.reason == f"http_{status}"
    assert str(error) == f"The tool book_table failed with HTTP status {status}."


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(status: int) -> None:
    """A redirect is an error; nobody visits where it leads."""
    visits: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        visits.append(request.path)
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async with endpoint(answer) as webhook:
        assert (await failure(webhook)).reason == f"http_{status}"
    assert visits == ["/tools"]


async def test_hang() -> None:
    """An endpoint that never answers is an error at the deadline."""

    async def answer(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    async with endpoint(answer, deadline_s=0.2) as webhook:
        error = await failure(webhook)
    assert error.reason == "timeout"
    assert "within 0.2 seconds" in str(error)


async def test_slow_drip() -> None:
    """A byte now and then does not move the deadline: it is one for the whole answer."""

    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_endpoint(drip) as webhook:
        assert (await failure(webhook)).reason == "timeout"


async def test_endless_answer() -> None:
    """A body without end is cut at 256 kB, well before the deadline."""

    async def pour(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with raw_endpoint(pour) as webhook:
        error = await failure(webhook)
    assert error.reason == "too_large"
    assert "larger than 256 kB" in str(error)


async def test_answer_of_just_the_limit() -> None:
    """256 kB are taken, a byte more is not."""
    sizes = [256 * 1024, 256 * 1024 + 1]

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=b"x" * sizes.pop(0))

    async with endpoint(answer, deadline_s=5.0) as webhook:
        assert len(await webhook.ask(REQUEST)) == 256 * 1024
        with pytest.raises(ToolError, match="256 kB"):
            await webhook.ask(REQUEST)


@pytest.mark.parametrize("body", [b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80"])
async def test_answer_that_is_no_text(body: bytes) -> None:
    """An answer that is not UTF-8 is an error, not a guess."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body)

    async with endpoint(answer) as webhook:
        assert (await failure(webhook)).reason == "not_text"


async def test_compression_is_not_asked_for() -> None:
    """An endpoint that compresses for whoever allows it answers us in plain text."""

    async def answer(request: web.Request) -> web.Response:
        response = web.Response(text="plain " * 500)
        response.enable_compression()
        return response

    async with endpoint(answer) as webhook:
        assert await webhook.ask(REQUEST) == "plain " * 500


async def test_gzip_bomb_is_not_unpacked() -> None:
    """What comes compressed all the same is not unpacked."""
    bomb = gzip.compress(b"\0" * 50_000_000)

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip"})

    async with endpoint(answer) as webhook:
        assert (await failure(webhook)).reason == "not_text"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-Many: 1\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
    ids=["nothing", "cut short", "not HTTP", "headers without end", "long header"],
)
async def test_answer_that_is_no_answer(answer: bytes) -> None:
    """A peer that hangs up or does not speak HTTP is unreachable; its words are not passed on."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with raw_endpoint(write) as webhook:
        error = await failure(webhook)
    assert error.reason == "unreachable"
    assert "SSH" not in str(error)


async def test_refused_connection() -> None:
    """An endpoint that takes no connection is unreachable, without its address in the message."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response()

    async with endpoint(answer) as webhook:
        pass
    async with aiohttp.ClientSession() as http:
        error = await failure(ToolWebhook(http, webhook._url, DEADLINE_S))
    assert error.reason == "unreachable"
    assert "127.0.0.1" not in str(error)


async def test_no_endpoint() -> None:
    """Without an endpoint every tool is answered with an error that says so."""
    async with aiohttp.ClientSession() as http:
        error = await failure(ToolWebhook(http, None, DEADLINE_S))
    assert (error.reason, str(error)) == (
        "no_endpoint",
        "No endpoint is configured for the tool book_table.",
    )


async def test_question_that_is_called_off() -> None:
    """A call that ends takes its question along; the connection is closed."""
    asked = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        asked.set()
        await asyncio.sleep(60)
        raise AssertionError

    async with endpoint(answer, deadline_s=30) as webhook:
        task = asyncio.get_running_loop().create_task(webhook.ask(REQUEST))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def test_error_for_the_agent_is_json() -> None:
    """The agent gets an error as JSON that says what and why."""
    told = json.loads(error_output(ToolError("No answer.", reason="timeout")))

    assert told == {"error": "No answer.", "reason": "timeout"}


def test_request_keeps_its_secrets() -> None:
    """Arguments and numbers are in no repr."""
    assert "Ada" not in repr(REQUEST)
    assert "+4930" not in repr(REQUEST)
