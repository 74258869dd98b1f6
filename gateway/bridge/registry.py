"""The calls of this process: who may come in, who is live, how everybody leaves.

A call is reserved by its signed voice webhook, which gets a one-use stream token; the media stream claims
the token; the session that runs then holds the place until its end. Reserved and live calls together never
exceed ``max_active``.

A call is over once: with its last stream, or, when the phone call outlives that, as soon as none will follow.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal

from gateway.bridge import events as on
from gateway.bridge.departures import Departed, Departures
from gateway.bridge.session import CallSession
from gateway.records import OUTLIVED, CallInfo, Ending

Refusal = Literal["draining", "busy", "ended"]
_REPEATED_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Reservation:
    """A place held for a call whose stream has yet to come.

    Attributes:
        token: what the stream has to show; 32 random bytes, URL-safe.
        expires_at: seconds, monotonic.
        before: what was said on a stream of the call that broke, once claimed; empty at the start of a call.
        streams: how many streams the call had before this one, once claimed.
        resumed_at: when the stream was promised in place of one that broke (seconds, monotonic); None for
            the first stream of a call.
    """

    call: CallInfo
    token: str
    expires_at: float
    before: str = ""
    streams: int = 0
    resumed_at: float | None = None


class Registry:
    """Lives as long as the process.

    Args:
        max_active: how many calls may be reserved or live at once.
        token_ttl_s: how long a stream token is good for.

    Attributes:
        departures: calls whose stream has left.
        draining: True once the process is to leave: it is no longer ready.
        closed: True once nobody new comes in (a while later, when balancers have noticed).
    """

    def __init__(self, *, max_active: int, token_ttl_s: float = 60.0) -> None:
        self._max_active = max_active
        self._token_ttl_s = token_ttl_s
        self._reserved: dict[str, Reservation] = {}  # by call SID
        self._by_token: dict[bytes, str] = {}  # digest of the token -> call SID
        self._live: dict[str, CallSession] = {}
        self._changed = asyncio.Event()
        self.departures = Departures()
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

    def reserve(self, call: CallInfo, now: float, *, resumes: bool = False) -> Reservation | Refusal:
        """Hold a place for a call and make its stream token.

        The same call asked for again (Twilio repeats a webhook) gets the same token while that is good; a
        call that is live or over gets no second one unless it resumes a stream that broke.
        """
        self._expire(now)
        if (known := self._reserved.get(call.call_sid)) is not None:
            return known
        departed = self.departures.find(call.call_sid)
        if call.call_sid in self._live or (departed is not None and (departed.over or not resumes)):
            return "ended"
        if self.closed:
            return "draining"
        if len(self._live) + len(self._reserved) >= self._max_active:
            return "busy"
        token = secrets.token_urlsafe(32)
        reservation = Reservation(call, token, now + self._token_ttl_s, resumed_at=now if resumes else None)
        self.departures.expect(call.call_sid, self._token_ttl_s)
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
        departed = self.departures.find(call_sid)
        if departed is None:
            return reservation
        if departed.over:
            return None
        # What the caller may dial stays as it was, whatever became of the agent meanwhile.
        call = replace(reservation.call, dtmf_rules=departed.call.dtmf_rules)
        return replace(reservation, call=call, before=departed.so_far, streams=departed.streams)

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
        self.departures.resumed(sid)
        ending: Ending | None = None
        try:
            ending = await session.run()
            return ending
        finally:
            del self._live[sid]
            scribe = session.scribe
            if ending is None:
                scribe.call_over()
            else:
                departed = Departed(session.call, ending, scribe.conversation.so_far(), streams + 1)
                self.departures.add(departed, scribe.call_over)
            session.gone.set()
            self._changed.set()

    def find(self, call_sid: str) -> CallSession | None:
        """Return the live call, if it is here."""
        return self._live.get(call_sid)

    def repeated(self, call_sid: str, now: float) -> Reservation | None:
        """Return what a call was promised a moment ago in place of a stream that broke.

        Who asks for it again so soon is Twilio repeating its webhook: the stream may still come.
        """
        self._expire(now)
        held = self._reserved.get(call_sid)
        if held is None or held.resumed_at is None or now - held.resumed_at >= _REPEATED_WITHIN_S:
            return None
        return held

    def release(self, call_sid: str, ending: Ending) -> None:
        """Give back the place of a call whose stream will not come; a stream that failed counts as one.

        Unless another stream may follow such an ending, a call whose stream broke is over as well.
        """
        if (held := self._reserved.get(call_sid)) is not None:
            self._forget(held)
            before = self.departures.find(call_sid) or Departed(held.call, ending, "", 0)
            self.departures.add(replace(before, ending=ending, streams=before.streams + 1))
        elif ending.reason not in OUTLIVED:
            self.departures.give_up(call_sid)

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
        if await self._all_left(limit_s, now):
            self.departures.settle()
        else:
            await self.cut(last_words_s, now)

    async def cut(self, last_words_s: float, now: Callable[[], float]) -> None:
        """End every call: with a goodbye if it can be said in time, else without."""
        self.draining = self.closed = True
        for _ in range(2):  # told a second time, a call stops saying goodbye
            for session in self._live.values():
                session.post(on.ShutdownDue())
            if await self._all_left(last_words_s, now):
                break
        self.departures.settle()

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
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()
            self._expire(now())
        return True


def _digest(token: str) -> bytes:
    """Tokens are looked up by digest, so that the time a look-up takes says nothing about a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
