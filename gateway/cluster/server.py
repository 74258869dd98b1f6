"""The server between the nodes: a Redis or Valkey, asked with a deadline, and left alone while it is away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from gateway.errors import ClusterError, ConfigError
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

T = TypeVar("T")

ASK_WITHIN_S = 1.0
_CONNECT_WITHIN_S = 1.0
_REST_S = 0.5
_CONNECTIONS = 16
_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")


class Server:
    """Lives as long as the process.

    After a failure nothing is asked for half a second: a server that hangs costs one deadline, not one for
    every request.

    Args:
        url: ``redis://``, ``rediss://`` (TLS), ``valkey://``, ``valkeys://`` or ``unix://``.
        prefix: what our keys and channels begin with.

    Raises:
        ConfigError: not such a URL; never shows it, since it may hold a password.
    """

    def __init__(self, url: str, prefix: str = "vatel-gateway") -> None:
        scheme = urlsplit(url).scheme
        if scheme not in _SCHEMES:
            raise ConfigError(f"cluster.url: {scheme!r} is no server we know; use {', '.join(_SCHEMES)}")
        self._url = url.replace("valkey", "redis", 1) if scheme.startswith("valkey") else url
        self._prefix = prefix
        self._rest_until = 0.0
        try:
            pool = BlockingConnectionPool.from_url(
                self._url, max_connections=_CONNECTIONS, timeout=ASK_WITHIN_S, **_limits()
            )
        except ValueError as fault:
            raise ConfigError(f"cluster.url cannot be used: {type(fault).__name__}") from None
        self._client: Redis = Redis(connection_pool=pool)

    def key(self, *parts: str) -> str:
        """Return the name of a key or channel."""
        return ":".join((self._prefix, *parts))

    @asynccontextmanager
    async def channels(self) -> AsyncIterator[Any]:
        """Give a new connection that can listen to channels."""
        client: Redis = Redis.from_url(self._url, **_limits())
        channels: Any = client.pubsub()
        try:
            yield channels
        finally:
            await channels.aclose()
            await client.aclose()

    async def ask(self, question: Callable[[Redis], Awaitable[T]], within_s: float = ASK_WITHIN_S) -> T:
        """Ask the server something.

        Raises:
            ClusterError: ``unavailable``: it did not answer in time, or the connection broke.
        """
        now = asyncio.get_running_loop().time()
        if now < self._rest_until:
            raise ClusterError("the cluster's server is away", reason="unavailable")
        try:
            async with asyncio.timeout(within_s):
                return await question(self._client)
        except ResponseError as fault:  # a replica during a failover, no memory left, no such command
            code = str(fault).partition(" ")[0]
            log.error("cluster_refused", code=code)
            raise ClusterError(f"the cluster's server refused ({code})", reason="unavailable") from None
        except (RedisError, OSError, TimeoutError) as fault:
            self._rest_until = asyncio.get_running_loop().time() + _REST_S
            kind = type(fault).__name__
            raise ClusterError(
                f"the cluster's server did not answer ({kind})", reason="unavailable"
            ) from None

    def script(self, text: str) -> "Script":
        """Return a Lua script to be run on this server."""
        return Script(self, text)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()
        await self._client.connection_pool.disconnect()


class Script:
    """A Lua script; the server remembers it after the first run. Lives as long as the server's client."""

    def __init__(self, server: Server, text: str) -> None:
        self._server = server
        self._text = text

    async def run(
        self, keys: list[str], arguments: list[str | int | float], within_s: float = ASK_WITHIN_S
    ) -> Any:
        """Run it.

        Raises:
            ClusterError: ``unavailable``.
        """

        async def question(client: Redis) -> Any:
            script = client.register_script(self._text)
            return await cast(Awaitable[Any], script(keys=keys, args=arguments))

        return await self._server.ask(question, within_s)


def stop_if_cancelled() -> None:
    """Raise the cancellation that somebody swallowed.

    On Python 3.11 `wait_for`, which the client library uses, loses one that comes with the result: a loop
    around it, in a task of its own, would go on for ever.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _limits() -> dict[str, Any]:
    return {
        "socket_connect_timeout": _CONNECT_WITHIN_S,
        "socket_timeout": ASK_WITHIN_S,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }
