"""The calls whose stream has left: how they ended, and the end of those that may yet go on.

A media stream that breaks does not end its call: Twilio asks for another one. Nor does a caller who was put
through to somebody else: if nobody takes the call, or the line is busy, Twilio asks for one as well. The end
of such a call is held back, with what a resumed call has to know, until another stream runs, or none will.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.records import OUTLIVED, CallInfo, Ending, Reason

_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Departed:
    """A call whose stream was live here a while ago, or was awaited in vain.

    Attributes:
        so_far: what was said, and how a transfer failed; empty once the call is over.
        streams: how many streams the call has had.
        over: True when no other stream may follow.
    """

    call: CallInfo
    ending: Ending
    so_far: str
    streams: int
    over: bool = False


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A call that may yet get another stream; ``say_end`` says its end, should none come."""

    departed: Departed
    say_end: Callable[[], None] | None
    timer: asyncio.TimerHandle


class Departures:
    """Lives as long as the process.

    Args:
        patience_s: how long a call whose stream broke is waited for.
        transfer_s: how long it may take to hear what became of a caller who was put through: as long as
            they talk to somebody else, and no longer than any call lasts.
    """

    def __init__(self, patience_s: float = 30.0, transfer_s: float = 14_400.0) -> None:
        self._patience_s = patience_s
        self._transfer_s = transfer_s
        self._waiting: dict[str, _Waiting] = {}  # by call SID; each for a bounded time
        self._over: dict[str, Departed] = {}  # a bounded number, the oldest first
        self._settled = False

    def find(self, call_sid: str) -> Departed | None:
        """Return how a call's last stream ended, if that is still known."""
        waiting = self._waiting.get(call_sid)
        return self._over.get(call_sid) if waiting is None else waiting.departed

    def add(self, departed: Departed, say_end: Callable[[], None] | None = None) -> None:
        """Remember a call whose stream has left; unless the phone call may outlive it, it is over.

        Args:
            departed: the call.
            say_end: says the end of the call; None when this stream never ran: then what an earlier one gave
                still holds.
        """
        call_sid = departed.call.call_sid
        earlier = self._taken(call_sid)
        if say_end is None and earlier is not None:
            say_end = earlier.say_end
        if departed.ending.reason in OUTLIVED and not self._settled:
            transferred = departed.ending.reason is Reason.TRANSFERRED
            self._wait(departed, say_end, self._transfer_s if transferred else self._patience_s)
        else:
            self._close(departed, say_end)

    def expect(self, call_sid: str, within_s: float) -> None:
        """Wait so long for a stream that was promised to a call that waits for one, if it is one."""
        if (waiting := self._taken(call_sid)) is not None:
            self._wait(waiting.departed, waiting.say_end, within_s)

    def resumed(self, call_sid: str) -> None:
        """Forget a call that goes on: its end is its new stream's."""
        self._taken(call_sid)

    def give_up(self, call_sid: str) -> None:
        """End a call that waits for another stream, if it does: none will come."""
        if (waiting := self._taken(call_sid)) is not None:
            self._close(waiting.departed, waiting.say_end)

    def settle(self) -> None:
        """End every call that waits for another stream, and from now on each that breaks, at once."""
        self._settled = True
        for call_sid in list(self._waiting):
            self.give_up(call_sid)

    def _wait(self, departed: Departed, say_end: Callable[[], None] | None, wait_s: float) -> None:
        call_sid = departed.call.call_sid
        timer = asyncio.get_running_loop().call_later(wait_s, self.give_up, call_sid)
        self._waiting[call_sid] = _Waiting(departed, say_end, timer)
        if len(self._waiting) > _KEPT:
            self.give_up(next(iter(self._waiting)))

    def _taken(self, call_sid: str) -> _Waiting | None:
        waiting = self._waiting.pop(call_sid, None)
        if waiting is not None:
            waiting.timer.cancel()
        return waiting

    def _close(self, departed: Departed, say_end: Callable[[], None] | None) -> None:
        self._over[departed.call.call_sid] = replace(departed, so_far="", over=True)
        while len(self._over) > _KEPT:
            del self._over[next(iter(self._over))]
        if say_end is not None:
            say_end()
