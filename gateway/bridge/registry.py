"""The calls of this process: who may come in, who is live, how everybody leaves.

A call is reserved by its signed voice webhook, which gets a one-use stream token; the media stream claims
the token; the session that runs then holds the place until its end. Reserved and live calls together never
exceed ``max_active``.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from gateway.bridge import events as on
from gateway.bridge.session import CallSession
from gateway.records import CallInfo, Ending

Refusal = Literal["draining", "busy", "ended"]
_ENDED_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Reservation:
    """A place held for a call whose stream has yet to come.

    Attributes:
        token: what the stream has to show; 32 random bytes, URL-safe.
        expires_at: seconds, monotonic.
        before: what was said on a stream of the call that broke; empty at the start of a call.
        streams: how many streams the call had before this one.
    """

    call: CallInfo
    token: str
    expires_at: float
    before: str = ""
    streams: int = 0


@dataclass(frozen=True, slots=True)
class Departed:
    """A call whose stream was live here a while ago.

    Attributes:
        so_far: what was said.
        streams: how many streams the call has had.
    """

    call: CallInfo
    ending: Ending
    so_far: str
    streams: int


class Registry:
    """Lives as long as the process.

    Args:
        max_active: how many calls may be reserved or live at once.
        token_ttl_s: how long a stream token is good for.

    Attributes:
        draining: True once the process is to leave: it is no longer ready.
        closed: True once nobody new comes in (a while later, when balancers have noticed).
    """

    def __init__(self, *, max_active: int, token_ttl_s: float = 60.0) -> None:
        self._max_active = max_active
        self._token_ttl_s = token_ttl_s
        self._reserved: dict[str, Reservation] = {}  # by call SID
        self._by_token: dict[bytes, str] = {}  # digest of the token -> call SID
        self._live: dict[str, CallSession] = {}
        self._ended: dict[str, Departed] = {}
        self._changed = asyncio.Event()
        self.draining = False
        self.closed = False

    @property
    def live(self) -> int:
        """How many calls are live."""
        return len(self._live)

    @property
    def reserved(self) -> int:
        """How many calls are awaited."""
        return len(self._reserved)

    def reserve(
        self, call: CallInfo, now: float, *, resumes: Departed | None = None
    ) -> Reservation | Refusal:
        """Hold a place for a call and make its stream token.

        The same call asked for again (Twilio repeats a webhook) gets the same token while that is good; a
        call that is live or over gets no second one unless it resumes a stream that broke.
        """
        self._expire(now)
        if (known := self._reserved.get(call.call_sid)) is not None:
            return known
        if call.call_sid in self._live or (call.call_sid in self._ended and resumes is None):
            return "ended"
        if self.closed:
            return "draining"
        if len(self._live) + len(self._reserved) >= self._max_active:
            return "busy"
        before, streams = (resumes.so_far, resumes.streams) if resumes else ("", 0)
        token = secrets.token_urlsafe(32)
        reservation = Reservation(call, token, now + self._token_ttl_s, before, streams)
        self._reserved[call.call_sid] = reservation
        self._by_token[_digest(reservation.token)] = call.call_sid
        return reservation

    def claim(self, token: str, call_sid: str, account_sid: str, now: float) -> Reservation | None:
        """Take a token, once.

        Returns:
            The reservation, or None for a token that is unknown, used, expired, or another call's.
        """
        self._expire(now)
        reservation = self._reserved.get(self._by_token.get(_digest(token), ""))
        if reservation is None:
            return None
        if (reservation.call.call_sid, reservation.call.account_sid) != (call_sid, account_sid):
            return None
        self._forget(reservation)
        return reservation

    def _expire(self, now: float) -> None:
        for reservation in [late for late in self._reserved.values() if late.expires_at <= now]:
            self._forget(reservation)

    def _forget(self, reservation: Reservation) -> None:
        del self._reserved[reservation.call.call_sid]
        del self._by_token[_digest(reservation.token)]

    async def host(self, session: CallSession, streams: int) -> Ending:
        """Run a call, holding its place; ``streams`` counts those it had before."""
        sid = session.call.call_sid
        self._live[sid] = session
        ending: Ending | None = None
        try:
            ending = await session.run()
            return ending
        finally:
            del self._live[sid]
            if ending is not None:
                so_far = session.scribe.conversation.so_far()
                self._remember(sid, Departed(session.call, ending, so_far, streams + 1))
            session.gone.set()
            self._changed.set()

    def _remember(self, call_sid: str, departed: Departed) -> None:
        self._ended[call_sid] = departed
        while len(self._ended) > _ENDED_KEPT:
            del self._ended[next(iter(self._ended))]

    def find(self, call_sid: str) -> CallSession | None:
        """Return the live call, if it is here."""
        return self._live.get(call_sid)

    def departed(self, call_sid: str) -> Departed | None:
        """Return how a call that was here ended, if that is still known."""
        return self._ended.get(call_sid)

    def release(self, call_sid: str, ending: Ending) -> None:
        """Give back the place of a call whose stream will not come; a stream that failed counts as one."""
        if (held := self._reserved.get(call_sid)) is not None:
            self._forget(held)
            self._remember(call_sid, Departed(held.call, ending, held.before, held.streams + 1))

    async def drain(
        self, grace_s: float, limit_s: float, last_words_s: float, now: Callable[[], float]
    ) -> None:
        """Turn unready, then let nobody in and wait until all have left; after the limit say goodbye.

        Args:
            grace_s: how long new calls are still taken, while balancers notice.
            limit_s: how long calls may go on after that.
            last_words_s: how long goodbyes may take after that.
            now: the clock.
        """
        self.draining = True
        await asyncio.sleep(grace_s)
        self.closed = True
        if not await self._all_left(limit_s, now):
            await self.cut(last_words_s, now)

    async def cut(self, last_words_s: float, now: Callable[[], float]) -> None:
        """End every call: with a goodbye if it can be said in time, else without."""
        self.draining = self.closed = True
        for _ in range(2):  # told a second time, a call stops saying goodbye
            for session in self._live.values():
                session.post(on.ShutdownDue())
            if await self._all_left(last_words_s, now):
                return

    async def _all_left(self, limit_s: float, now: Callable[[], float]) -> bool:
        """Wait until no call is live or awaited; False when the limit passes first."""
        deadline = now() + limit_s
        while self._live or self._reserved:
            left_s = deadline - now()
            if left_s <= 0:
                return False
            # Awaited calls that never come leave by their token's age, which nobody announces.
            wait_s = min(left_s, 0.5) if self._reserved else left_s
            self._changed.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait_s)
            self._expire(now())
        return True


def _digest(token: str) -> bytes:
    """Tokens are looked up by digest, so that the time a look-up takes says nothing about a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
