"""One exchange: what is sent, and every way it can fail, by name."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from gateway.errors import VatelApiError
from gateway.vatel.http import MAX_BODY_BYTES, Exchange, capped, ignored, path_of
from tests.vatel.agent_host import Peer, bare_host
from tests.vatel.rest_host import API_KEY, Answer, serving


def echo(body: bytes) -> bytes:
    """Take a body as it is."""
    return body


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a client session."""
    async with aiohttp.ClientSession() as made:
        yield made


def answering(status: int, body: bytes = b"", **headers: str) -> Answer:
    """Return a handler that always answers so."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=named)

    return handler


async def refusal(session: aiohttp.ClientSession, base_url: str, *, timeout_s: float = 5.0) -> VatelApiError:
    """Return how a call fails, and see that neither key nor URL is in a word of it."""
    exchange = Exchange(session, base_url, API_KEY, timeout_s)
    with pytest.raises(VatelApiError) as caught:
        await exchange.call("GET", "/v1/organization", into=echo)
    error = caught.value
    assert API_KEY not in f"{error} {error!r} {error.args}"
    assert error.__cause__ is None
    return error


async def answered(session: aiohttp.ClientSession, handler: Answer) -> VatelApiError:
    """Return how a call fails on a handler's answer."""
    async with serving(handler) as base_url:
        return await refusal(session, base_url)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "bad_request"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (409, "conflict"),
        (418, "bad_request"),
        (429, "rate_limited"),
        (500, "server_error"),
        (502, "bad_gateway"),
        (503, "unavailable"),
        (504, "unavailable"),
        (507, "server_error"),
    ],
)
@pytest.mark.parametrize(
    "body",
    [b"", b'{"error":"human text"}', b"<html>oops</html>", b'{"error":5}', b"[]", b"\xff\xfe", b"null"],
)
async def test_an_error_is_named_by_its_status_whatever_its_body(
    session: aiohttp.ClientSession, status: int, reason: str, body: bytes
) -> None:
    """Empty, broken and foreign bodies survive the error path (vatel.md 1)."""
    error = await answered(session, answering(status, body))

    assert (error.reason, error.status) == (reason, status)
    assert ("human text" in str(error)) is (b"human text" in body)


async def test_vatels_words_are_kept_short_and_clean(session: aiohttp.ClientSession) -> None:
    """The server's message is one short line, without the key should it be in there."""
    said = f"line one\\nline two\\u0000 {API_KEY} " + "x" * 1000
    error = await answered(session, answering(400, f'{{"error":"{said}"}}'.encode()))

    assert str(error).startswith("Vatel answered HTTP 400: line one line two  *** xxx")
    assert len(str(error)) < 400


async def test_a_long_error_body_is_not_read_to_its_end(session: aiohttp.ClientSession) -> None:
    """An error is named although its body is endless."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        try:
            while True:
                await response.write(b"a" * 65_536)
        except ConnectionError:
            return response

    assert (await answered(session, endless)).reason == "server_error"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(session: aiohttp.ClientSession, status: int) -> None:
    """The key is never carried elsewhere."""
    requests = 0

    async def redirect(request: web.Request) -> web.StreamResponse:
        nonlocal requests
        requests += 1
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    error = await answered(session, redirect)

    assert (error.reason, error.status, requests) == ("redirect", status, 1)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": " 0 "}, 0.0),
        ({"Retry_After": "-5"}, None),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "٣"}, None),
        (
            {"Date": "Sat, 21 Nov 2026 10:00:00 GMT", "Retry_After": "Sat, 21 Nov 2026 10:01:30 GMT"},
            90.0,
        ),
        ({"Date": "Sat, 21 Nov 2026 10:00:00 GMT", "Retry_After": "Sat, 21 Nov 2026 09:00:00 GMT"}, 0.0),
        (
            {"Date": "Sat, 21 Nov 2026 10:00:00 GMT", "Retry_After": "Sat, 21 Nov 9999999999 10:00:00 GMT"},
            None,
        ),
        ({"Date": "today", "Retry_After": "Sat, 21 Nov 2026 10:01:30 GMT"}, None),
    ],
)
async def test_how_long_to_wait_is_told(
    session: aiohttp.ClientSession, headers: dict[str, str], expected: float | None
) -> None:
    """Retry-After in seconds or as a date; anything else is nothing."""
    error = await answered(session, answering(429, b"", **headers))

    assert error.retry_after_s == expected


async def test_a_host_that_never_answers_times_out(session: aiohttp.ClientSession) -> None:
    """The deadline covers the wait for headers."""
    over = asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response()

    async with serving(hang) as base_url:
        error = await refusal(session, base_url, timeout_s=0.1)
        over.set()

    assert (error.reason, error.status) == ("timeout", 0)


@pytest.mark.parametrize("status", [200, 500])
async def test_a_body_that_drips_times_out(session: aiohttp.ClientSession, status: int) -> None:
    """The deadline is for the whole of it, not for each piece, on errors too."""
    over = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        while not over.is_set():
            await response.write(b" ")
            await asyncio.sleep(0.01)
        return response

    async with serving(drip) as base_url:
        error = await refusal(session, base_url, timeout_s=0.1)
        over.set()

    assert error.reason in {"timeout", "server_error"}


async def test_nobody_listening_is_unreachable(session: aiohttp.ClientSession) -> None:
    """A refused TCP connection is named."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        error = await refusal(session, f"http://127.0.0.1:{free.getsockname()[1]}")

    assert (error.reason, error.status) == ("unreachable", 0)


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", b"SSH-2.0\r\n\r\n"]
)
async def test_a_host_that_breaks_off_is_unreachable(session: aiohttp.ClientSession, said: bytes) -> None:
    """A connection that ends before its answer does, or speaks another protocol, is no answer."""

    async def conduct(peer: Peer) -> None:
        await peer.read_request()
        peer.write(said)
        await peer.writer.drain()

    async with bare_host(conduct) as url:
        error = await refusal(session, url.replace("ws://", "http://").removesuffix("/v1/connection"))

    assert error.reason == "unreachable"


async def test_a_name_without_an_address_is_a_dns_failure() -> None:
    """DNS has its own reason."""

    class Nowhere(aiohttp.abc.AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[aiohttp.abc.ResolveResult]:
            raise OSError("no such name")

        async def close(self) -> None:
            pass

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Nowhere())) as session:
        error = await refusal(session, "http://vatel.invalid")

    assert error.reason == "dns"


async def test_a_plaintext_host_is_a_tls_failure(session: aiohttp.ClientSession) -> None:
    """https stays https."""

    async def conduct(peer: Peer) -> None:
        await peer.reader.read(100)
        peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.until_gone()

    async with bare_host(conduct) as url:
        error = await refusal(session, url.replace("ws://", "https://").removesuffix("/v1/connection"))

    assert error.reason == "tls"


async def test_a_body_that_is_too_large_is_refused(session: aiohttp.ClientSession) -> None:
    """Nobody can fill the memory with an answer."""
    error = await answered(session, answering(200, b" " * (MAX_BODY_BYTES + 1)))

    assert error.reason == "too_large"


async def test_nothing_compressed_is_asked_for(session: aiohttp.ClientSession) -> None:
    """A bomb needs an invitation; one sent without it is caught by the cap."""
    encodings: list[str | None] = []

    async def bomb(request: web.Request) -> web.StreamResponse:
        encodings.append(request.headers.get("Accept-Encoding"))
        body = gzip.compress(b"[" + b" " * (MAX_BODY_BYTES + 1) + b"]")
        return web.Response(body=body, headers={"Content-Encoding": "gzip"})

    error = await answered(session, bomb)

    assert encodings == ["identity"]
    assert error.reason == "too_large"


async def test_an_answer_that_makes_no_sense_is_named(session: aiohttp.ClientSession) -> None:
    """What cannot be decoded is `bad_answer`, with its status."""

    def fail(body: bytes) -> None:
        raise ValueError("expected an agent")

    async with serving(answering(200, b"{}")) as base_url:
        with pytest.raises(VatelApiError, match="expected an agent") as caught:
            await Exchange(session, base_url, API_KEY, 5).call("GET", "/v1/agents/x", into=fail)

    assert (caught.value.reason, caught.value.status) == ("bad_answer", 200)


async def test_a_request_says_who_and_what(session: aiohttp.ClientSession) -> None:
    """Key, types, path and query arrive as given; a call without a body has none."""
    seen: list[tuple[str, str, dict[str, str], bytes]] = []

    async def note(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        seen.append((request.method, request.raw_path, dict(request.headers), body))
        return web.Response(body=b"{}")

    async with serving(note) as base_url:
        exchange = Exchange(session, base_url + "/", API_KEY, 5)
        await exchange.call("GET", "/v1/calls", into=echo, query={"search": "+33 1", "tag": "a&b=c/é"})
        await exchange.call("POST", "/v1/agents", into=echo, body={"name": "é\ud800"})

    assert seen[0][:2] == ("GET", "/v1/calls?search=%2B33%201&tag=a%26b%3Dc%2F%C3%A9")
    assert seen[0][2]["Authorization"] == f"Bearer {API_KEY}"
    assert "Content-Type" not in seen[0][2]
    assert seen[0][3] == b""
    assert seen[1][2]["Content-Type"] == "application/json"
    assert seen[1][3] == '{"name":"é�"}'.encode()


async def test_what_goes_wrong_inside_the_block_is_not_vatels_fault(session: aiohttp.ClientSession) -> None:
    """Errors of the one who reads pass through as they are."""
    async with serving(answering(200, b"{}")) as base_url:
        exchange = Exchange(session, base_url, API_KEY, 5)
        with pytest.raises(OSError, match="disk full"):
            async with exchange.open("GET", "/v1/x"):
                raise OSError("disk full")


async def test_a_cap_lets_exactly_so_much_pass(session: aiohttp.ClientSession) -> None:
    """The limit is the last size that fits."""
    async with serving(answering(200, b"12345")) as base_url:
        exchange = Exchange(session, base_url, API_KEY, 5)
        async with exchange.open("GET", "/v1/x") as response:
            fits = [chunk async for chunk in capped(response.content, 5)]
        async with exchange.open("GET", "/v1/x") as response:
            with pytest.raises(VatelApiError, match="larger than 4 bytes"):
                [chunk async for chunk in capped(response.content, 4)]

    assert b"".join(fits) == b"12345"


@pytest.mark.parametrize(
    ("segments", "path"),
    [
        (("agents",), "/v1/agents"),
        (("agents", "a-1", "versions"), "/v1/agents/a-1/versions"),
        (("calls", "a/b"), "/v1/calls/a%2Fb"),
        (("calls", "a?b#c"), "/v1/calls/a%3Fb%23c"),
        (("calls", "é ..%2e"), "/v1/calls/%C3%A9%20..%252e"),
    ],
)
def test_a_path_is_quoted_by_segment(segments: tuple[str, ...], path: str) -> None:
    """No id can become two segments, a query or a fragment."""
    assert path_of(*segments) == path


@pytest.mark.parametrize("segment", ["", ".", ".."])
def test_a_segment_that_moves_is_refused(segment: str) -> None:
    """Dots and nothing would lead to another resource."""
    with pytest.raises(VatelApiError) as caught:
        path_of("agents", segment)

    assert caught.value.reason == "bad_id"


def test_an_ignored_body_is_nothing() -> None:
    """Whatever a 204 carries is not looked at."""
    assert ignored(b"anything") is None  # type: ignore[func-returns-value]  # the point of it
