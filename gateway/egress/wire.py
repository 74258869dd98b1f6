"""One connection to a peer that nobody vouches for, and the pool of them: aiohttp's own, made stricter.

What aiohttp leaves open and a hostile or broken peer could use: interim answers without end, a truncated
answer that looks whole, an answer sent before it was asked for, a request repeated behind our back, and a
closed connection that lingers because the peer does not read.
"""

import asyncio
import functools
import ssl
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError

from gateway.egress.addresses import Allowance
from gateway.egress.connecting import GuardedResolver, Resolve, guarded_socket

MAX_HEAD_BYTES: Final = 64 * 1024
"""Of all that comes before the body: interim answers, status and headers."""

MAX_FRAMING_BYTES: Final = 4 * MAX_HEAD_BYTES
"""Of all that is not the body itself: the head, and what divides and ends chunks."""

MAX_HEADERS: Final = 100

_IDLE_S = 15.0
_DNS_CACHE_S = 10


class Lost(aiohttp.ClientError):
    """The connection broke while a request was under way.

    Attributes:
        stale: it had served a request before, and no byte of an answer to this one came: most likely the
            peer closed it for being idle, and never saw the request.
    """

    def __init__(self, *, stale: bool) -> None:
        super().__init__("the connection broke")
        self.stale = stale


class Unreadable(aiohttp.ClientError):
    """What came is not HTTP, or more of it than anybody needs."""


class _Arrival(asyncio.Future[None]):
    """Awaited by one task, which goes on in the very step in which the result is set.

    With any other future it would go on in a turn of its own, after all else that the network has brought:
    beside live calls that is longer than what it has to do.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop=loop)
        self._waiting: list[Callable[[Any], object]] = []

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context | None = None) -> None:
        """Note how the task goes on."""
        run = (context or copy_context()).run
        self._waiting.append(functools.partial(run, callback))  # type: ignore[call-arg]  # the future follows

    def set_result(self, result: None) -> None:
        """Let the task go on now. Not to be called from a task."""
        super().set_result(result)
        while self._waiting:
            self._waiting.pop()(self)  # held by nothing here, not even a name: it holds the task

    def cancel(self, msg: Any | None = None) -> bool:
        """Let the task go on, cancelled, in the loop's next turn."""
        cancelled = super().cancel(msg)
        while self._waiting:
            self.get_loop().call_soon(self._waiting.pop(), self)
        return cancelled


class Wire(ResponseHandler):
    """One connection. Lives until either side closes it; serves one request after another."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._arrival: _Arrival | None = None
        self._requests = 0
        self._received_bytes = 0
        self._head_is_whole = False

    def set_response_params(self, **parameters: Any) -> None:
        """Begin with another request."""
        self._requests += 1
        self._received_bytes = 0
        self._head_is_whole = False
        super().set_response_params(**parameters)

    async def read(self) -> Any:
        """Wait for the head of an answer, and go on in the step in which it came."""
        if not len(self) and not self.is_eof():
            self._arrival = _Arrival(self._loop)
            try:
                await self._arrival
            finally:
                self._arrival = None
        try:
            return await super().read()
        except aiohttp.EofStream:  # closed on our side in the turn in which it broke
            raise Lost(stale=False) from None

    def _tell(self) -> None:
        """Let whoever waits go on, if there is anything to go on with. Not to be called from a task."""
        if self._arrival is not None and not self._arrival.done() and (len(self) or self.is_eof()):
            self._arrival.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Take in what came; the client counts the body, all else is counted here."""
        self._received_bytes += len(data)
        super().data_received(data)
        body_bytes = self._payload.total_bytes if self._payload is not None else 0
        limit_bytes = MAX_FRAMING_BYTES if self._head_is_whole else MAX_HEAD_BYTES
        if self._received_bytes - body_bytes > limit_bytes:
            self.set_exception(BadHttpMessage("too much that is not body"))
            if self.transport is not None:
                self.transport.abort()
        self._tell()

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Note when the head that is not an interim one has come."""
        self._head_is_whole = self._head_is_whole or data[0].code >= 200
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        """Fail the request under way, whoever waits for it, by names on which aiohttp repeats nothing."""
        failure: aiohttp.ClientError = Lost(stale=self._requests > 1 and not self._received_bytes)
        if isinstance(exc, HttpProcessingError):
            failure = Unreadable("the answer is not HTTP")
        if self._payload is not None and not self._payload.is_eof():
            self._payload.set_exception(failure)
        super().set_exception(failure)
        self._loop.call_soon(self._tell)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let no answer that lasts until the end of its connection count as whole when that broke."""
        if exc is not None:
            self.set_exception(exc)
        super().connection_lost(exc)

    def is_connected(self) -> bool:
        """Tell whether the next request may go out here; not after an answer that nobody asked for."""
        return super().is_connected() and not len(self)

    def close(self) -> None:
        """Close at once: what the peer has not read by now it need not have."""
        self.abort()


class Connector(aiohttp.TCPConnector):
    """Connects to allowed addresses only. Lives as long as the client that owns it.

    It sets no limit: the client counts who is under way.

    Args:
        keep: whether a connection serves more than one request.
        tls: whose certificates to trust; None: the system's.
    """

    def __init__(
        self, allowed: Allowance, resolve: Resolve, *, keep: bool, tls: ssl.SSLContext | None = None
    ) -> None:
        lifetime: dict[str, Any] = {"keepalive_timeout": _IDLE_S} if keep else {"force_close": True}
        super().__init__(
            limit=0,
            resolver=GuardedResolver(resolve, allowed),
            ttl_dns_cache=_DNS_CACHE_S,
            socket_factory=functools.partial(guarded_socket, allowed),
            ssl=tls or True,
            **lifetime,
        )
        self._factory = functools.partial(_wire, self._loop)


def _wire(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return Wire(loop)
