"""Leases on the server, by its clock. A fence outlives its lease, and a server that forgot everything.

Leases of live calls stand in the database (they have to be as durable as what they protect); these are for
work that one node does at a time, which may stop while the server is away.
"""

from gateway.cluster.interface import LEASE_S, Lease
from gateway.cluster.server import Server
from gateway.errors import ClusterError
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_ACQUIRE = """
if redis.call('EXISTS', KEYS[1]) == 1 then return false end
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local fence = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, now_ms)
redis.call('SET', KEYS[2], string.format('%.0f', fence))
redis.call('SET', KEYS[1], string.format('%.0f', fence), 'PX', ARGV[1])
return string.format('%.0f', fence)
"""
_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RemoteLeases:
    """Lives as long as the process.

    Args:
        server: between the nodes.
        node: who takes them.
    """

    def __init__(self, server: Server, node: str) -> None:
        self._server = server
        self._node = node
        self._acquire = server.script(_ACQUIRE)
        self._renew = server.script(_RENEW)
        self._release = server.script(_RELEASE)

    async def acquire(self, name: str, *, ttl_s: float = LEASE_S) -> Lease | None:
        """Take a lease that nobody holds.

        Raises:
            ClusterError: ``unavailable``.
        """
        # One counter for all leases: it needs no expiry of its own.
        keys = [self._key(name), self._server.key("fence")]
        fence = await self._acquire.run(keys, [round(ttl_s * 1000)])
        return Lease(name, self._node, int(fence)) if fence else None

    async def renew(self, lease: Lease, *, ttl_s: float = LEASE_S) -> bool:
        """Hold a lease for another while.

        Raises:
            ClusterError: ``unavailable``.
        """
        return bool(await self._renew.run([self._key(lease.name)], [lease.fence, round(ttl_s * 1000)]))

    async def release(self, lease: Lease) -> None:
        """Give a lease back."""
        try:
            await self._release.run([self._key(lease.name)], [lease.fence])
        except ClusterError:
            log.warning("lease_left_to_expire", lease=lease.name)

    def _key(self, name: str) -> str:
        return self._server.key("lease", name)
