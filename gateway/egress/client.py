"""The one HTTP client for addresses that users configure: tools, event webhooks, callbacks.

It goes to allowed addresses only (see `gateway.egress.connecting`), follows no redirect, keeps no cookie,
takes no proxy from the environment and unpacks nothing, and every size has a cap.
"""

import asyncio
import math
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from traceback import clear_frames
from typing import Final
from weakref import WeakValueDictionary

import aiohttp
from yarl import URL

from gateway.egress import destinations, headers
from gateway.egress.connecting import RefusedAddress, Resolve, SystemLookup
from gateway.egress.destinations import Policy
from gateway.egress.wire import MAX_HEADERS, Connector, Lost, Unreadable
from gateway.errors import EgressError

ANSWER_LIMIT_BYTES: Final = 256 * 1024
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})

_MOST_URLS: Final = 1_000
_REPEATABLE: Final = frozenset({"GET", "PUT", "DELETE"})  # RFC 9110 9.2.2
_WITHOUT_BODY: Final = frozenset({204, 304})
_DEFAULT_HEADERS: Final = {"User-Agent": "vatel-gateway", "Accept-Encoding": "identity"}
# The first class that fits names a failure: reason, what happened to the host, and whether the request left.
_FAILURES: Final[tuple[tuple[type[Exception], str, str, bool], ...]] = (
    (aiohttp.ClientConnectorDNSError, "dns", "has no address", False),
    (aiohttp.ClientSSLError, "tls", "does not offer TLS that can be trusted", False),
    (aiohttp.ClientConnectorError, "connect", "cannot be reached", False),
    (aiohttp.ConnectionTimeoutError, "connect", "could not be connected to in time", False),
    (aiohttp.InvalidURL, "refused_url", "is not spelled as a host", False),
    (Unreadable, "bad_http", "did not answer as HTTP demands", True),
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request. A value: its URL, headers and body may hold secrets and are never shown.

    Attributes:
        url: percent-encoded where it must be; sent as it is.
        repeatable: whether whoever gets it twice does its work once, whatever the method says.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)
    repeatable: bool = field(default=False, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whatever its status: a redirect is one too. A value.

    Attributes:
        headers: by lower-case name; values of one name that came in several lines are joined by commas.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class _Stale(EgressError):
    """The connection that a request went out on had been closed, as far as anybody can tell."""


class Egress:
    """Sends requests to configured addresses. Made anywhere, used on one loop until closed.

    Args:
        policy: where requests may go.
        per_host: requests under way to one scheme, host and port at a time; more wait for their turn.
        resolve: how to look names up; None: as the system does.
        tls: whose certificates to trust; None: the system's.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        per_host: int = 50,
        resolve: Resolve | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._per_host = per_host
        self._lookup = SystemLookup()
        self._resolve = resolve or self._lookup
        self._tls = tls
        self._urls: dict[str, URL] = {}  # that may be sent to
        self._turns: WeakValueDictionary[URL, asyncio.Semaphore] = WeakValueDictionary()
        self._sessions: tuple[aiohttp.ClientSession, aiohttp.ClientSession] | None = None
        self._closed = False

    async def send(
        self, outgoing: Outgoing, *, connect_s: float, limit_bytes: int = ANSWER_LIMIT_BYTES
    ) -> Answer:
        """Send a request and return the whole answer.

        There is no deadline but that of connecting: the caller sets one around it, and may cancel it.

        A connection is kept and used again. Should the peer close it just as a request goes out, before any
        byte of an answer, then the request is sent once more on a connection of its own, if a repeat does no
        harm: that of GET, PUT and DELETE (RFC 9110 9.2.2), and of whatever says that it is repeatable.
        Any other fails with ``reset``. Nothing else is ever sent twice.

        Args:
            connect_s: for looking the host up, connecting and TLS together; waiting for a turn not included.
            limit_bytes: the largest body taken.

        Raises:
            EgressError: its reason is ``refused_url``, ``bad_header``, ``bad_method`` or ``refused_address``
                (may not be sent), ``dns``, ``connect`` or ``tls`` (could not be sent), ``reset``,
                ``too_large``, ``encoded`` or ``bad_http`` (was sent).
            RuntimeError: the client is closed.
        """
        url = self._checked(outgoing)
        timeout = aiohttp.ClientTimeout(connect=connect_s, ceil_threshold=math.inf)
        async with self._turn(url.origin()):
            pool, unpooled = self._opened()
            outcome = await _outcome(pool, outgoing, url, timeout, limit_bytes)
            if isinstance(outcome, _Stale) and _is_repeatable(outgoing):
                outcome = await _outcome(unpooled, outgoing, url, timeout, limit_bytes)
        if isinstance(outcome, EgressError):
            try:
                raise outcome
            finally:
                del outcome  # else it holds this frame, which holds it
        return outcome

    async def close(self) -> None:
        """Close every connection; requests still under way fail."""
        self._closed = True
        for session in self._sessions or ():
            await session.close()
        self._lookup.close()

    def _checked(self, outgoing: Outgoing) -> URL:
        """Return the URL of a request that may be sent; one without a query is judged once."""
        url = self._urls.get(outgoing.url)
        fault, reason = None if url else destinations.fault(outgoing.url, self._policy), "refused_url"
        if fault is None:
            fault, reason = headers.fault(outgoing.headers), "bad_header"
        if fault is None and outgoing.method not in METHODS:
            fault, reason = f"the method is none of {', '.join(sorted(METHODS))}", "bad_method"
        if fault is not None:
            raise EgressError(f"The request cannot be sent: {fault}.", reason=reason, sent=False)
        if url is None:
            # What is encoded stays so: else %3B and the like would become what divides a path.
            url = URL(outgoing.url, encoded=outgoing.url.isascii())
            if len(self._urls) == _MOST_URLS:
                self._urls.clear()
            if "?" not in outgoing.url:  # behind which mostly stands what the next request will not have
                self._urls[outgoing.url] = url
        return url

    def _turn(self, origin: URL) -> asyncio.Semaphore:
        turn = self._turns.get(origin)
        if turn is None:
            turn = self._turns[origin] = asyncio.Semaphore(self._per_host)
        return turn

    def _opened(self) -> tuple[aiohttp.ClientSession, aiohttp.ClientSession]:
        """Return the pool, and who opens a new connection for each request."""
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._sessions is None:
            self._sessions = (self._session(keep=True), self._session(keep=False))
        return self._sessions

    def _session(self, *, keep: bool) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=Connector(self._policy.allowed, self._resolve, keep=keep, tls=self._tls),
            headers=_DEFAULT_HEADERS,
            skip_auto_headers=["Content-Type"],
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            max_headers=MAX_HEADERS,
        )


def _is_repeatable(outgoing: Outgoing) -> bool:
    return outgoing.repeatable or outgoing.method in _REPEATABLE


async def _outcome(
    session: aiohttp.ClientSession,
    outgoing: Outgoing,
    url: URL,
    timeout: aiohttp.ClientTimeout,
    limit_bytes: int,
) -> Answer | EgressError:
    """Send once, and return a failure: raised here, it would hold aiohttp's, which holds the request."""
    try:
        return await _exchange(session, outgoing, url, timeout, limit_bytes)
    except (aiohttp.ClientError, OSError) as error:
        failure = _failure(error, url.host or "")
        _let_go(error)
        return failure


def _let_go(error: BaseException | None) -> None:
    """Have nothing held by where an error was raised.

    Whoever connects keeps the errors of all addresses in frames that these hold, and with the frames all that
    they were called from: the call whose tool this is.
    """
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


async def _exchange(
    session: aiohttp.ClientSession,
    outgoing: Outgoing,
    url: URL,
    timeout: aiohttp.ClientTimeout,
    limit_bytes: int,
) -> Answer:
    response = await session.request(
        outgoing.method,
        url,
        headers=outgoing.headers,
        data=outgoing.body,
        timeout=timeout,
        allow_redirects=False,
    )
    try:
        _require_readable(response, url.host or "")
        body = await _body(response, url.host or "", limit_bytes)
    finally:
        response.close()  # when all of it was read, its connection is back in the pool already
    return Answer(response.status, _headers(response), body)


def _require_readable(response: aiohttp.ClientResponse, host: str) -> None:
    if response.status < 200:
        raise EgressError(f"The host {host} wants to speak no HTTP.", reason="bad_http", sent=True)
    content = response.headers.get("Content-Encoding", "identity").strip().lower()
    transfer = response.headers.get("Transfer-Encoding", "chunked").strip().lower()
    if response.status not in _WITHOUT_BODY and (content, transfer) != ("identity", "chunked"):
        raise EgressError(
            f"The host {host} answered with a compressed body, which nobody asked for.",
            reason="encoded",
            sent=True,
        )


async def _body(response: aiohttp.ClientResponse, host: str, limit_bytes: int) -> bytes:
    body = bytearray()
    announced_bytes = response.content_length or 0
    while max(len(body), announced_bytes) <= limit_bytes:
        chunk = await response.content.readany()
        if not chunk:
            return bytes(body)
        body += chunk
    raise EgressError(
        f"The answer of the host {host} is larger than {limit_bytes} bytes.", reason="too_large", sent=True
    )


def _headers(response: aiohttp.ClientResponse) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in response.headers.items():
        # What is not UTF-8 came through as lone surrogates, which could be written nowhere.
        text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        key = name.lower()
        joined[key] = f"{joined[key]}, {text}" if key in joined else text
    return joined


def _failure(error: Exception, host: str) -> EgressError:
    if isinstance(error, Lost) and error.stale:
        return _Stale(f"The host {host} closed the connection.", reason="reset", sent=True)
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else None
    if isinstance(cause, RefusedAddress):
        return EgressError(
            f"The host {host} is {cause}, which may not be reached.", reason="refused_address", sent=False
        )
    for kind, reason, what, sent in _FAILURES:
        if isinstance(error, kind):
            return EgressError(f"The host {host} {what}.", reason=reason, sent=sent)
    return EgressError(f"The host {host} broke the connection off.", reason="reset", sent=True)
