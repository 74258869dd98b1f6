"""What Twilio tells of a call while it goes on: status callbacks in any order, and who picked up."""

from collections.abc import Callable, Mapping
from datetime import datetime

import structlog

from gateway.dialling.config import DialConfig
from gateway.dialling.opening import first_message
from gateway.dialling.outcomes import LEFT_MESSAGE, met_machine, over, unanswered
from gateway.dialling.sids import CallSids
from gateway.errors import TwilioApiError
from gateway.storage.agents import Agents
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import Call, Task
from gateway.storage.tasks import Tasks
from gateway.twilio import twiml
from gateway.twilio.rest import TwilioClient

log = structlog.get_logger()

_MESSAGE_OVER = ("machine_end_beep", "machine_end_silence", "machine_end_other")
_MACHINES = frozenset({"machine_start", "fax", *_MESSAGE_OVER})


class Callbacks:
    """Lives as long as the process.

    Args:
        twilio: None without credentials.
        node: this process's name.
        now: the wall clock.
    """

    def __init__(
        self,
        database: Database,
        twilio: TwilioClient | None,
        sids: CallSids,
        config: DialConfig,
        *,
        node: str,
        now: Callable[[], datetime],
    ) -> None:
        self._node = node
        self._calls = Calls(database)
        self._tasks = Tasks(database)
        self._agents = Agents(database)
        self._twilio = twilio
        self._sids = sids
        self._config = config
        self._now = now

    async def status(
        self, form: Mapping[str, str], call_id: str | None = None, *, streamless: bool = False
    ) -> None:
        """Take a status callback; what tells less than was told before changes nothing.

        A call that was not answered ends here. The end of one that was is its node's to say, or, when
        it has none, is settled a moment later.

        Args:
            call_id: from the callback's URL, for a call that we placed.
            streamless: whether this process knows of no media stream that the call has or had.

        Raises:
            StorageError: the database is away; Twilio will be asked about the call later.
        """
        sid, status = form["CallSid"], form.get("CallStatus", "")
        call = await self._calls.note_phone_status(sid, status, self._now())
        if call is None and call_id is not None:
            # No news, or the first that is heard of the call's SID.
            if await self._sids.learn(call_id, sid) is None:
                log.warning("status_of_unknown_call", call_sid=sid)
                return
            call = await self._calls.note_phone_status(sid, status, self._now())
        if call is None:
            return
        streamless = call.status == "initiated" and self._has_no_stream(call, streamless)
        ending = over(call, status) if streamless else unanswered(call, status)
        if ending is not None:
            await self._calls.end(call.id, ending, self._now())

    def _has_no_stream(self, call: Call, streamless: bool) -> bool:
        """Tell whether a call that did not begin never will, for all that any node knows."""
        if call.direction == "inbound":
            # Only the node that answered a ringing call can have its stream.
            return streamless and call.node == self._node
        return call.stop_asked_at is not None and call.lease_until is None

    async def machine(self, form: Mapping[str, str], call_id: str) -> None:
        """Take the result of answering machine detection, and do what the call's task wants then.

        Raises:
            StorageError: the database is away.
        """
        call = await self._sids.learn(call_id, form["CallSid"])
        answered_by = form.get("AnsweredBy", "")
        if call is None or not answered_by:
            return
        await self._calls.note_answered_by(call.id, answered_by)
        if answered_by not in _MACHINES or call.task_id is None or not call.live:
            return
        task = await self._tasks.find(call.organization_id, call.task_id)
        if task is None or task.answering_machine == "continue":
            return
        if task.answering_machine == "leave_message" and answered_by in _MESSAGE_OVER:
            await self._leave_message(call, task, answered_by)
        else:
            await self._hang_up(call, answered_by)

    async def _hang_up(self, call: Call, answered_by: str) -> None:
        if call.call_sid is not None:
            await self._calls.end(call.id, met_machine(answered_by), self._now())
            await self._sids.hang_up(call.call_sid)

    async def _leave_message(self, call: Call, task: Task, answered_by: str) -> None:
        """Let Twilio say the task's first words after the beep; with none to say, hang up."""
        agent = await self._agents.find(call.organization_id, task.agent_id)
        words = "" if agent is None else first_message(agent, task, self._config)
        if not words or self._twilio is None or call.call_sid is None:
            await self._hang_up(call, answered_by)
            return
        try:
            await self._twilio.update_call(call.call_sid, twiml=twiml.say_and_hangup(words))
        except TwilioApiError as error:
            log.warning("message_not_left", call_id=call.id, reason=error.reason, status=error.status)
        else:
            # Nothing else will tell of it: the stream is gone, or, as the machine was quick, never came.
            await self._calls.end(call.id, LEFT_MESSAGE, self._now())
