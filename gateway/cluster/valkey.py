"""A cluster of nodes around a Redis or Valkey server (Redis 6.2 or later, any Valkey)."""

import asyncio

from gateway.cluster.interface import LEASE_S, RENEW_S
from gateway.cluster.listener import Listener
from gateway.cluster.remote_commands import RemoteCommands
from gateway.cluster.remote_events import RemoteEvents
from gateway.cluster.remote_leases import RemoteLeases
from gateway.cluster.remote_limits import RemoteLimits
from gateway.cluster.server import Server, stop_if_cancelled
from gateway.errors import ClusterError
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_PRESENT = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
return redis.call('ZCARD', KEYS[1])
"""


class ValkeyCluster:
    """Lives as long as the process.

    Args:
        node: this process's name, no other's.
        url: of the server.
        prefix: what our keys and channels begin with; two gateways that share a server differ in it.

    Raises:
        ConfigError: a URL that cannot be used.
    """

    def __init__(self, node: str, url: str, prefix: str = "vatel-gateway") -> None:
        self.node = node
        self._server = Server(url, prefix)
        self._listener = Listener(self._server)
        self._present = self._server.script(_PRESENT)
        self.events = RemoteEvents(self._server, self._listener)
        self.commands = RemoteCommands(self._server, self._listener, node)
        self.leases = RemoteLeases(self._server, node)
        self.limits = RemoteLimits(self._server)

    @property
    def nodes(self) -> int:
        """How many nodes there were when the server last answered."""
        return self.limits.nodes

    @property
    def connected(self) -> bool:
        """Whether this node hears the others."""
        return self._listener.connected

    async def run(self) -> None:
        """Keep in touch: listen, send, carry out commands, be counted; ends by being cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for work in (self._listener, self.events, self.commands, self.limits):
                    group.create_task(work.run())
                group.create_task(self._be_counted())
        finally:
            await self._server.close()

    async def _be_counted(self) -> None:
        while True:
            try:
                keys = [self._server.key("nodes")]
                self.limits.nodes = int(await self._present.run(keys, [self.node, LEASE_S]))
            except ClusterError:
                log.warning("cluster_unavailable")
            stop_if_cancelled()
            await asyncio.sleep(RENEW_S)
