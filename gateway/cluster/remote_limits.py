"""One moving window for all nodes, by the server's clock, exact to the microsecond.

While the server is away each node allows its share of the limit (limit / nodes, at least one) by its own
count, which contains what it let through before. For one window after the server went away or came back, when
one count follows on the other, more than the limit may pass, but never twice as much; else it holds.
"""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

from redis.asyncio import Redis

from gateway.cluster.inprocess import LocalLimits
from gateway.cluster.interface import RateDecision
from gateway.cluster.server import Server, stop_if_cancelled
from gateway.errors import ClusterError

_WITHIN_S = 0.5
_BATCH = 200

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


@dataclass(frozen=True, slots=True)
class _Hit:
    """A request that waits for the server's word."""

    key: str
    limit: int
    window_s: float
    decided: asyncio.Future[RateDecision]


class RemoteLimits:
    """Lives as long as the process.

    Requests that come while the server is being asked are asked together next: a burst costs a few round
    trips, and nobody's deadline runs while he waits for a connection.

    Args:
        server: between the nodes.

    Attributes:
        nodes: how many nodes share a limit while the server is away.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._here = LocalLimits()
        self._waiting: list[_Hit] = []
        self._some = asyncio.Event()
        self._running = False
        self.nodes = 1

    async def hit(self, key: str, *, limit: int, window_s: float = 60.0) -> RateDecision:
        """Count a request over all nodes, or here alone while the server is away."""
        hit = _Hit(key, limit, window_s, asyncio.get_running_loop().create_future())
        if self._running:
            self._waiting.append(hit)
            self._some.set()
        else:
            self._decide_alone([hit])
        return await hit.decided

    async def run(self) -> None:
        """Ask the server; ends by being cancelled. Without it each request is decided here alone."""
        batch: list[_Hit] = []
        self._running = True
        try:
            while True:
                await self._some.wait()
                self._some.clear()
                while self._waiting:
                    batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                    await self._decide(batch)
                    stop_if_cancelled()
        finally:
            self._running = False
            self._decide_alone([hit for hit in batch + self._waiting if not hit.decided.done()])

    async def _decide(self, batch: list[_Hit]) -> None:
        try:
            answers = await self._server.ask(partial(self._ask, batch), _WITHIN_S)
        except ClusterError:
            self._decide_alone(batch)
            return
        for hit, (allowed, used, reset_us) in zip(batch, answers, strict=True):
            if allowed:
                self._here.book(hit.key, window_s=hit.window_s)
            remaining = max(0, hit.limit - used)
            _tell(hit, RateDecision(bool(allowed), hit.limit, remaining, int(reset_us) / 1_000_000))

    async def _ask(self, batch: list[_Hit], client: Redis) -> list[Any]:
        script = client.register_script(_HIT)
        async with client.pipeline(transaction=False) as pipeline:
            for hit in batch:
                arguments = [hit.limit, round(hit.window_s * 1_000_000)]
                await script(keys=[self._server.key("limit", hit.key)], args=arguments, client=pipeline)
            return list(await pipeline.execute())

    def _decide_alone(self, batch: list[_Hit]) -> None:
        for hit in batch:
            share = max(1, hit.limit // self.nodes)
            _tell(hit, self._here.count(hit.key, limit=share, window_s=hit.window_s))


def _tell(hit: _Hit, decision: RateDecision) -> None:
    if not hit.decided.done():
        hit.decided.set_result(decision)
