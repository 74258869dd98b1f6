"""Placing a call: asking Twilio once, whatever comes of it.

Creating a call cannot be repeated safely. A call is asked for by whoever sets its ``asked_at`` first, and
never again; when the answer is lost the call is looked for (see :mod:`gateway.dialling.settling`).
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Literal

import structlog

from gateway.dialling.config import DialConfig
from gateway.dialling.outcomes import not_placed
from gateway.dialling.sids import CallSids
from gateway.errors import ConfigError, StorageError, TwilioApiError
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.queries import new_id
from gateway.storage.rows import Call, NewCall, Task
from gateway.twilio import calls as twilio
from gateway.twilio.rest import TwilioClient

log = structlog.get_logger()

UNCERTAIN = frozenset({"timeout", "unreachable", "server_error", "bad_answer"})
"""Reasons of a failed create after which the call may exist all the same."""

_DETECTION: dict[str, Literal["Enable", "DetectMessageEnd"]] = {
    "hang_up": "Enable",
    "leave_message": "DetectMessageEnd",
}


class Placer:
    """Lives as long as the process.

    Args:
        twilio: None without credentials: no call is placed.
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
        self._calls = Calls(database)
        self._twilio = twilio
        self._sids = sids
        self._config = config
        self._node = node
        self._now = now

    def new_call(self, task: Task) -> NewCall:
        """Make the call of a task."""
        return NewCall(
            id=new_id(),
            organization_id=task.organization_id,
            agent_id=task.agent_id,
            task_id=task.id,
            source="task",
            direction="outbound",
            from_number=self._config.from_number or "",
            to_number=task.to_number,
            node=self._node,
            created_at=self._now(),
        )

    async def place(self, call: Call, task: Task) -> None:
        """Ask Twilio for a call, unless it was asked before or somebody ended the call meanwhile.

        Raises:
            TwilioApiError: Twilio refused; the call's row has ended.
            ConfigError: this gateway places no calls; likewise.
            StorageError: the database is away, and Twilio was not asked.
        """
        if self._twilio is None or self._config.from_number is None:
            await self.give_up(call, "not_configured")
            raise ConfigError(
                "this gateway places no calls: set GATEWAY_OUTBOUND__FROM_NUMBER and Twilio's credentials",
                reason="not_configured",
            )
        if not await self._calls.note_step(call.id, "asked_at", self._now()):
            return
        try:
            created = await self._twilio.create_call(self._request(call, task))
        except TwilioApiError as error:
            log.warning("call_not_created", call_id=call.id, reason=error.reason, status=error.status)
            if error.reason in UNCERTAIN:
                return
            await self._refused(call, error)
            raise
        await self._created(call, created.sid)

    async def give_up(self, call: Call, detail: str) -> None:
        """End a call that will not be dialled."""
        await self._calls.end(call.id, not_placed(detail), self._now())

    async def _refused(self, call: Call, error: TwilioApiError) -> None:
        with suppress(StorageError):  # then the call is looked for, not found, and ended
            await self.give_up(call, f"twilio_{error.code or error.reason}")

    async def _created(self, call: Call, call_sid: str) -> None:
        try:
            await self._sids.note(call.id, call_sid)
        except StorageError as error:
            # Twilio's own requests name the call, so that its SID is learned from the next one.
            log.warning("call_sid_not_stored", call_id=call.id, reason=error.reason)

    def _request(self, call: Call, task: Task) -> twilio.NewCall:
        detection = _DETECTION.get(task.answering_machine)
        return twilio.NewCall(
            to=call.to_number,
            from_number=call.from_number,
            url=self._url("voice", call),
            status_callback=self._url("status", call),
            events=("initiated", "ringing", "answered", "completed"),
            ring_timeout_s=self._config.ring_timeout_s,
            machine_detection=detection,
            machine_detection_callback=None if detection is None else self._url("amd", call),
        )

    def _url(self, hook: str, call: Call) -> str:
        """Return where Twilio tells of a call, with its id: its SID may not be known here by then."""
        return f"{self._config.public_url}/twilio/{hook}?call={call.id}"
