"""The opening handshake, without a socket: bytes in, verdict out."""

import asyncio

import pytest
from websockets.client import ClientProtocol
from websockets.http11 import Response
from websockets.uri import parse_uri
from websockets.utils import accept_key

from gateway.vatel.handshake import Handshake

GOOD = (
    "HTTP/1.1 101 Switching Protocols\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "Sec-WebSocket-Accept: {accept}\r\n"
    "{extra}\r\n"
)


class Attempt:
    """One handshake over no network."""

    def __init__(self, url: str = "ws://host/v1/connection") -> None:
        self.protocol = ClientProtocol(parse_uri(url))
        self.heard: list[str] = []
        self.handshake = Handshake(
            self.protocol,
            "tok%2Fen",
            opened=lambda: self.heard.append("opened"),
            refused=lambda: self.heard.append("refused"),
        )

    def request(self) -> bytes:
        """Send the request; return it."""
        self.handshake.send()
        return b"".join(self.protocol.data_to_send())

    def answer(self, text: str) -> None:
        """Receive an answer."""
        self.request()
        self.protocol.receive_data(text.encode())
        self.handshake.look()

    def good(self, extra: str = "", accept: str | None = None) -> str:
        """Return an answer that accepts."""
        return GOOD.format(accept=accept or accept_key(self.protocol.key), extra=extra)


def test_the_token_is_in_the_request() -> None:
    """The request's path ends in the token."""
    assert Attempt().request().startswith(b"GET /v1/connection?token=tok%2Fen HTTP/1.1\r\nHost: host\r\n")


def test_the_token_joins_a_query() -> None:
    """A query of the URL is kept."""
    assert Attempt("ws://host/?a=b").request().startswith(b"GET /?a=b&token=tok%2Fen HTTP/1.1\r\n")


def test_a_url_without_a_path_asks_for_the_root() -> None:
    """There is always a path."""
    assert Attempt("ws://host").request().startswith(b"GET /?token=tok%2Fen HTTP/1.1\r\n")


def test_the_request_is_sent_once_and_forgotten() -> None:
    """After it has left, the token is nowhere any more."""
    attempt = Attempt()
    attempt.request()

    assert attempt.request() == b""
    assert "tok%2Fen" not in repr(vars(attempt.handshake)) + repr(vars(attempt.protocol))


def test_a_good_answer_opens() -> None:
    """101 with the right key opens the connection, once."""
    attempt = Attempt()
    attempt.answer(attempt.good())
    attempt.handshake.look()

    assert attempt.heard == ["opened"]
    assert attempt.handshake.over.is_set()
    assert attempt.handshake.refusal is None


def test_half_an_answer_is_waited_for() -> None:
    """Nothing is decided before the headers end."""
    attempt = Attempt()
    attempt.answer(attempt.good()[:-4])

    assert attempt.heard == []
    assert not attempt.handshake.over.is_set()


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "bad_request"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (405, "bad_request"),
        (410, "bad_request"),
        (429, "rate_limited"),
        (499, "bad_request"),
        (500, "server_error"),
        (502, "server_error"),
        (503, "server_error"),
        (599, "server_error"),
        (200, "bad_handshake"),
        (301, "bad_handshake"),
        (307, "bad_handshake"),
    ],
)
def test_each_status_has_its_reason(status: int, reason: str) -> None:
    """A refused upgrade is named by its status."""
    attempt = Attempt()
    attempt.answer(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n")

    refusal = attempt.handshake.refusal
    assert refusal is not None
    assert (refusal.reason, refusal.status) == (reason, status)
    assert attempt.heard == ["refused"]


@pytest.mark.parametrize(
    "answer",
    [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 banana\r\n\r\n",
        "HTTP/2 200 OK\r\n\r\n",
        "\r\n\r\n",
        '{"type":"session_started"}\r\n',
        "HTTP/1.1 101 Switching Protocols\r\nno colon\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n" + "A: b\r\n" * 200 + "\r\n",
        "A" * 20_000,
    ],
    ids=["ssh", "no status", "http2", "nothing", "json", "broken header", "too many headers", "too long"],
)
def test_what_is_no_http_is_a_bad_handshake(answer: str) -> None:
    """Another protocol on the port is named, and its words are not repeated."""
    attempt = Attempt()
    attempt.answer(answer)

    refusal = attempt.handshake.refusal
    assert refusal is not None
    assert (refusal.reason, refusal.status) == ("bad_handshake", 0)
    assert str(refusal) == "the agent's host did not answer as a WebSocket"


@pytest.mark.parametrize(
    ("extra", "accept"),
    [
        ("", "wrong"),
        ("Sec-WebSocket-Extensions: permessage-deflate\r\n", None),
        ("Sec-WebSocket-Protocol: chat\r\n", None),
    ],
    ids=["wrong key", "extension", "subprotocol"],
)
def test_an_acceptance_we_did_not_ask_for_is_a_bad_handshake(extra: str, accept: str | None) -> None:
    """101 alone is not enough: key, extensions and subprotocol must be what was asked for."""
    attempt = Attempt()
    attempt.answer(attempt.good(extra, accept))

    assert attempt.handshake.refusal is not None
    assert attempt.handshake.refusal.reason == "bad_handshake"


@pytest.mark.parametrize(
    ("cause", "reason"),
    [(None, "bad_handshake"), (ConnectionResetError(), "unreachable"), (TimeoutError(), "unreachable")],
)
def test_losing_the_transport_is_a_verdict(cause: Exception | None, reason: str) -> None:
    """A host that hangs up without an answer refused, one that vanished cannot be reached."""
    attempt = Attempt()
    attempt.handshake.cut(cause)

    assert attempt.handshake.refusal is not None
    assert attempt.handshake.refusal.reason == reason
    assert attempt.handshake.over.is_set()


def test_losing_the_transport_later_is_none() -> None:
    """Once open, the handshake stays good."""
    attempt = Attempt()
    attempt.answer(attempt.good())
    attempt.handshake.cut(ConnectionResetError())

    assert attempt.handshake.refusal is None


async def test_the_verdict_can_be_waited_for() -> None:
    """`over` wakes who waits, and the answer is no event of the connection."""
    attempt = Attempt()
    async with asyncio.TaskGroup() as group:
        group.create_task(attempt.handshake.over.wait())
        await asyncio.sleep(0)
        attempt.answer(attempt.good())

    assert [type(event) for event in attempt.protocol.events_received()] == [Response]
