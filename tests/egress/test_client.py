"""The client over real connections: what is sent, whom it refuses, and every way in which a peer can fail."""

import asyncio
import gc
import gzip
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from gateway.egress.addresses import Allowance
from gateway.egress.client import ANSWER_LIMIT_BYTES, Answer, Egress, Outgoing
from gateway.egress.connecting import Resolve
from gateway.egress.destinations import Policy
from gateway.errors import EgressError
from tests.egress.peers import (
    OK,
    Peer,
    Script,
    canary,
    dripping,
    flooding,
    hanging,
    has_ipv6,
    in_turn,
    peer,
    resetting,
    saying,
)
from tests.vatel.both_loops import on_both_loops
from tests.virtual_time import on_virtual_time

STRICT = Policy(Allowance())
LOOPBACK = Policy(Allowance.parse(["127.0.0.1"]), allow_http=True)
CONNECT_S = 5.0
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def answering(*addresses: str) -> Resolve:
    """Resolve every name to these addresses."""

    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


def flipping(*answers: list[str]) -> Resolve:
    """Resolve a name to another answer each time it is asked for; the last one stays."""
    left = list(answers)

    async def resolve(host: str, port: int) -> list[str]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


@asynccontextmanager
async def client(
    policy: Policy = LOOPBACK,
    *,
    per_host: int = 50,
    resolve: Resolve | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Egress]:
    """Yield a client that trusts and reaches what a test needs."""
    egress = Egress(policy, per_host=per_host, resolve=resolve or answering("127.0.0.1"), tls=tls)
    try:
        yield egress
    finally:
        await egress.close()


def asking(
    url: str, method: str = "POST", headers: Mapping[str, str] | None = None, body: bytes | None = b"{}"
) -> Outgoing:
    """Return a request as a tool would send it."""
    return Outgoing(method, url, headers or {}, body)


async def refusal(
    egress: Egress,
    outgoing: Outgoing,
    *,
    connect_s: float = CONNECT_S,
    limit_bytes: int = ANSWER_LIMIT_BYTES,
) -> EgressError:
    """Return how a request fails, and see that nothing of it but the host is in the error."""
    with pytest.raises(EgressError) as caught:
        async with asyncio.timeout(20):
            await egress.send(outgoing, connect_s=connect_s, limit_bytes=limit_bytes)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert "s3cret" not in f"{error} {error!r} {error.args}"
    return error


# --- what is sent, what comes back


@on_both_loops
async def test_request_goes_out_as_given() -> None:
    """Method, path, query, headers and body arrive, the host as in the URL, and nothing invented."""
    async with peer(saying(OK)) as served, client() as egress:
        url = served.url("/a%2Fb?x=1&y=%20+z", host="hooks.test")
        headers = {"Authorization": "Bearer s3cret", "Content-Type": "application/json", "X-Umlaut": "für"}
        await egress.send(asking(url, "PATCH", headers, '{"ü":1}'.encode()), connect_s=CONNECT_S)
        await egress.send(asking(url, "GET", {"user-agent": "mine"}, None), connect_s=CONNECT_S)

    patched, got = served.requests
    assert patched.line == "PATCH /a%2Fb?x=1&y=%20+z HTTP/1.1"
    assert patched.body == '{"ü":1}'.encode()
    assert patched.headers == {
        "host": f"hooks.test:{served.port}",
        "authorization": "Bearer s3cret",
        "content-type": "application/json",
        "x-umlaut": "für",
        "content-length": "8",
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "vatel-gateway",
    }
    assert got.line.startswith("GET ")
    assert got.headers["user-agent"] == "mine"
    assert not {"content-type", "content-length", "transfer-encoding", "cookie"} & set(got.headers)


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("body", [None, b"", b"\x00\xff" * 100])
async def test_body_arrives_with_every_method(method: str, body: bytes | None) -> None:
    """A body is bytes; an empty one and none are alike."""
    async with peer(saying(OK)) as served, client() as egress:
        await egress.send(asking(served.url(), method, body=body), connect_s=CONNECT_S)

    [request] = served.requests
    assert (request.line.split()[0], request.body) == (method, body or b"")
    assert "content-type" not in request.headers


ANSWERS = [
    (saying(OK), 200, b"hi"),
    (
        saying(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n", OK),
        200,
        b"hi",
    ),
    (saying(b"HTTP/1.1 204 No Content\r\n\r\n"), 204, b""),
    (saying(b"HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"), 204, b""),
    (saying(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone"), 404, b"gone"),
    (saying(b"HTTP/1.1 429 Slow\r\nRetry-After: 3\r\nContent-Length: 0\r\n\r\n"), 429, b""),
    (saying(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), 500, b""),
    (saying(CHUNKED + b"1\r\nh\r\n1\r\ni\r\n0\r\n\r\n"), 200, b"hi"),
    (saying(CHUNKED, b"1\r", b"\nh\r\n1;x=y\r\ni", b"\r\n0\r\nA: b\r\n", b"\r\n"), 200, b"hi"),
    (saying(*(bytes([one]) for one in OK)), 200, b"hi"),
    (saying(b"HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi"), 200, b"hi"),
    (saying(b"HTTP/1.0 200 OK\r\n\r\nh", b"i", close=True), 200, b"hi"),
    (saying(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhi", close=True), 200, b"hi"),
]


@pytest.mark.parametrize(("script", "status", "body"), ANSWERS)
@on_both_loops
async def test_answer_comes_back_whatever_its_status(script: Script, status: int, body: bytes) -> None:
    """Statuses are the caller's to judge; interim answers are passed over."""
    async with peer(script) as served, client() as egress:
        answer = await egress.send(asking(served.url()), connect_s=CONNECT_S)

    assert (answer.status, answer.body) == (status, body)


async def test_headers_of_an_answer_are_by_lower_case_name_and_fit_to_be_written() -> None:
    """Lines of one name are joined; bytes that are no UTF-8 become a replacement character."""
    head = b"HTTP/1.1 200 OK\r\nRetry-After: 3\r\nX-A: 1\r\nx-a: 2\r\nX-B: \xe9\xff\r\nX-C: \xc3\xa9\r\n"
    async with peer(saying(head + b"Content-Length: 0\r\n\r\n")) as served, client() as egress:
        answer = await egress.send(asking(served.url()), connect_s=CONNECT_S)

    assert answer.headers == {
        "retry-after": "3",
        "x-a": "1, 2",
        "x-b": "\ufffd\ufffd",
        "x-c": "é",
        "content-length": "0",
    }


async def test_neither_requests_nor_answers_show_their_secrets() -> None:
    """A traceback or a log of values gives nothing away."""
    shown = f"{asking('https://h.test/s3cret', headers={'X': 's3cret'}, body=b's3cret')!r}"
    shown += f"{Answer(200, {'x': 's3cret'}, b's3cret')!r}"

    assert shown == "Outgoing(method='POST')Answer(status=200)"


# --- how a peer can fail


LIES = [
    (saying(close=True), "reset"),
    (resetting(), "reset"),
    (saying(b"HTTP/1.1 200 OK\r\nContent-", close=True), "reset"),
    (resetting(b"HTTP/1.1 200 OK\r\nContent-"), "reset"),
    (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", close=True), "reset"),
    (resetting(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi"), "reset"),
    (saying(CHUNKED + b"5\r\nhi", close=True), "reset"),
    (resetting(CHUNKED + b"2\r\nhi\r\n"), "reset"),
    (resetting(b"HTTP/1.0 200 OK\r\n\r\nhi"), "reset"),
    (saying(b"SSH-2.0-OpenSSH_9.9\r\n"), "bad_http"),
    (saying(b"\x15\x03\x01\x00\x02\x02\x16"), "bad_http"),
    (saying(b"HTTP/1.1 abc\r\n\r\n"), "bad_http"),
    (saying(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"), "bad_http"),
    (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\nhi"), "bad_http"),
    (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + CHUNKED[17:] + b"0\r\n\r\n"), "bad_http"),
    (saying(b"HTTP/1.1 200 OK\r\nA b: c\r\n\r\n"), "bad_http"),
    (saying(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "bad_http"),
    (saying(CHUNKED + b"zz\r\n"), "bad_http"),
    (saying(CHUNKED + b"1\r\na\r\n", b"zz\r\n"), "bad_http"),
    (saying(CHUNKED + b"1\r\naX\r\n", b"0\r\n\r\n"), "bad_http"),
    (saying(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi"), "encoded"),
    (saying(b"HTTP/1.1 500 Oops\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nhi"), "encoded"),
    (saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi"), "encoded"),
    (saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "encoded"),
]


@pytest.mark.parametrize(("script", "reason"), LIES)
@on_both_loops
async def test_answer_that_is_none_has_a_reason_and_leaves_no_connection(script: Script, reason: str) -> None:
    """Broken off, not HTTP, or packed: the caller learns which, at once, and that the request was sent."""
    async with peer(script) as served, client() as egress:
        error = await refusal(egress, asking(served.url()))
        if reason != "encoded":  # what came whole, although packed, leaves a good connection
            async with asyncio.timeout(5):
                await served.alone.wait()

    assert (error.reason, error.sent) == (reason, True)
    assert str(error).startswith("The host 127.0.0.1 ")


FLOODS = [
    (flooding(b"HTTP/1.1 200 OK\r\n\r\n", b"a" * 65_536), "too_large"),
    (flooding(CHUNKED, b"ffff\r\n" + b"a" * 65_535 + b"\r\n"), "too_large"),
    (flooding(CHUNKED, b"1\r\na\r\n" * 10_000), "bad_http"),
    (flooding(CHUNKED + b"1;", b"a" * 65_536), "bad_http"),
    (flooding(CHUNKED + b"1\r\na\r\n0\r\n", b"A: b\r\n" * 10_000), "bad_http"),
    (flooding(b"HTTP/1.1 200 OK\r\n", b"A: b\r\n" * 10_000), "bad_http"),
    (flooding(b"HTTP/1.1 200 OK\r\nA: ", b"b" * 65_536), "bad_http"),
    (flooding(b"HTTP/1.1 200 ", b"b" * 65_536), "bad_http"),
    (flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000), "bad_http"),
    (flooding(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), "bad_http"),
    (saying(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000 + b"\r\n"), "bad_http"),
    (saying(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"), "too_large"),
    (
        saying(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n",
            gzip.compress(bytes(10_000_000)),
        ),
        "encoded",
    ),
]


@pytest.mark.parametrize(("script", "reason"), FLOODS)
@on_both_loops
async def test_answer_without_end_is_cut(script: Script, reason: str) -> None:
    """Body, head, interim answers, chunk extensions, trailers: each has its cap."""
    async with peer(script) as served, client() as egress:
        error = await refusal(egress, asking(served.url()))
        async with asyncio.timeout(5):
            await served.alone.wait()

    assert (error.reason, error.sent) == (reason, True)
    assert served.written_bytes < 16_000_000  # what the system's buffers take, and no more


@pytest.mark.parametrize(("count", "taken"), [(90, True), (120, False)])
async def test_headers_of_an_answer_are_counted(count: int, taken: bool) -> None:
    """A hundred will do."""
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(count))
    answer = OK.replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n")
    async with peer(saying(answer)) as served, client() as egress:
        if taken:
            assert len((await egress.send(asking(served.url()), connect_s=CONNECT_S)).headers) == count + 1
        else:
            assert (await refusal(egress, asking(served.url()))).reason == "bad_http"


@pytest.mark.parametrize("size", [0, 1, ANSWER_LIMIT_BYTES - 1, ANSWER_LIMIT_BYTES])
@pytest.mark.parametrize("chunked", [True, False])
@on_both_loops
async def test_body_of_at_most_the_limit_is_taken(size: int, chunked: bool) -> None:
    """The limit is the last size that fits, however the size is told."""
    body = bytes(size)
    pieces = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in batches(body, 100)) + b"0\r\n\r\n"
    whole = CHUNKED + pieces if chunked else b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, body)
    async with peer(saying(whole)) as served, client() as egress:
        answer = await egress.send(asking(served.url()), connect_s=CONNECT_S)

    assert answer.body == body


def batches(body: bytes, size: int) -> list[bytes]:
    """Cut a body into pieces."""
    return [body[start : start + size] for start in range(0, len(body), size)]


@pytest.mark.parametrize(
    "script",
    [
        saying(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", bytes(11)),
        saying(CHUNKED + b"b\r\n" + bytes(11) + b"\r\n0\r\n\r\n"),
        saying(b"HTTP/1.0 200 OK\r\n\r\n" + bytes(11), close=True),
    ],
)
async def test_body_of_one_byte_more_than_the_limit_is_refused(script: Script) -> None:
    """The message says what the limit is."""
    async with peer(script) as served, client() as egress:
        error = await refusal(egress, asking(served.url()), limit_bytes=10)

    assert (error.reason, error.sent) == ("too_large", True)
    assert str(error) == "The answer of the host 127.0.0.1 is larger than 10 bytes."


@pytest.mark.parametrize(
    "script",
    [
        hanging(),
        hanging(b"HTTP/1.1 200 OK\r\nConte"),
        hanging(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi"),
        hanging(CHUNKED + b"1\r\na\r\n"),
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", b"a", 0.01),
        dripping(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
    ],
)
@on_both_loops
async def test_callers_deadline_ends_whatever_hangs_or_drips(script: Script) -> None:
    """The deadline is on the whole, not on each read, and the connection goes with it."""
    async with peer(script) as served, client() as egress:
        started = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await egress.send(asking(served.url()), connect_s=CONNECT_S)
        took_s = asyncio.get_running_loop().time() - started
        async with asyncio.timeout(5):
            await served.alone.wait()

    assert took_s < 1
    assert (served.connections, len(served.requests)) == (1, 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_an_answer_and_not_followed(status: int) -> None:
    """Neither inside nor to another scheme: whoever redirects is not asked again."""
    async with canary("127.0.0.1") as seen:
        location = b"Location: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % seen.port
        async with (
            peer(saying(b"HTTP/1.1 %d Moved\r\n%b" % (status, location))) as served,
            client() as egress,
        ):
            for method in ("GET", "POST"):
                answer = await egress.send(asking(served.url(), method), connect_s=CONNECT_S)
                assert answer.status == status
                assert answer.headers["location"] == f"http://127.0.0.1:{seen.port}/"

        assert len(served.requests) == 2


async def test_cookies_are_not_kept() -> None:
    """One user's endpoint leaves nothing with the next request."""
    script = saying(b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n")
    async with peer(script) as served, client() as egress:
        for _ in range(2):
            await egress.send(asking(served.url(host="hooks.test")), connect_s=CONNECT_S)

    assert ["cookie" in request.headers for request in served.requests] == [False, False]


async def test_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Proxies and the netrc file are for somebody else's requests."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login a password s3cret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    async with canary("127.0.0.1") as seen, peer(saying(OK)) as served, client() as egress:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{seen.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        answer = await egress.send(asking(served.url(host="hooks.test")), connect_s=CONNECT_S)

    assert answer.status == 200
    assert "authorization" not in served.requests[0].headers
    assert "proxy-authorization" not in served.requests[0].headers


# --- what is never sent


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "localhost",
        "a.localhost",
        "0",
        "0.0.0.0",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "169.254.169.254",
        "10.0.0.1",
        "[64:ff9b::a9fe:a9fe]",
    ],
)
async def test_closed_address_is_refused_before_anything_is_sent(host: str) -> None:
    """The check of saving is made again: a list that was shortened since counts."""
    hosts = ["127.0.0.1", "::1"] if has_ipv6() else ["127.0.0.1"]
    async with canary(*hosts) as seen, client(Policy(Allowance(), allow_http=True)) as egress:
        error = await refusal(egress, asking(f"http://{host}:{seen.port}/s3cret"))

    assert (error.reason, error.sent) == ("refused_url", False)
    assert str(error).startswith("The request cannot be sent: the host is ")


@pytest.mark.parametrize(
    ("addresses", "kind"),
    [
        (["127.0.0.2"], "a loopback address"),
        (["127.0.0.1", "127.0.0.2"], "a loopback address"),
        (["127.0.0.1", "::1"], "a loopback address"),
        (["::1", "127.0.0.1"], "a loopback address"),
        (["::ffff:127.0.0.2"], "a loopback address"),
        (["127.0.0.1", "169.254.169.254"], "the address of a cloud's metadata service"),
        (["127.0.0.1", "fd00:ec2::254"], "the address of a cloud's metadata service"),
        (["127.0.0.1", "64:ff9b::7f00:2"], "an IPv4 address behind a NAT64 gateway"),
    ],
)
@on_both_loops
async def test_name_that_resolves_to_a_closed_address_is_refused(addresses: list[str], kind: str) -> None:
    """One bad address among good ones (127.0.0.1 is allowed here) refuses the whole answer of DNS."""
    hosts = ["127.0.0.1", "127.0.0.2", *(["::1"] if has_ipv6() else [])]
    async with canary(*hosts) as seen, client(resolve=answering(*addresses)) as egress:
        error = await refusal(egress, asking(f"http://rebind.test:{seen.port}/s3cret"))

    assert (error.reason, error.sent) == ("refused_address", False)
    assert str(error) == f"The host rebind.test is {kind}, which may not be reached."


@on_both_loops
async def test_name_that_turns_to_a_closed_address_is_refused() -> None:
    """Good when it was saved and at the first request; bad at the next look-up."""
    resolve = flipping(["127.0.0.1"], ["127.0.0.2"])
    async with canary("127.0.0.2") as seen, peer(saying(OK)) as served, client(resolve=resolve) as egress:
        await egress.send(asking(served.url(host="rebind.test")), connect_s=CONNECT_S)
        error = await refusal(egress, asking(f"http://rebind.test:{seen.port}/"))
        again = await egress.send(asking(served.url(host="rebind.test")), connect_s=CONNECT_S)

    assert (error.reason, error.sent) == ("refused_address", False)
    assert (again.status, served.connections) == (200, 1)  # the connection that was checked is still good


@pytest.mark.parametrize(
    ("outgoing", "reason", "said"),
    [
        (asking("http://hooks.test/s3cret"), "refused_url", "use https"),
        (asking("https://s3cret:s3cret@hooks.test/"), "refused_url", "a user or a password"),
        (asking("https://hooks.test:22/"), "refused_url", "port 22 is for SSH"),
        (asking("https://hooks.test/\r\nX: s3cret"), "refused_url", "control character"),
        (asking("file:///etc/passwd"), "refused_url", "the scheme file is not supported"),
        (
            asking("https://hooks.test", headers={"X-Key": "s3cret\r\nX-Evil: 1"}),
            "bad_header",
            "X-Key has a line",
        ),
        (
            asking("https://hooks.test", headers={"X-Key": "s3cret\x00"}),
            "bad_header",
            "X-Key has a line break",
        ),
        (asking("https://hooks.test", headers={"X\r\nY": "s3cret"}), "bad_header", "is no header name"),
        (asking("https://hooks.test", headers={"Host": "s3cret"}), "bad_header", "Host is the client's own"),
        (asking("https://hooks.test", "CONNECT"), "bad_method", "none of DELETE, GET, PATCH, POST, PUT"),
        (asking("https://hooks.test", "get"), "bad_method", "none of DELETE, GET"),
        (asking("https://hooks.test", "GET / HTTP/1.1\r\nX: s3cret"), "bad_method", "none of DELETE, GET"),
    ],
)
async def test_request_that_makes_no_sense_is_not_sent(outgoing: Outgoing, reason: str, said: str) -> None:
    """Nothing is looked up, and the fault names no value."""

    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError("somebody looked the host up")

    async with client(STRICT, resolve=resolve) as egress:
        error = await refusal(egress, outgoing)

    assert (error.reason, error.sent) == (reason, False)
    assert str(error).startswith("The request cannot be sent: ")
    assert said in str(error)


# --- connecting


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback address here")
async def test_ipv6_address_is_reached_when_allowed() -> None:
    """A literal in brackets is a host like any other."""
    policy = Policy(Allowance.parse(["::1"]), allow_http=True)
    async with peer(saying(OK), host="::1") as served, client(policy) as egress:
        await egress.send(asking(served.url(host="[::1]")), connect_s=CONNECT_S)
        await egress.send(asking(served.url(host="localhost")), connect_s=CONNECT_S)

    assert served.requests[0].headers["host"] == f"[::1]:{served.port}"
    assert served.requests[1].headers["host"] == f"localhost:{served.port}"


@on_both_loops
async def test_localhost_needs_no_resolver() -> None:
    """The names of this host lead to this host, whatever DNS says."""
    async with peer(saying(OK)) as served, client(resolve=answering("127.0.0.2")) as egress:
        await egress.send(asking(served.url(host="localhost")), connect_s=CONNECT_S)
        await egress.send(asking(served.url(host="api.localhost.")), connect_s=CONNECT_S)

    assert len(served.requests) == 2


@on_both_loops
async def test_next_address_serves_when_one_refuses_connections() -> None:
    """A host with several addresses is down only when all are."""
    policy = Policy(Allowance.parse(["127.0.0.0/8"]), allow_http=True)
    resolve = answering("127.0.0.9", "127.0.0.1")
    async with peer(saying(OK)) as served, client(policy, resolve=resolve) as egress:
        answer = await egress.send(asking(served.url(host="hooks.test")), connect_s=CONNECT_S)

    assert answer.status == 200


@on_both_loops
async def test_host_that_refuses_connections_cannot_be_reached() -> None:
    """Nothing listens: the request was not sent."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with client() as egress:
            error = await refusal(egress, asking(f"http://hooks.test:{taken.getsockname()[1]}/s3cret"))

    assert (error.reason, error.sent) == ("connect", False)
    assert str(error) == "The host hooks.test cannot be reached."


@pytest.mark.parametrize("found", [None, []])
@on_both_loops
async def test_name_without_address_is_named_so(found: list[str] | None) -> None:
    """DNS said no, or said nothing."""

    async def resolve(host: str, port: int) -> list[str]:
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "s3cret")
        return found

    async with client(resolve=resolve) as egress:
        error = await refusal(egress, asking("http://hooks.test/s3cret"))

    assert (error.reason, error.sent) == ("dns", False)
    assert str(error) == "The host hooks.test has no address."


async def never(host: str, port: int) -> list[str]:
    """Resolve nothing, ever."""
    await asyncio.Event().wait()
    return []


@asynccontextmanager
async def full_listener() -> AsyncIterator[int]:
    """Yield the port of a listener whose queue is full, so that connecting hangs."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        try:
            yield port
        finally:
            for filler in fillers:
                filler.close()


@on_both_loops
async def test_connecting_has_a_deadline_that_looking_up_is_part_of() -> None:
    """A name server that never answers costs no more than a host that never does."""
    async with client(resolve=never) as egress:
        error = await refusal(egress, asking("http://hooks.test/"), connect_s=0.05)

    assert (error.reason, error.sent) == ("connect", False)
    assert str(error) == "The host hooks.test could not be connected to in time."


@on_virtual_time
async def test_deadline_of_connecting_is_kept_to_the_millisecond() -> None:
    """A long one is not rounded up to whole seconds."""
    async with client(resolve=never) as egress:
        started = asyncio.get_running_loop().time()
        await refusal(egress, asking("http://hooks.test/"), connect_s=7.25)

    assert asyncio.get_running_loop().time() - started == pytest.approx(7.25)


@on_both_loops
async def test_connecting_has_a_deadline_that_tcp_is_part_of() -> None:
    """Two silent addresses share one deadline."""
    policy = Policy(Allowance.parse(["127.0.0.0/8"]), allow_http=True)
    async with full_listener() as port, client(policy, resolve=answering("127.0.0.1")) as egress:
        error = await refusal(egress, asking(f"http://hooks.test:{port}/"), connect_s=0.1)

    assert (error.reason, error.sent) == ("connect", False)


@on_both_loops
async def test_connecting_has_a_deadline_that_tls_is_part_of() -> None:
    """A host that takes the connection and says nothing is not waited for."""
    async with peer(saying(OK)) as served, client() as egress:
        error = await refusal(egress, asking(served.url(scheme="https", host="hooks.test")), connect_s=0.1)
        async with asyncio.timeout(5):
            await served.alone.wait()

    assert (error.reason, error.sent) == ("connect", False)


# --- TLS


def certified(authority: trustme.CA, name: str, expires: datetime | None = None) -> ssl.SSLContext:
    """Return the TLS settings of a server with a certificate for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name, not_after=expires).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Return the TLS settings of a client that trusts one more authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


AUTHORITY, STRANGER = trustme.CA(), trustme.CA()


def secure(served: Peer, path: str = "/hook") -> Outgoing:
    """Return a request to a peer by TLS."""
    return asking(served.url(path, scheme="https", host="hooks.test"))


@on_both_loops
async def test_tls_is_spoken_with_the_name_in_the_url() -> None:
    """Name indication and Host are the URL's, and the connection is kept."""
    tls = certified(AUTHORITY, "hooks.test")
    async with peer(saying(OK), tls=tls) as served, client(tls=trusting(AUTHORITY)) as egress:
        bodies = [(await egress.send(secure(served), connect_s=CONNECT_S)).body for _ in range(2)]

    assert bodies == [b"hi", b"hi"]
    assert served.names == ["hooks.test"]
    assert [request.headers["host"] for request in served.requests] == [f"hooks.test:{served.port}"] * 2


@pytest.mark.parametrize(
    ("authority", "name", "expires"),
    [
        (STRANGER, "hooks.test", None),
        (AUTHORITY, "other.test", None),
        (AUTHORITY, "hooks.test", datetime(2020, 1, 1, tzinfo=UTC)),
    ],
    ids=["self-signed", "another name", "expired"],
)
@on_both_loops
async def test_certificate_that_cannot_be_trusted_ends_it(
    authority: trustme.CA, name: str, expires: datetime | None
) -> None:
    """Nothing of the request is seen by whoever cannot show who it is."""
    tls = certified(authority, name, expires)
    async with peer(saying(OK), tls=tls) as served, client(tls=trusting(AUTHORITY)) as egress:
        error = await refusal(egress, secure(served, "/s3cret"))

    assert (error.reason, error.sent) == ("tls", False)
    assert str(error) == "The host hooks.test does not offer TLS that can be trusted."
    assert served.requests == []


async def test_systems_authorities_are_the_default() -> None:
    """A certificate of one's own making is not trusted unless it was said so."""
    async with peer(saying(OK), tls=certified(AUTHORITY, "hooks.test")) as served, client() as egress:
        error = await refusal(egress, secure(served))

    assert error.reason == "tls"


@on_both_loops
async def test_host_that_speaks_no_tls_is_not_asked_in_the_clear() -> None:
    """There is no fallback."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read(1000))
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    seen: list[bytes] = []
    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with client() as egress:
        url = f"https://hooks.test:{server.sockets[0].getsockname()[1]}/s3cret"
        error = await refusal(egress, asking(url, headers={"X-Key": "s3cret"}))
    server.close()

    assert (error.reason, error.sent) == ("tls", False)
    assert b"s3cret" not in b"".join(seen)


@pytest.mark.parametrize(
    "script", [hanging(CHUNKED + b"1\r\na\r\n"), flooding(CHUNKED, b"1\r\na\r\n" * 1000)]
)
@on_both_loops
async def test_tls_connection_is_gone_with_its_request(script: Script) -> None:
    """No shutdown is waited for: the peer could keep it waiting."""
    tls = certified(AUTHORITY, "hooks.test")
    async with peer(script, tls=tls) as served, client(tls=trusting(AUTHORITY)) as egress:
        with pytest.raises((TimeoutError, EgressError)):
            async with asyncio.timeout(0.3):
                await egress.send(secure(served), connect_s=CONNECT_S)
        async with asyncio.timeout(5):
            await served.alone.wait()


# --- connections that are kept


@on_both_loops
async def test_connection_is_used_again() -> None:
    """Requests one after another share one, whatever their method and status."""
    script = in_turn(saying(OK), saying(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), saying(OK))
    async with peer(script) as served, client() as egress:
        for method in ("POST", "GET", "DELETE", "POST"):
            await egress.send(asking(served.url(), method), connect_s=CONNECT_S)

    assert (served.connections, len(served.requests)) == (1, 4)


async def test_connection_that_the_peer_will_close_is_not_used_again() -> None:
    """Who says close means it."""
    script = saying(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    async with peer(script) as served, client() as egress:
        for _ in range(3):
            await egress.send(asking(served.url()), connect_s=CONNECT_S)

    assert (served.connections, len(served.requests)) == (3, 3)


@pytest.mark.parametrize(
    ("path", "sent"), [("/a%3Bb=%26%3D/%2e?x=%2F", "/a%3Bb=%26%3D/%2e?x=%2F"), ("/ü?q=ü", "/%C3%BC?q=%C3%BC")]
)
async def test_path_reaches_the_peer_as_it_was_encoded(path: str, sent: str) -> None:
    """What was encoded so that it divides nothing still divides nothing; what was not is encoded."""
    async with peer(saying(OK)) as served, client() as egress:
        await egress.send(asking(served.url(path)), connect_s=CONNECT_S)

    assert served.requests[0].line == f"POST {sent} HTTP/1.1"


REPEATED = [
    ("GET", False, True),
    ("PUT", False, True),
    ("DELETE", False, True),
    ("POST", False, False),
    ("PATCH", False, False),
    ("POST", True, True),
    ("PATCH", True, True),
]


@pytest.mark.parametrize(("method", "repeatable", "repeated"), REPEATED)
@pytest.mark.parametrize("hang_up", [saying(close=True), resetting()], ids=["closed", "reset"])
@on_both_loops
async def test_request_on_a_stale_connection_is_repeated_if_that_does_no_harm(
    hang_up: Script, method: str, repeatable: bool, repeated: bool
) -> None:
    """The peer closed the idle connection as the request went out: once more, or the caller is told."""
    script = in_turn(saying(OK), hang_up, saying(OK))
    async with peer(script) as served, client() as egress:
        await egress.send(asking(served.url()), connect_s=CONNECT_S)
        outgoing = replace(asking(served.url(), method, body=b"again"), repeatable=repeatable)
        if repeated:
            assert (await egress.send(outgoing, connect_s=CONNECT_S)).body == b"hi"
        else:
            error = await refusal(egress, outgoing)
            assert (error.reason, error.sent) == ("reset", True)

    assert [request.body for request in served.requests[1:]] == [b"again"] * (2 if repeated else 1)
    assert served.connections == (2 if repeated else 1)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
@pytest.mark.parametrize("hang_up", [saying(close=True), resetting()], ids=["closed", "reset"])
@on_both_loops
async def test_request_on_a_new_connection_is_never_repeated(hang_up: Script, method: str) -> None:
    """There it was no idle connection that broke, but the peer over this very request."""
    async with peer(hang_up) as served, client() as egress:
        error = await refusal(egress, replace(asking(served.url(), method), repeatable=True))

    assert (error.reason, error.sent) == ("reset", True)
    assert len(served.requests) == 1


@pytest.mark.parametrize("start", [b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", OK[:-1]])
@on_both_loops
async def test_request_that_was_being_answered_is_never_repeated(start: bytes) -> None:
    """A single byte shows that the peer had it."""
    async with peer(in_turn(saying(OK), saying(start, close=True))) as served, client() as egress:
        await egress.send(asking(served.url(), "GET"), connect_s=CONNECT_S)
        error = await refusal(egress, asking(served.url(), "GET"))

    assert (error.reason, error.sent) == ("reset", True)
    assert len(served.requests) == 2


@on_both_loops
async def test_repeat_does_not_meet_another_stale_connection() -> None:
    """All idle connections may be as dead as the first: the repeat has a new one, and is the last."""
    both = asyncio.Event()

    async def together(served: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if served.connections == 2:
            both.set()
        await both.wait()
        writer.write(OK)

    script = in_turn(together, together, saying(close=True), saying(close=True))
    async with peer(script) as served, client() as egress:
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(egress.send(asking(served.url()), connect_s=CONNECT_S))
        error = await refusal(egress, asking(served.url(), "GET"))

    assert (error.reason, error.sent) == ("reset", True)
    assert (served.connections, len(served.requests)) == (3, 4)


@on_both_loops
async def test_connection_of_a_repeat_is_not_kept() -> None:
    """Each repeat has a new one, so that none is stale in its turn."""
    script = in_turn(saying(OK), saying(close=True), saying(OK), saying(OK), saying(close=True), saying(OK))
    async with peer(script) as served, client() as egress:
        for _ in range(4):
            answer = await egress.send(asking(served.url(), "GET"), connect_s=CONNECT_S)
            assert answer.body == b"hi"

    assert (served.connections, len(served.requests)) == (4, 6)


@pytest.mark.parametrize(
    "surplus", [OK, b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"]
)
@on_both_loops
async def test_answer_that_nobody_asked_for_is_not_taken_for_the_next(surplus: bytes) -> None:
    """What a peer sends on an idle connection costs it that connection."""
    evil = saying(OK, surplus)
    good = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nright")
    async with peer(in_turn(evil, good)) as served, client() as egress:
        await egress.send(asking(served.url()), connect_s=CONNECT_S)
        await asyncio.sleep(0.05)
        answer = await egress.send(asking(served.url()), connect_s=CONNECT_S)

    assert answer.body == b"right"
    assert served.connections == 2


# --- how many at a time


@on_both_loops
async def test_so_many_requests_to_a_host_are_under_way_at_a_time() -> None:
    """More wait for their turn, and the deadline of connecting does not run meanwhile."""
    most, go = 0, asyncio.Event()

    async def slow(served: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal most
        most = max(most, served.live)
        await go.wait()
        writer.write(OK)

    async with (
        peer(slow) as served,
        client(per_host=2) as egress,
        asyncio.TaskGroup() as group,
    ):
        for _ in range(7):
            group.create_task(egress.send(asking(served.url()), connect_s=0.2))
        await asyncio.sleep(0.3)
        assert len(served.requests) == 2
        go.set()

    assert (most, served.connections, len(served.requests)) == (2, 2, 7)


async def test_busy_host_holds_up_no_other() -> None:
    """Another port or scheme is another host."""
    async with (
        peer(hanging()) as busy,
        peer(saying(OK)) as free,
        client(per_host=1) as egress,
        asyncio.TaskGroup() as group,
    ):
        stuck = group.create_task(egress.send(asking(busy.url()), connect_s=CONNECT_S))
        await busy.asked.wait()
        answer = await egress.send(asking(free.url()), connect_s=CONNECT_S)
        stuck.cancel()

    assert answer.status == 200


async def test_who_gives_up_waiting_takes_no_turn() -> None:
    """A cancelled request in the queue lets the next one pass."""
    async with (
        peer(in_turn(hanging(), saying(OK))) as served,
        client(per_host=1) as egress,
        asyncio.TaskGroup() as group,
    ):
        first, second, third = (
            group.create_task(egress.send(asking(served.url()), connect_s=CONNECT_S)) for _ in range(3)
        )
        await served.asked.wait()
        second.cancel()
        first.cancel()
        answer = await third

    assert answer.status == 200
    assert len(served.requests) == 2


# --- cancelled, closed


def open_files() -> int:
    """Count what this process holds open."""
    return len(os.listdir("/dev/fd"))


async def cancelled(egress: Egress, outgoing: Outgoing, under_way: asyncio.Event | None) -> None:
    """Cancel a request once it is under way."""
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(egress.send(outgoing, connect_s=CONNECT_S))
        if under_way is not None:
            await under_way.wait()
        await asyncio.sleep(0.02)
        sending.cancel()
    assert sending.cancelled()


@pytest.mark.parametrize(
    "script",
    [hanging(), hanging(b"HTTP/1.1 200 OK\r\n"), hanging(CHUNKED + b"1\r\na\r\n"), flooding(OK[:15], b"x")],
)
@on_both_loops
async def test_cancelled_request_leaves_no_connection(script: Script) -> None:
    """Wherever the answer was, the connection is closed at once and not used again."""
    async with client() as egress, peer(script) as served:
        await cancelled(egress, asking(served.url()), served.asked)
        async with asyncio.timeout(5):
            await served.alone.wait()
        assert len(asyncio.all_tasks()) == 1


@on_both_loops
async def test_cancelled_look_up_and_connecting_leave_nothing_open() -> None:
    """Nobody waits for a name server or a silent host any more; nothing is logged about it later."""
    counts = []
    for _ in range(2):  # the first time a loop opens some files of its own
        async with full_listener() as port, client(resolve=never) as egress:
            await cancelled(egress, asking("http://hooks.test/"), None)
            await cancelled(egress, asking(f"http://127.0.0.1:{port}/"), None)
        async with peer(saying(OK)) as served, client() as egress:
            await cancelled(egress, asking(served.url(scheme="https")), None)
        await asyncio.sleep(0.01)
        gc.collect(1)
        counts.append(open_files())

    assert counts[0] == counts[1]


@on_both_loops
async def test_cancelled_request_does_not_linger_for_a_peer_that_reads_nothing() -> None:
    """What of a large body is still to be written is dropped with it."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        before = open_files()
        async with client() as egress:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            async with asyncio.TaskGroup() as group:
                bodies = [bytes(1_000_000)] * 8  # more than the system takes in for them
                sending = [group.create_task(egress.send(asking(url, body=b), connect_s=5)) for b in bodies]
                await asyncio.sleep(0.05)
                for one in sending:
                    one.cancel()
            await asyncio.sleep(0.01)
            assert open_files() <= before + 1  # the selector's own
            assert len(asyncio.all_tasks()) == 1


@on_both_loops
async def test_closed_client_sends_nothing_and_keeps_nothing_open() -> None:
    """Idle connections are closed with it; closing twice is once."""
    async with peer(saying(OK)) as served:
        egress = Egress(LOOPBACK)
        await egress.send(asking(served.url()), connect_s=CONNECT_S)
        await egress.close()
        await egress.close()
        async with asyncio.timeout(5):
            await served.alone.wait()
        with pytest.raises(RuntimeError, match="the client is closed"):
            await egress.send(asking(served.url()), connect_s=CONNECT_S)

    assert len(served.requests) == 1


async def test_system_looks_names_up_until_the_client_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another resolver the system is asked; no thread of it outlives the client."""

    def getaddrinfo(host: str, *arguments: object, **more: object) -> list[object]:
        asked.append((host, threading.current_thread()))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]

    asked: list[tuple[str, threading.Thread]] = []
    async with peer(saying(OK)) as served:
        egress = Egress(LOOPBACK)
        monkeypatch.setattr("gateway.egress.connecting.socket.getaddrinfo", getaddrinfo)
        await egress.send(asking(served.url(host="hooks.test")), connect_s=CONNECT_S)
        await egress.close()
        monkeypatch.undo()

    [(host, thread)] = asked
    thread.join(5)
    assert host == "hooks.test"
    assert not thread.is_alive()


async def test_unused_client_is_closed_as_well() -> None:
    """A client that was never needed holds nothing."""
    egress = Egress(STRICT)
    await egress.close()

    with pytest.raises(RuntimeError, match="the client is closed"):
        await egress.send(asking("https://8.8.8.8/"), connect_s=CONNECT_S)


def test_client_can_be_made_without_a_loop() -> None:
    """Configuration is put together before anything runs."""
    egress = Egress(STRICT, per_host=1)

    asyncio.run(egress.close())


async def test_request_fails_when_the_client_is_closed_under_it() -> None:
    """Shutting down does not hang on a peer."""
    async with peer(hanging()) as served:
        egress = Egress(LOOPBACK)
        async with asyncio.TaskGroup() as group:
            failing = group.create_task(refusal(egress, asking(served.url())))
            await served.asked.wait()
            await egress.close()

    assert failing.result().reason == "reset"
