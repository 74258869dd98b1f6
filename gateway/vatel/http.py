"""One exchange with Vatel's REST API: a deadline, a cap, no redirects, and every failure one named error."""

import re
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from yarl import URL

from gateway.egress.retry_after import http_date, retry_after_s
from gateway.errors import VatelApiError
from gateway.vatel.strict_json import dump

T = TypeVar("T")

MAX_BODY_BYTES = 8 * 1024 * 1024
"""Largest JSON body read."""

_MAX_ERROR_BYTES = 16 * 1024
_MAX_MESSAGE_CHARS = 300
_REASONS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    429: "rate_limited",
    502: "bad_gateway",
    503: "unavailable",
    504: "unavailable",
}


class _ErrorBody(msgspec.Struct):
    error: str


class Exchange:
    """Sends requests with the organization's key. Lives as long as the client that owns it.

    Args:
        session: the process's HTTP client.
        base_url: such as ``https://api.vatel.ai``.
        api_key: the organization's key; in a header and nowhere else.
        timeout_s: deadline of a call, connecting included.
    """

    def __init__(self, session: aiohttp.ClientSession, base_url: str, api_key: str, timeout_s: float) -> None:
        self._session = session
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._timeout_s = timeout_s

    async def call(
        self,
        method: str,
        path: str,
        *,
        into: Callable[[bytes], T],
        query: Mapping[str, str] | None = None,
        body: object = None,
    ) -> T:
        """Make a call and return what ``into`` makes of the body of its 2xx answer.

        Args:
            method: of HTTP.
            path: quoted; see `path_of`.
            into: decodes a body; raises ValueError.
            query: parameters, unquoted.
            body: a value to send as JSON; None sends no body.

        Raises:
            VatelApiError: any other answer, or none, or one that makes no sense (``bad_answer``).
        """
        async with self.open(method, path, query=query, body=body) as response:
            answer = b"".join([chunk async for chunk in capped(response.content, MAX_BODY_BYTES)])
        try:
            return into(answer)
        except ValueError as error:
            failure = VatelApiError(
                f"Vatel's answer is not what its contract says: {error}",
                reason="bad_answer",
                status=response.status,
            )
        raise failure

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        timeout_s: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Make a call and hold its 2xx answer open, its body to be read by `capped`.

        Raises:
            VatelApiError: any other answer, or none.
        """
        with _named_failures():
            response = await self._session.request(
                method,
                _url(self._base_url + path, query),
                data=None if body is None else dump(body).encode(),
                headers=self._headers(body),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s or self._timeout_s),
            )
        try:
            if not 200 <= response.status < 300:
                raise await self._refusal(response)
            yield response
        finally:
            response.release()

    def _headers(self, body: object) -> dict[str, str]:
        headers = {
            "Authorization": f"Bearer {self._api_key}",
            "Accept": "application/json",
            # Nothing compressed: a body cannot grow beyond what was counted.
            "Accept-Encoding": "identity",
        }
        return headers if body is None else {**headers, "Content-Type": "application/json"}

    async def _refusal(self, response: aiohttp.ClientResponse) -> VatelApiError:
        with _named_failures():
            said = _said(await response.content.read(_MAX_ERROR_BYTES)).replace(self._api_key, "***")
        return VatelApiError(
            f"Vatel answered HTTP {response.status}" + (f": {said}" if said else ""),
            reason=_reason(response.status),
            status=response.status,
            retry_after_s=_asked_s(response.headers),
        )


async def capped(content: aiohttp.StreamReader, limit_bytes: int) -> AsyncIterator[bytes]:
    """Yield a body as it comes, at most so many bytes of it.

    Raises:
        VatelApiError: ``too_large``; or the answer broke off.
    """
    read_bytes = 0
    while True:
        with _named_failures():
            chunk = await content.readany()
        if not chunk:
            return
        read_bytes += len(chunk)
        if read_bytes > limit_bytes:
            raise VatelApiError(f"the body is larger than {limit_bytes} bytes", reason="too_large")
        yield chunk


def ignored(body: bytes) -> None:
    """Make nothing of a body: for answers without one."""


def path_of(*segments: str) -> str:
    """Join a path below ``/v1``, each segment quoted.

    Raises:
        VatelApiError: ``bad_id``: a segment would lead elsewhere.
    """
    if not {"", ".", ".."}.isdisjoint(segments):
        raise VatelApiError("an id is empty or a path: give the resource's own id", reason="bad_id")
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)


@contextmanager
def _named_failures() -> Iterator[None]:
    """Map the library's errors, once, to ours; theirs hold the request with its key."""
    try:
        yield
    except TimeoutError:
        raise VatelApiError("no answer in time", reason="timeout") from None
    except (aiohttp.ClientError, OSError) as error:
        raise _failure(error) from None


def _url(url: str, query: Mapping[str, str] | None) -> URL:
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in (query or {}).items())
    return URL(f"{url}?{pairs}" if pairs else url, encoded=True)


def _failure(error: Exception) -> VatelApiError:
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return VatelApiError("TLS with Vatel's host failed", reason="tls")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return VatelApiError("Vatel's host name has no address", reason="dns")
    return VatelApiError("Vatel's host cannot be reached, or hung up", reason="unreachable")


def _reason(status: int) -> str:
    if status in _REASONS:
        return _REASONS[status]
    if status >= 500:
        return "server_error"
    return "bad_request" if status >= 400 else "redirect"


def _said(body: bytes) -> str:
    """Return the ``error`` of an error body, without control characters; empty for any other body."""
    try:
        said = msgspec.json.decode(body, type=_ErrorBody).error
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    return re.sub(r"[\x00-\x1f\x7f]+", " ", said)[:_MAX_MESSAGE_CHARS]


def _asked_s(headers: Mapping[str, str]) -> float | None:
    """Read Retry-After, where it is a date beside the answer's own Date."""
    return retry_after_s(headers.get("Retry-After"), http_date(headers.get("Date", "")))
