"""Calls that nobody holds and that nobody tells of: ended when Twilio says that they are over.

A status callback may be lost, and so may Twilio's answer to a create. Every node looks at the calls without
a lease; ending one is done once, by whoever is first.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from gateway.dialling.outcomes import FINAL_RANK, not_placed, over, unanswered
from gateway.dialling.sids import CallSids
from gateway.errors import StorageError, TwilioApiError
from gateway.records import Ending, Reason, Result
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import Call
from gateway.twilio.calls import CallResource
from gateway.twilio.rest import TwilioClient

log = structlog.get_logger()

_MOST = 500
_SIDE_BY_SIDE = 8
_NOT_FOUND = 20404
_CREATED_WITHIN_S = 30.0
_GONE = Ending(Result.FAILED, Reason.CALLER_LOST, "unknown_to_twilio")
_NEVER_HEARD_OF = Ending(Result.FAILED, Reason.CALLER_LOST, "never_came")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each thing is waited for.

    Attributes:
        every_s: between two looks at the calls.
        over_s: from Twilio's word that an answered call is over until its row is ended from here: its node
            knows more of it, and may just be about to say so.
        silent_s: from the last news of a call until Twilio is asked about it; and between two questions.
        answer_s: from a create whose answer is lost until the call is looked for.
        lost_s: from such a create, or from a row that was never asked for, until there is no such call.
        unasked_s: how long a call may be silent where there are no credentials to ask with.
    """

    every_s: float = 2.0
    over_s: float = 2.0
    silent_s: float = 60.0
    answer_s: float = 10.0
    lost_s: float = 90.0
    unasked_s: float = 600.0


class Settler:
    """Lives as long as the process.

    Args:
        twilio: None without credentials.
        now: the wall clock.
        clock: the monotonic one.
    """

    def __init__(
        self,
        database: Database,
        twilio: TwilioClient | None,
        sids: CallSids,
        *,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        patience: Patience | None = None,
    ) -> None:
        self._calls = Calls(database)
        self._twilio = twilio
        self._sids = sids
        self._now = now
        self._clock = clock
        self._patience = patience or Patience()
        # By call, and whether Twilio says that it is over; monotonic; only calls of the last look.
        self._places = asyncio.Semaphore(_SIDE_BY_SIDE)
        self._due_at: dict[tuple[str, bool], float] = {}

    async def run(self) -> None:
        """Look again and again; ends by being cancelled."""
        while True:
            try:
                await self.settle()
            except StorageError as error:
                log.warning("calls_not_settled", reason=error.reason)
            await asyncio.sleep(self._patience.every_s)

    async def settle(self) -> None:
        """Look once at every call that nobody holds.

        Raises:
            StorageError: the database is away.
        """
        young = self._now() - timedelta(seconds=self._patience.over_s)
        calls = await self._calls.list_unsettled(young, _MOST)
        known = {call.id for call in calls}
        self._due_at = {key: due for key, due in self._due_at.items() if key[0] in known}
        async with asyncio.TaskGroup() as group:
            for call in calls:
                group.create_task(self._consider(call))

    async def _consider(self, call: Call) -> None:
        """Look at a call; Twilio or the database being slow about one does not hold up all others."""
        async with self._places:
            try:
                await self._look_at(call)
            except StorageError as error:
                log.warning("call_not_settled", call_id=call.id, reason=error.reason)

    async def _look_at(self, call: Call) -> None:
        patience, age_s = self._patience, self._age_s(call.created_at)
        if call.phone_rank >= FINAL_RANK:
            if self._due(call, patience.over_s, patience.over_s):
                await self._end(call, over(call, call.phone_status))
        elif call.asked_at is None and call.direction == "outbound":
            if age_s >= patience.lost_s:
                await self._end(call, not_placed("never_asked"))
        elif call.call_sid is None:
            if self._due(call, patience.answer_s - age_s, patience.answer_s):
                await self._look_for(call)
        elif self._due(call, patience.silent_s - age_s, patience.silent_s):
            await self._ask_about(call, call.call_sid)

    def _due(self, call: Call, first_s: float, again_s: float) -> bool:
        """Tell whether a call's turn has come: ``first_s`` after it was seen, then every ``again_s``."""
        now, key = self._clock(), (call.id, call.phone_rank >= FINAL_RANK)
        if now < self._due_at.setdefault(key, now + first_s):
            return False
        self._due_at[key] = now + again_s
        return True

    async def _ask_about(self, call: Call, call_sid: str) -> None:
        if self._twilio is None:
            if self._age_s(call.created_at) >= self._patience.unasked_s:
                await self._end(call, _NEVER_HEARD_OF)
            return
        try:
            told = await self._twilio.fetch_call(call_sid)
        except TwilioApiError as error:
            log.warning("call_not_fetched", call_id=call.id, reason=error.reason, status=error.status)
            if error.code == _NOT_FOUND:
                await self._end(call, _GONE)
            return
        await self._take(call, told)

    async def _look_for(self, call: Call) -> None:
        """Look for a call whose create was not answered; after a while there is none."""
        if self._twilio is None:
            return
        try:
            listed = await self._twilio.find_calls(call.to_number, call.from_number)
        except TwilioApiError as error:
            log.warning("calls_not_listed", call_id=call.id, reason=error.reason, status=error.status)
            return
        for one in listed:
            if self._may_be(call, one) and await self._calls.find_by_sid(one.sid) is None:
                if await self._sids.learn(call.id, one.sid) is None:
                    continue  # another lost call to the same number was quicker
                log.info("call_found", call_id=call.id, call_sid=one.sid)
                await self._take(call, one)
                return
        if call.asked_at is not None and self._age_s(call.asked_at) >= self._patience.lost_s:
            await self._end(call, not_placed("lost"))

    def _may_be(self, call: Call, one: CallResource) -> bool:
        """Tell whether Twilio made a call while we waited for its answer."""
        created_at = one.created_at
        if call.asked_at is None or created_at is None or one.direction != "outbound-api":
            return False
        # Twilio's dates are in whole seconds, by its own clock.
        return abs((created_at - call.asked_at).total_seconds()) <= _CREATED_WITHIN_S

    async def _take(self, call: Call, told: CallResource) -> None:
        """Treat what Twilio answered like a status callback."""
        now = self._now()
        if told.answered_by:
            await self._calls.note_answered_by(call.id, told.answered_by)
        changed = await self._calls.note_phone_status(told.sid, told.status, now)
        if changed is not None:
            await self._end(changed, unanswered(changed, told.status))

    async def _end(self, call: Call, ending: Ending | None) -> None:
        if ending is not None and await self._calls.end(call.id, ending, self._now()) is not None:
            log.info("call_settled", call_id=call.id, ending=str(ending))

    def _age_s(self, moment: datetime) -> float:
        return (self._now() - moment).total_seconds()
