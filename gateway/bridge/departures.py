"""The calls whose stream has left: how they ended, and the end of those that may yet go on.

A media stream that breaks does not end its call: Twilio asks for another one. The end of such a call is held
back, with what a resumed call has to know, until another stream runs, or until none will.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.records import STREAM_BROKE, CallInfo, Ending

_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Departed:
    """A call whose stream was live here a while ago, or was awaited in vain.

    Attributes:
        so_far: what was said; empty once the call is over.
        streams: how many streams the call has had.
        over: True when no other stream may follow.
    """

    call: CallInfo
    ending: Ending
    so_far: str
    streams: int
    over: bool = False


@dataclass(frozen=True, slots=True)
class _Broken:
    """A call that waits for another stream; ``say_end`` says its end, should none come."""

    departed: Departed
    say_end: Callable[[], None] | None
    timer: asyncio.TimerHandle


class Departures:
    """Lives as long as the process.

    Args:
        patience_s: how long a call whose stream broke is waited for.
    """

    def __init__(self, patience_s: float = 30.0) -> None:
        self._patience_s = patience_s
        self._broken: dict[str, _Broken] = {}  # by call SID; each for a bounded time
        self._over: dict[str, Departed] = {}  # a bounded number, the oldest first
        self._settled = False

    def find(self, call_sid: str) -> Departed | None:
        """Return how a call's last stream ended, if that is still known."""
        broken = self._broken.get(call_sid)
        return self._over.get(call_sid) if broken is None else broken.departed

    def add(self, departed: Departed, say_end: Callable[[], None] | None = None) -> None:
        """Remember a call whose stream has left; unless the stream broke, the call is over.

        Args:
            departed: the call.
            say_end: says the end of the call; None when this stream never ran: then what an earlier one gave
                still holds.
        """
        call_sid = departed.call.call_sid
        earlier = self._taken(call_sid)
        if say_end is None and earlier is not None:
            say_end = earlier.say_end
        if departed.ending.reason in STREAM_BROKE and not self._settled:
            self._wait(departed, say_end, self._patience_s)
        else:
            self._close(departed, say_end)

    def expect(self, call_sid: str, within_s: float) -> None:
        """Wait so long for a stream that was promised to a call whose stream broke, if it is one."""
        if (broken := self._taken(call_sid)) is not None:
            self._wait(broken.departed, broken.say_end, within_s)

    def resumed(self, call_sid: str) -> None:
        """Forget a call that goes on: its end is its new stream's."""
        self._taken(call_sid)

    def give_up(self, call_sid: str) -> None:
        """End a call that waits for another stream, if it does: none will come."""
        if (broken := self._taken(call_sid)) is not None:
            self._close(broken.departed, broken.say_end)

    def settle(self) -> None:
        """End every call that waits for another stream, and from now on each that breaks, at once."""
        self._settled = True
        for call_sid in list(self._broken):
            self.give_up(call_sid)

    def _wait(self, departed: Departed, say_end: Callable[[], None] | None, wait_s: float) -> None:
        call_sid = departed.call.call_sid
        timer = asyncio.get_running_loop().call_later(wait_s, self.give_up, call_sid)
        self._broken[call_sid] = _Broken(departed, say_end, timer)

    def _taken(self, call_sid: str) -> _Broken | None:
        broken = self._broken.pop(call_sid, None)
        if broken is not None:
            broken.timer.cancel()
        return broken

    def _close(self, departed: Departed, say_end: Callable[[], None] | None) -> None:
        self._over[departed.call.call_sid] = replace(departed, so_far="", over=True)
        while len(self._over) > _KEPT:
            del self._over[next(iter(self._over))]
        if say_end is not None:
            say_end()
