"""Where a name lives, under a deadline of its own, and where it lived last when DNS does not answer."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.egress.connecting import resolved
from gateway.errors import AgentConnectError

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Look a host and port up; raises OSError when there is no answer."""


async def system_resolver(host: str, port: int) -> list[str]:
    """Look a name up as the system does, off the loop's thread."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


class Addresses:
    """Looks names up and remembers the last good answer of each. Lives as long as the process.

    Args:
        timeout_s: how long one lookup may take.
        keep_s: how old a remembered answer may be when DNS fails (fault matrix row 4).
        resolve: how to ask.
    """

    def __init__(
        self, *, timeout_s: float = 1.0, keep_s: float = 300.0, resolve: Resolve = system_resolver
    ) -> None:
        self._timeout_s = timeout_s
        self._keep_s = keep_s
        self._resolve = resolve
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}

    async def lookup(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, in the order to try them.

        Raises:
            AgentConnectError: ``dns``: no answer in time, and none remembered that is young enough.
        """
        if _is_literal(host):
            return [host]
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await self._resolve(host, port)
        except (OSError, UnicodeError):
            found = []
        if not found:
            return self._remembered(host, port)
        self._known[host, port] = (asyncio.get_running_loop().time(), found)
        return found

    def _remembered(self, host: str, port: int) -> list[str]:
        seen_at, found = self._known.get((host, port), (0.0, []))
        if not found or asyncio.get_running_loop().time() - seen_at > self._keep_s:
            raise AgentConnectError("the agent's host name has no address", reason="dns")
        return found


class AddressResolver(AbstractResolver):
    """Lets an aiohttp session look names up the same way, so that it outlives a DNS failure as well.

    Args:
        addresses: who looks up and remembers.
    """

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            OSError: there is no answer, and none remembered.
        """
        try:
            found = await self._addresses.lookup(host, port)
        except AgentConnectError as error:
            raise OSError(str(error)) from None
        return [resolved(host, address, port) for address in found]

    async def close(self) -> None:
        """Hold nothing that has to be closed."""


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
