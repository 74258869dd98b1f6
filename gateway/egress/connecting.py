"""From a host name to a socket, the address judged twice: in the whole answer of DNS, and where it ends.

The second check is the one that counts: aiohttp asks no resolver about a literal address, and only the socket
address is what the connection is made to.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.egress.addresses import Allowance
from gateway.egress.destinations import LOOPBACK, is_loopback_name

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Look a host and port up; raises OSError when there is no answer."""

AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]
"""Family, type, protocol, canonical name and socket address: an entry of ``socket.getaddrinfo``."""

RECEIVE_BUFFER_BYTES: Final = 64 * 1024
"""What the system takes in for one connection: so much at most is parsed at a time, between other work."""

_LOOKUPS_AT_ONCE = 8


class RefusedAddress(OSError):
    """An address that may not be reached; the message says what it is, not which."""


class SystemLookup:
    """Looks names up as the system does. Lives as long as the client that owns it.

    It has threads of its own: a name server that never answers holds up nobody else's lookups.
    """

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_LOOKUPS_AT_ONCE, thread_name_prefix="egress-dns")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, the best first.

        Raises:
            OSError: there are none.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _look_up, host, port)

    def close(self) -> None:
        """Begin no more lookups; one that hangs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedResolver(AbstractResolver):
    """Passes on what a name resolves to if all of it may be reached. Lives as long as its connector.

    One refused address among several refuses all: a public name has no business with a private address. The
    names of this host are not looked up (RFC 6761); of their two addresses those that are allowed will do.
    """

    def __init__(self, resolve: Resolve, allowed: Allowance) -> None:
        self._resolve = resolve
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a host.

        Raises:
            RefusedAddress: one of them may not be reached.
            OSError: there is none.
        """
        if is_loopback_name(host):
            found = self._allowed_loopback()
        else:
            found = await self._resolve(host, port)
            self._require_allowed(found)
        if not found:
            raise OSError("the host name has no address")
        return [resolved(host, address, port) for address in found]

    async def close(self) -> None:
        """Hold nothing that has to be closed."""

    def _allowed_loopback(self) -> list[str]:
        found = [address for address in LOOPBACK if self._allowed.refusal(address) is None]
        if not found:
            self._require_allowed(LOOPBACK)
        return found

    def _require_allowed(self, addresses: list[str] | tuple[str, ...]) -> None:
        for address in addresses:
            if (refusal := self._allowed.refusal(address)) is not None:
                raise RefusedAddress(refusal)


def guarded_socket(allowed: Allowance, info: AddressInfo) -> socket.socket:
    """Make the socket that is about to be connected to an address.

    Raises:
        RefusedAddress: it may not be reached.
    """
    family, kind, protocol, _, address = info
    if (refusal := allowed.refusal(address[0])) is not None:
        raise RefusedAddress(refusal)
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return made


def _look_up(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except UnicodeError:
        raise OSError("the host name cannot be looked up") from None
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def resolved(host: str, address: str, port: int) -> ResolveResult:
    """Return an address as aiohttp's resolvers give it."""
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST,
    )
