"""One moving window for all nodes, by the server's clock, exact to the microsecond.

While the server is away each node allows its share of the limit (limit / nodes, at least one) by its own
count, which contains what it let through before. For one window after the server went away or came back, when
one count follows on the other, more than the limit may pass, but never twice as much; else it holds.
"""

from gateway.cluster.inprocess import LocalLimits
from gateway.cluster.interface import RateDecision
from gateway.cluster.server import Server
from gateway.errors import ClusterError

_WITHIN_S = 0.25

# The list holds the times (µs) of the last `limit` requests that were allowed, newest first: one more is
# allowed when the oldest of them has left the window. How many are in it is found by halving.
_HIT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local oldest = tonumber(redis.call('LINDEX', KEYS[1], limit - 1) or '-1')
local allowed = 0
if oldest <= now - window then
  allowed = 1
  redis.call('LPUSH', KEYS[1], string.format('%.0f', now))
  redis.call('LTRIM', KEYS[1], 0, limit - 1)
  redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
end
local low, high = 0, redis.call('LLEN', KEYS[1])
while low < high do
  local middle = math.floor((low + high) / 2)
  if tonumber(redis.call('LINDEX', KEYS[1], middle)) > now - window then
    low = middle + 1
  else
    high = middle
  end
end
local first = now
if low > 0 then first = tonumber(redis.call('LINDEX', KEYS[1], low - 1)) end
return {allowed, low, string.format('%.0f', first + window - now)}
"""


class RemoteLimits:
    """Lives as long as the process.

    Args:
        server: between the nodes.

    Attributes:
        nodes: how many nodes share a limit while the server is away.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._script = server.script(_HIT)
        self._here = LocalLimits()
        self.nodes = 1

    async def hit(self, key: str, *, limit: int, window_s: float = 60.0) -> RateDecision:
        """Count a request over all nodes, or here alone while the server is away."""
        try:
            allowed, used, reset_us = await self._script.run(
                [self._server.key("limit", key)], [limit, round(window_s * 1_000_000)], _WITHIN_S
            )
        except ClusterError:
            return self._here.count(key, limit=max(1, limit // self.nodes), window_s=window_s)
        if allowed:
            self._here.book(key, window_s=window_s)
        return RateDecision(bool(allowed), limit, max(0, limit - used), int(reset_us) / 1_000_000)
