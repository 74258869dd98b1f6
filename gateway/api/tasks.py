"""Tasks: calls to be made; whether one may be, and making it."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

import structlog
from pydantic import Field

from gateway.api.agents import AgentTold
from gateway.api.envelope import forbidden, invalid, not_found, wrong_state
from gateway.api.fields import (
    Done,
    EventType,
    Given,
    Id,
    Listing,
    Moment,
    Name,
    PageQuery,
    PhoneNumber,
    Prose,
    TimeZone,
    Told,
    WebhookUrl,
    Whole,
    left_out,
    listing,
)
from gateway.api.operations import Ask, expose
from gateway.api.ratelimit import Limiter
from gateway.api.templates import missing_names
from gateway.storage.agents import Agents
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.dial_policy import Block, DialPolicy, Facts, blocks
from gateway.storage.queries import new_id
from gateway.storage.rows import Agent, Call, NewCall, Task
from gateway.storage.suppression import SuppressionList
from gateway.storage.tasks import Tasks

log = structlog.get_logger()

NewCallOf = Callable[[Task], NewCall]
"""Make the call of a task: its id, our number, this node."""
PlaceCall = Callable[[Call, Task, Agent], Awaitable[None]]
"""Ask Twilio for a call whose row has begun.

It ends the call's row itself when Twilio refuses, and raises a GatewayError then; a call of which Twilio's
answer was lost it leaves to be looked for.
"""

Status = Literal["pending", "in_progress", "completed", "failed"]
Machine = Literal["continue", "hang_up", "leave_message"]
Context = Annotated[dict[str, Any], Field(max_length=200)]
Events = Annotated[list[EventType], Field(max_length=3)]
Priority = Annotated[int, Field(ge=-1_000, le=1_000), Whole]
EVENTS: tuple[EventType, ...] = ("call_started", "call_completed", "call_failed")


class NewTask(Given):
    """A task to create."""

    agent_id: Id
    name: Name
    to_number: PhoneNumber
    description: Prose = ""
    starting_message: Prose | None = None
    context_data: Context = Field(default_factory=dict)
    priority: Priority = 0
    scheduled_at: Moment | None = None
    time_zone: TimeZone | None = None
    answering_machine: Machine = "continue"
    webhook_url: WebhookUrl | None = None
    webhook_events: Events = Field(default_factory=lambda: list(EVENTS))


class TaskChange(Given):
    """Fields of a pending task to change; those left out stay."""

    name: Name = left_out()
    to_number: PhoneNumber = left_out()
    description: Prose = left_out()
    starting_message: Prose | None = left_out()
    context_data: Context = left_out()
    priority: Priority = left_out()
    scheduled_at: Moment | None = left_out()
    time_zone: TimeZone | None = left_out()
    answering_machine: Machine = left_out()
    webhook_url: WebhookUrl | None = left_out()
    webhook_events: Events = left_out()


class TaskTold(Told):
    """A task; ``call_id`` is its latest call."""

    id: str
    agent_id: str
    name: str
    description: str
    to_number: str
    starting_message: str | None
    context_data: dict[str, Any]
    priority: int
    scheduled_at: Moment | None
    time_zone: str | None
    answering_machine: Machine
    webhook_url: str | None
    webhook_events: list[EventType]
    webhook_disabled: bool
    status: Status
    call_id: str | None
    attempts: int
    created_at: Moment
    updated_at: Moment


class TaskWithAgent(TaskTold):
    """A task with its agent; None when that is gone."""

    agent: AgentTold | None


class TaskQuery(PageQuery):
    """Which tasks to list."""

    agent_id: Id | None = None
    status: Status | None = None


class Check(Given):
    """A number that might be called."""

    to_number: PhoneNumber
    time_zone: TimeZone | None = None
    at: Moment | None = None


class BlockTold(Told):
    """A rule that forbids a call; ``until`` is when it no longer will, where that is known."""

    rule: Literal["destination_prefix", "suppression_list", "quiet_hours", "attempt_cap"]
    message: str
    until: Moment | None


class Verdict(Told):
    """Whether a number may be called, and every rule that says no."""

    allowed: bool
    blocks: list[BlockTold]


class Executed(Told):
    """The call that was placed."""

    call_id: str
    message: str


class TasksApi:
    """Lives as long as the process.

    Args:
        limiter: knows how many calls a key has placed.
        policy: what every call must keep to.
        new_call: makes the call of a task.
        place_call: asks Twilio for it.
        default_vatel_agent_id: who talks where an agent names no Vatel agent.
    """

    def __init__(
        self,
        database: Database,
        *,
        limiter: Limiter,
        policy: DialPolicy,
        new_call: NewCallOf,
        place_call: PlaceCall,
        default_vatel_agent_id: str | None = None,
    ) -> None:
        self._tasks = Tasks(database)
        self._agents = Agents(database)
        self._calls = Calls(database)
        self._suppressed = SuppressionList(database)
        self._limiter = limiter
        self._policy = policy
        self._new_call = new_call
        self._place_call = place_call
        self._default_vatel_agent_id = default_vatel_agent_id

    @expose("GET", "/tasks", Listing[TaskTold], query=TaskQuery)
    async def list_tasks(self, ask: Ask) -> Mapping[str, Any]:
        """List tasks."""
        query = ask.asked(TaskQuery)
        page = await self._tasks.list_page(
            ask.organization_id, query.limit, query.offset, agent_id=query.agent_id, status=query.status
        )
        return listing(page, query)

    @expose("POST", "/tasks", TaskTold, body=NewTask, status=201)
    async def create_task(self, ask: Ask) -> Task:
        """Create a task."""
        wanted = ask.given(NewTask)
        agent = await self._agents.find(ask.organization_id, wanted.agent_id)
        if agent is None:
            raise not_found("agent")
        _check_names(agent, wanted.starting_message, wanted.context_data)
        task = Task(
            id=new_id(),
            organization_id=ask.organization_id,
            webhook_disabled=False,
            status="pending",
            call_id=None,
            attempts=0,
            created_at=ask.now,
            updated_at=ask.now,
            **wanted.model_dump(),
        )
        if not await self._tasks.add(task):
            raise not_found("agent")
        return task

    @expose("GET", "/tasks/{task_id}", TaskWithAgent)
    async def get_task(self, ask: Ask) -> TaskWithAgent:
        """Get a task with its agent."""
        task = await self._task(ask)
        agent = await self._agents.find(ask.organization_id, task.agent_id)
        told = TaskTold.model_validate(task).__dict__
        return TaskWithAgent(**told, agent=None if agent is None else AgentTold.model_validate(agent))

    @expose("PATCH", "/tasks/{task_id}", TaskTold, body=TaskChange)
    async def change_task(self, ask: Ask) -> Task:
        """Change a pending task."""
        task = await self._task(ask)
        changes = ask.given(TaskChange).model_dump(exclude_unset=True)
        if "webhook_url" in changes:
            changes["webhook_disabled"] = False
        if changes.keys() & {"starting_message", "context_data"}:
            agent = await self._agents.find(ask.organization_id, task.agent_id)
            merged = {"starting_message": task.starting_message, "context_data": task.context_data} | changes
            if agent is not None:
                _check_names(agent, merged["starting_message"], merged["context_data"])
        changed = await self._tasks.update(ask.organization_id, task.id, updated_at=ask.now, **changes)
        if changed is None:
            raise wrong_state("Only a pending task can be changed.", "not_pending")
        return changed

    @expose("DELETE", "/tasks/{task_id}", Done)
    async def delete_task(self, ask: Ask) -> Mapping[str, str]:
        """Delete a pending or failed task."""
        task = await self._task(ask)
        if not await self._tasks.remove(ask.organization_id, task.id):
            raise wrong_state("Only a pending or failed task can be deleted.", "not_pending_or_failed")
        return {"message": "Task deleted"}

    @expose("POST", "/tasks/{task_id}/execute", Executed, scope="calls")
    async def execute_task(self, ask: Ask) -> Mapping[str, str]:
        """Place the call of a pending task now."""
        task = await self._task(ask)
        if task.status != "pending":
            raise wrong_state("Only a pending task can be executed.", "not_pending")
        agent = await self._agents.find(ask.organization_id, task.agent_id)
        if agent is None or not agent.enabled:
            raise wrong_state("The task's agent is disabled.", "agent_disabled")
        if (agent.vatel_agent_id or self._default_vatel_agent_id) is None:
            raise wrong_state("The agent has no vatel_agent_id, and there is no default.", "no_vatel_agent")
        found = await self._blocks(ask, task.to_number, task.time_zone)
        if found:
            told = [BlockTold.model_validate(block).model_dump(mode="json") for block in found]
            raise forbidden(f"The call is not allowed: {found[0].message}.", "blocked", blocks=told)
        await self._limiter.count_call(str(ask.who.key_id))
        call = await self._tasks.start(self._new_call(task))
        if call is None:
            raise wrong_state("The task was executed meanwhile.", "not_pending")
        await self._place_call(call, task, agent)
        return {"call_id": call.id, "message": "Call initiated"}

    @expose("POST", "/tasks/{task_id}/reset", TaskTold)
    async def reset_task(self, ask: Ask) -> Task:
        """Make a task pending again, so that it may be executed again."""
        task = await self._task(ask)
        reset = await self._tasks.reset(ask.organization_id, task.id, ask.now)
        if reset is None:
            raise wrong_state("The task is pending, or its call is live.", "pending_or_live")
        return reset

    @expose("POST", "/tasks:check", Verdict, body=Check, scope="read")
    async def check_number(self, ask: Ask) -> Mapping[str, Any]:
        """Say whether a number may be called, and which rules forbid it; nothing is dialled."""
        wanted = ask.given(Check)
        found = await self._blocks(ask, wanted.to_number, wanted.time_zone, wanted.at)
        return {"allowed": not found, "blocks": found}

    async def _task(self, ask: Ask) -> Task:
        task = await self._tasks.find(ask.organization_id, ask.id("task_id"))
        if task is None:
            raise not_found("task")
        return task

    async def _blocks(self, ask: Ask, number: str, zone: str | None, at: Any = None) -> list[Block]:
        now = at or ask.now
        since = now - timedelta(seconds=self._policy.attempt_window_s)
        owner = ask.organization_id
        facts = Facts(
            suppressed=await self._suppressed.find(owner, number) is not None,
            attempts=await self._calls.count_attempts(owner, number, since),
        )
        return blocks(number, now, facts, self._policy, zone)


def _check_names(agent: Agent, starting_message: str | None, context: Mapping[str, Any]) -> None:
    opening = agent.starting_message if starting_message is None else starting_message
    if missing := missing_names([agent.system_prompt, opening], context):
        raise invalid({"context_data": f"lacks what the agent's texts ask for: {', '.join(missing)[:200]}"})
