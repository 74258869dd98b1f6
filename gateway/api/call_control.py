"""What can be done to calls: end, cancel, transfer, erase; and how many there may be."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from gateway.api.call_models import CallTold, Capacity, Signalled, Transfer
from gateway.api.calls import find_call
from gateway.api.envelope import not_found, wrong_state
from gateway.api.operations import Ask, expose
from gateway.records import Ending, Reason, Result
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.erasure import erase_call
from gateway.storage.rows import Call

CANCELED = Ending(Result.FAILED, Reason.OPERATOR_ENDED, "canceled")

Signal = Callable[[Call], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallControl:
    """What the rest of the gateway does for calls; each may raise a GatewayError, which is told as 503.

    Attributes:
        end: ends a call that is live, ringing or queued, on whichever node; returns when it was asked to.
        cancel: hangs up a call that is marked failed already.
        transfer: hands the caller of a live call to a number.
        erase_recording: deletes a call's audio wherever it lies.
        capacity: how many calls there are and may be, of this gateway as a whole.
    """

    end: Signal
    cancel: Signal
    transfer: Callable[[Call, str], Awaitable[None]]
    erase_recording: Signal
    capacity: Callable[[], Awaitable[Capacity]]


class CallControlApi:
    """Lives as long as the process.

    Args:
        control: the rest of the gateway.
    """

    def __init__(self, database: Database, control: CallControl) -> None:
        self._database = database
        self._calls = Calls(database)
        self._control = control

    @expose("POST", "/calls/{call_id}/end", Signalled, scope="calls")
    async def end_call(self, ask: Ask) -> Mapping[str, str]:
        """End a call that is live, ringing or queued."""
        call = await self._live(ask)
        await self._control.end(call)
        return await self._signalled(call, "Call ending")

    @expose("POST", "/calls/{call_id}/cancel", Signalled, scope="calls")
    async def cancel_call(self, ask: Ask) -> Mapping[str, str]:
        """Cancel a call; it is marked failed."""
        call = await self._live(ask)
        if await self._calls.end(call.id, CANCELED, ask.now) is None:
            raise wrong_state("The call is over.", "not_live")
        await self._control.cancel(call)
        return await self._signalled(call, "Call canceled")

    @expose("POST", "/calls/{call_id}/transfer", Signalled, body=Transfer, scope="calls")
    async def transfer_call(self, ask: Ask) -> Mapping[str, str]:
        """Hand the caller of a live call to a number."""
        call = await self._live(ask)
        if call.status != "in_progress":
            raise wrong_state("The call was not answered yet.", "not_answered")
        await self._control.transfer(call, ask.given(Transfer).to_number)
        return await self._signalled(call, "Call transferred")

    @expose("DELETE", "/calls/{call_id}", CallTold)
    async def erase_call(self, ask: Ask) -> Call:
        """Erase a finished call: audio and text, and who it was with; its id and times stay."""
        call = await find_call(self._calls, ask)
        must_be_over(call)
        await self._control.erase_recording(call)
        erased = await erase_call(self._database, call.organization_id, call.id, ask.now)
        if erased is None:
            raise not_found("call")
        return erased

    @expose("GET", "/capacity", Capacity)
    async def get_capacity(self, ask: Ask) -> Capacity:
        """Say how many calls there are, and may be."""
        return await self._control.capacity()

    async def _live(self, ask: Ask) -> Call:
        call = await find_call(self._calls, ask)
        if not call.live:
            raise wrong_state("The call is over.", "not_live")
        return call

    async def _signalled(self, call: Call, message: str) -> dict[str, str]:
        now = await self._calls.find(call.organization_id, call.id) or call
        return {"call_id": call.id, "status": now.status, "message": message}


def must_be_over(call: Call) -> None:
    """Refuse what can only be done to a call that is over.

    Raises:
        Refusal: 400.
    """
    if call.live:
        raise wrong_state("The call is still live.", "live")
