"""Which agent answers a call: by its task, by the number dialled, by default; and the row it has by then."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

import structlog

from gateway.dialling.config import DialConfig
from gateway.dialling.opening import call_info, vatel_agent_id
from gateway.dialling.outcomes import not_placed
from gateway.dialling.sids import CallSids
from gateway.records import CallInfo, Ending, Reason, Result
from gateway.storage.agents import Agents, Numbers
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from gateway.storage.queries import new_id
from gateway.storage.rows import Agent, Call, NewCall
from gateway.storage.tasks import Tasks

log = structlog.get_logger()


class OpensCalls(Protocol):
    """What has a call's row before Twilio is answered: the ledger."""

    async def open(self, call: NewCall) -> Call:
        """Return the row of a new call, or the one there is of the same SID."""


class Switchboard:
    """Lives as long as the process.

    Args:
        ledger: opens the row of a call that rings here.
        sids: learns by which SID Twilio knows a call that we placed.
        node: this process's name.
        now: the wall clock.
    """

    def __init__(
        self,
        database: Database,
        ledger: OpensCalls,
        sids: CallSids,
        config: DialConfig,
        *,
        node: str,
        now: Callable[[], datetime],
    ) -> None:
        self._numbers = Numbers(database)
        self._agents = Agents(database)
        self._organizations = Organizations(database)
        self._tasks = Tasks(database)
        self._calls = Calls(database)
        self._ledger = ledger
        self._sids = sids
        self._config = config
        self._node = node
        self._now = now

    async def answer(self, form: Mapping[str, str], call_id: str | None = None) -> CallInfo | None:
        """Return the call of a signed webhook, its row in the database; None when it is not taken.

        A call that has a row keeps it, whichever node is asked.

        Args:
            call_id: of a call that we placed, from the URL that it was placed with.

        Raises:
            StorageError: the database is away.
        """
        sid = form["CallSid"]
        if call_id is not None:
            call = await self._placed(call_id, form)
        else:
            call = await self._calls.find_by_sid(sid) or await self._rings(form)
        stopped = call is not None and call.status == "initiated" and call.stop_asked_at is not None
        if call is None or not call.live or stopped:
            return None
        return await self._info(call, form["AccountSid"])

    async def turn_away(self, call: CallInfo, why: str) -> None:
        """End the row of a call that there is no room for.

        Raises:
            StorageError: the database is away; Twilio will be asked about the call later.
        """
        inbound = call.direction == "inbound"
        ending = Ending(Result.FAILED, Reason.NOT_ANSWERED, why) if inbound else not_placed(why)
        await self._calls.end(call.call_id, ending, self._now())

    async def _placed(self, call_id: str, form: Mapping[str, str]) -> Call | None:
        """Return a call that we placed; that it asks what to do is the news that it was answered."""
        call = await self._sids.learn(call_id, form["CallSid"])
        if call is None:
            return None
        told = await self._calls.note_phone_status(form["CallSid"], form.get("CallStatus", ""), self._now())
        return told or call

    async def _rings(self, form: Mapping[str, str]) -> Call | None:
        """Have a row for a call that is new here; None when no agent answers the number."""
        routed = await self._route(form.get("To", ""))
        if routed is None:
            log.warning("call_without_agent", call_sid=form["CallSid"])
            return None
        organization_id, agent = routed
        new = NewCall(
            id=new_id(),
            organization_id=organization_id,
            agent_id=None if agent is None else agent.id,
            source="inbound",
            direction="inbound",
            from_number=form.get("From", ""),
            to_number=form.get("To", ""),
            call_sid=form["CallSid"],
            account_sid=form["AccountSid"],
            node=self._node,
            created_at=self._now(),
        )
        return await self._ledger.open(new)

    async def _route(self, dialled: str) -> tuple[str, Agent | None] | None:
        """Return whose call it is, and the agent that answers; no agent means the settings' own.

        A number that belongs to somebody never leads to anybody else, not even while its agent is disabled.
        """
        agent = await self._numbers.route(dialled)
        if agent is not None:
            able = vatel_agent_id(agent, self._config) is not None
            return (agent.organization_id, agent) if able else None
        if await self._numbers.find(dialled) is not None:
            return None
        organizations = await self._organizations.list_all()
        if not organizations:
            return None
        first = organizations[0]
        if first.default_agent_id is not None:
            agent = await self._agents.find(first.id, first.default_agent_id)
        if agent is not None and not agent.enabled:
            agent = None
        return None if vatel_agent_id(agent, self._config) is None else (first.id, agent)

    async def _info(self, call: Call, account_sid: str) -> CallInfo | None:
        owner = call.organization_id
        agent = None if call.agent_id is None else await self._agents.find(owner, call.agent_id)
        task = None if call.task_id is None else await self._tasks.find(owner, call.task_id)
        return call_info(call, account_sid, agent, task, self._config)
