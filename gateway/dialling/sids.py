"""By which SID Twilio knows a call that we placed: whichever request tells it first."""

import structlog

from gateway.errors import StorageError, TwilioApiError
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import Call
from gateway.twilio.rest import TwilioClient

log = structlog.get_logger()


class CallSids:
    """Lives as long as the process.

    Args:
        twilio: None without credentials.
    """

    def __init__(self, database: Database, twilio: TwilioClient | None) -> None:
        self._calls = Calls(database)
        self._twilio = twilio

    async def learn(self, call_id: str, call_sid: str) -> Call | None:
        """Remember a SID and return the call as it is now; hang up on one that is to be no more.

        Somebody may have ended the call while Twilio was being asked for it, before it had a SID to name.

        Returns:
            None when there is no such placed call, or it is another SID's.

        Raises:
            StorageError: the database is away.
        """
        known = await self._calls.find_by_id(call_id)
        if known is None or known.direction != "outbound":
            return None
        if known.call_sid is not None:
            return known if known.call_sid == call_sid else None
        return await self.note(call_id, call_sid)

    async def note(self, call_id: str, call_sid: str) -> Call | None:
        """Remember the SID of a call that we placed and that has none yet, likewise.

        Raises:
            StorageError: the database is away.
        """
        if not await self._note(call_id, call_sid):
            return None
        call = await self._calls.find_by_id(call_id)
        if call is not None and (call.stop_asked_at is not None or not call.live):
            await self.hang_up(call_sid)
        return call

    async def hang_up(self, call_sid: str) -> bool:
        """End a call at Twilio; False when it could not be told, or there is nobody to tell."""
        if self._twilio is None:
            return False
        try:
            await self._twilio.hang_up(call_sid)
        except TwilioApiError as error:
            log.warning("hang_up_failed", call_sid=call_sid, reason=error.reason, status=error.status)
            return False
        return True

    async def _note(self, call_id: str, call_sid: str) -> bool:
        """Remember; False when the SID is another call's. That it was remembered meanwhile is as good."""
        try:
            await self._calls.note_sid(call_id, call_sid)
        except StorageError as error:
            if error.reason != "conflict":
                raise
            log.warning("call_sid_is_taken", call_id=call_id, call_sid=call_sid)
            return False
        return True
