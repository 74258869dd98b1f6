"""The agent's socket as the bridge uses it: connect, send at once, listen, close."""

import asyncio
import functools
import ssl as tls
from collections.abc import Callable
from contextlib import ExitStack
from urllib.parse import quote

from websockets.exceptions import InvalidURI
from websockets.uri import WebSocketURI, parse_uri

from gateway.backlog import Backlog
from gateway.errors import AgentConnectError
from gateway.vatel.addresses import Addresses
from gateway.vatel.closing import SocketClosed, close_meaning
from gateway.vatel.connection import Connection, Limits
from gateway.vatel.inbox import Take

__all__ = ["AgentSocket", "Limits", "SocketClosed", "close_meaning", "connect"]


class AgentSocket:
    """An open connection to the agent. Made by `connect`; lives as long as its session."""

    def __init__(self, connection: Connection, limits: Limits) -> None:
        self._connection = connection
        self._limit = limits.send_buffer_bytes

    def __repr__(self) -> str:
        return f"<AgentSocket {'open' if self._connection.is_open else 'closed'}>"

    @property
    def buffered_bytes(self) -> int:
        """Bytes written that the peer has not read yet, as far as this process can see."""
        return self._connection.buffered_bytes

    @property
    def waiting_bytes(self) -> int:
        """Bytes received that nobody has taken yet."""
        return self._connection.inbox.waiting_bytes

    @property
    def binary_frames(self) -> int:
        """Binary messages skipped; the contract has none."""
        return self._connection.assembly.binary_frames

    def send(self, text: str, *, force: bool = False) -> bool:
        """Write a message at once.

        Args:
            text: JSON text.
            force: write even above the high-water mark; for control messages, which are never dropped.

        Returns:
            False when nothing was written: the peer reads too slowly, or the socket is closed.
        """
        connection = self._connection
        if not connection.is_open or (connection.buffered_bytes > self._limit and not force):
            return False
        connection.write(text)
        return True

    def listen(self, take: Take) -> None:
        """Have every text message taken, in order, the short ones as they come, and at last the end."""
        self._connection.inbox.listen(take)

    async def close(self, code: int = 1000) -> None:
        """Close, give the peer the close timeout to answer, else abort. May be called again."""
        if not self._connection.gone.is_set():
            self._connection.begin_close(code)
            await self._connection.gone.wait()


async def connect(
    url: str,
    *,
    token: str,
    timeout_s: float,
    backlog: Backlog,
    ssl: tls.SSLContext | None = None,
    limits: Limits | None = None,
    addresses: Addresses | None = None,
) -> AgentSocket:
    """Open the agent's voice socket: DNS, TCP, TLS and upgrade inside one deadline, never by a proxy.

    Args:
        url: ``ws://`` or ``wss://``, without the token.
        token: the one-use session token; it travels in the query and appears in no error, repr or log.
        timeout_s: the deadline of it all.
        backlog: where long texts wait for their turn; all sockets of the loop share one.
        ssl: TLS settings for ``wss``; the system's own by default.
        limits: bounds and timers of the socket.
        addresses: the process's DNS memory.

    Raises:
        AgentConnectError: with the status of a refused upgrade and one of the reasons ``bad_request``,
            ``unauthorized``, ``forbidden``, ``not_found``, ``rate_limited``, ``server_error``,
            ``bad_handshake``, ``timeout``, ``unreachable``, ``tls``, ``dns``, ``bad_url``.
    """
    uri = _parse(url)
    context = (ssl or _system_tls()) if uri.secure else None
    limits = limits or Limits()
    try:
        async with asyncio.timeout(timeout_s):
            hosts = await (addresses or Addresses()).lookup(uri.host, uri.port)
            make = functools.partial(Connection, uri, quote(token, safe=""), limits, backlog)
            connection = await _reach(make, uri, hosts, context, timeout_s)
            return await _upgraded(connection, limits)
    except tls.SSLError:
        refusal = AgentConnectError("TLS with the agent's host failed", reason="tls")
    except TimeoutError:
        refusal = AgentConnectError(f"no agent socket within {timeout_s} s", reason="timeout")
    except OSError:
        refusal = AgentConnectError("the agent's host cannot be reached", reason="unreachable")
    raise refusal


async def _reach(
    make: Callable[[], Connection],
    uri: WebSocketURI,
    hosts: list[str],
    context: tls.SSLContext | None,
    timeout_s: float,
) -> Connection:
    """Connect to the first address that answers, each with its share of the deadline.

    The token leaves only once TCP and TLS stand, so it is never spent twice.
    """
    failure: OSError | None = None
    for host in hosts:
        connection = make()
        try:
            async with asyncio.timeout(timeout_s / len(hosts)):
                await asyncio.get_running_loop().create_connection(
                    lambda made=connection: made,
                    host,
                    uri.port,
                    ssl=context,
                    server_hostname=uri.host if context else None,
                )
        except tls.SSLError:
            raise
        except OSError as error:
            failure = error
        else:
            return connection
    raise failure or OSError("the host name has no address")


async def _upgraded(connection: Connection, limits: Limits) -> AgentSocket:
    with ExitStack() as unowned:
        # The deadline or a cancellation, perhaps in the very turn the answer came: nobody owns it then.
        unowned.callback(connection.lose, "given up")
        await connection.handshake.over.wait()
        unowned.pop_all()
    if connection.handshake.refusal is not None:
        raise connection.handshake.refusal
    return AgentSocket(connection, limits)


def _parse(url: str) -> WebSocketURI:
    try:
        uri = parse_uri(url)
    except (InvalidURI, ValueError):
        uri = None
    if uri is None or uri.user_info is not None:
        raise AgentConnectError("the agent's URL is no plain ws:// or wss:// one", reason="bad_url")
    return uri


@functools.cache
def _system_tls() -> tls.SSLContext:
    # Reading the system's certificates takes tens of milliseconds, too long to do for each call.
    return tls.create_default_context()
