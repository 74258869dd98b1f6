"""Rows for tests: a tenant with all it can own, made through the real repositories."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from gateway.records import Ending, Reason, Result
from gateway.storage.agents import Agents
from gateway.storage.call_events import CallEvents
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from gateway.storage.rows import Agent, Call, CallEvent, NewCall, Organization, Task
from gateway.storage.tasks import Tasks

NOW = datetime(2026, 11, 26, 12, 0, 0, 123_456, tzinfo=UTC)
HUNG_UP = Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)
LOST = Ending(Result.FAILED, Reason.AGENT_LOST, "close_1011")
CALLEE = "+4930123456"
OURS = "+4930654321"


def after(seconds: float) -> datetime:
    """Return a moment so many seconds after NOW."""
    return NOW + timedelta(seconds=seconds)


def an_id() -> str:
    """Return a fresh id."""
    return str(uuid4())


def organization(name: str = "Acme") -> Organization:
    """Return an organization."""
    return Organization(
        id=an_id(),
        name=name,
        default_agent_id=None,
        webhook_secret="whsec_" + "A" * 32,
        previous_webhook_secret=None,
        webhook_secret_changed_at=None,
        created_at=NOW,
    )


def agent(organization_id: str, **changes: Any) -> Agent:
    """Return an agent."""
    plain = Agent(
        id=an_id(),
        organization_id=organization_id,
        name="Desk",
        description="",
        system_prompt="Be kind.",
        starting_message=None,
        enabled=True,
        voice_settings={"id": "anna", "speed": 1.5},
        dtmf_rules={"0": {"action": "hangup"}},
        vatel_agent_id=None,
        vatel_version_id=None,
        record=False,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(plain, **changes)


def task(organization_id: str, agent_id: str, **changes: Any) -> Task:
    """Return a pending task."""
    plain = Task(
        id=an_id(),
        organization_id=organization_id,
        agent_id=agent_id,
        name="Remind",
        description="",
        to_number=CALLEE,
        starting_message=None,
        context_data={"customer_name": "Ada"},
        priority=0,
        scheduled_at=None,
        time_zone=None,
        answering_machine="continue",
        webhook_url=None,
        webhook_events=["call_started", "call_completed", "call_failed"],
        webhook_disabled=False,
        status="pending",
        call_id=None,
        attempts=0,
        created_at=NOW,
        updated_at=NOW,
    )
    return replace(plain, **changes)


def new_call(organization_id: str, agent_id: str | None = None, **changes: Any) -> NewCall:
    """Return a call that rings here."""
    plain = NewCall(
        id=an_id(),
        organization_id=organization_id,
        agent_id=agent_id,
        source="inbound",
        direction="inbound",
        from_number=CALLEE,
        to_number=OURS,
        created_at=NOW,
    )
    return replace(plain, **changes)


def call_of(task: Task, **changes: Any) -> NewCall:
    """Return the call that a task makes."""
    outbound = {"source": "task", "direction": "outbound", "from_number": OURS, "to_number": task.to_number}
    return new_call(task.organization_id, task.agent_id, task_id=task.id, **(outbound | changes))


def event(call_id: str, seq: int, kind: str = "state", **data: Any) -> CallEvent:
    """Return an event of a call."""
    return CallEvent(call_id=call_id, seq=seq, at=after(seq), kind=kind, data=data)


def said(call_id: str, seq: int, index: int, role: str, text: str, **more: Any) -> CallEvent:
    """Return a transcript entry as it is stored."""
    entry = {"index": index, "role": role, "text": text, "final": True, "at_s": float(seq), "cut": False}
    return event(call_id, seq, "transcript", **(entry | more))


@dataclass(frozen=True)
class Tenant:
    """An organization with an agent, on a database."""

    database: Database
    organization: Organization
    agent: Agent

    @property
    def id(self) -> str:
        """The organization's id."""
        return self.organization.id

    async def add_task(self, **changes: Any) -> Task:
        """Add a task."""
        added = task(self.id, self.agent.id, **changes)
        assert await Tasks(self.database).add(added)
        return added

    async def ring(self, **changes: Any) -> Call:
        """Let a call ring."""
        return await Calls(self.database).begin(new_call(self.id, self.agent.id, **changes))

    async def talk(self, **changes: Any) -> Call:
        """Let a call ring and begin to talk."""
        call = await Calls(self.database).start((await self.ring(**changes)).id, NOW)
        assert call is not None
        return call

    async def finished(self, ending: Ending = HUNG_UP, **changes: Any) -> Call:
        """Let a call be held, with two things said, and end after a minute."""
        call = await self.talk(**changes)
        events = [said(call.id, 1, 0, "caller", "hello"), said(call.id, 2, 1, "agent", "hi there")]
        await CallEvents(self.database).append(events)
        ended = await Calls(self.database).end(call.id, ending, after(60))
        assert ended is not None
        return ended

    async def executed(self, ending: Ending | None = None, **changes: Any) -> tuple[Task, Call]:
        """Start a new task; end its call where an ending is given."""
        added = await self.add_task(**changes)
        call = await Tasks(self.database).start(call_of(added))
        assert call is not None
        if ending is not None:
            ended = await Calls(self.database).end(call.id, ending, after(60))
            assert ended is not None
            call = ended
        return added, call


async def tenant(database: Database, name: str = "Acme") -> Tenant:
    """Add an organization with one agent."""
    owner = organization(name)
    await Organizations(database).add(owner)
    desk = agent(owner.id)
    await Agents(database).add(desk)
    return Tenant(database, owner, desk)


@pytest.fixture
async def acme(database: Database) -> Tenant:
    """An organization with an agent, once on each engine."""
    return await tenant(database)


@pytest.fixture
async def rival(database: Database) -> Tenant:
    """Another one, that must never get at the first one's."""
    return await tenant(database, "Rival")
