"""Agents, and the dialled numbers that they answer."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from gateway.api.envelope import Refusal, not_found, wrong_state
from gateway.api.fields import (
    Done,
    Flag,
    Given,
    Id,
    Line,
    Listing,
    Moment,
    Name,
    PageQuery,
    PhoneNumber,
    Prompt,
    Prose,
    Told,
    WebhookUrl,
    Whole,
    left_out,
    listing,
)
from gateway.api.operations import Ask, expose
from gateway.errors import StorageError
from gateway.records import INTER_DIGIT_TIMEOUT_MS
from gateway.storage.agents import Agents, Numbers
from gateway.storage.database import Database
from gateway.storage.queries import new_id
from gateway.storage.rows import Agent, Number

Dialled = Annotated[str, StringConstraints(pattern=r"^[0-9*#]{1,8}$")]
GapMs = Annotated[int, Field(ge=200, le=10_000), Whole]


class HangUpRule(Given):
    """End the call, with a goodbye."""

    action: Literal["hangup"]
    inter_digit_timeout_ms: GapMs = INTER_DIGIT_TIMEOUT_MS


class IgnoreRule(Given):
    """Swallow the digits: nobody is told of them."""

    action: Literal["ignore"]
    inter_digit_timeout_ms: GapMs = INTER_DIGIT_TIMEOUT_MS


class TransferRule(Given):
    """Hand the caller to a number; when that fails the call goes on."""

    action: Literal["transfer"]
    number: PhoneNumber
    inter_digit_timeout_ms: GapMs = INTER_DIGIT_TIMEOUT_MS


class WebhookRule(Given):
    """Tell the digits to a webhook, and to nobody else: the event ``dtmf_received``."""

    action: Literal["webhook"]
    url: WebhookUrl
    inter_digit_timeout_ms: GapMs = INTER_DIGIT_TIMEOUT_MS


DtmfRule = Annotated[HangUpRule | IgnoreRule | TransferRule | WebhookRule, Field(discriminator="action")]
DtmfRules = Annotated[
    dict[Dialled, DtmfRule], Field(max_length=50, json_schema_extra={"additionalProperties": False})
]
VoiceSettings = Annotated[dict[str, Any], Field(max_length=50)]


class NewAgent(Given):
    """An agent to create."""

    name: Name
    system_prompt: Prompt
    description: Prose = ""
    starting_message: Prose | None = None
    enabled: bool = True
    voice_settings: VoiceSettings = Field(default_factory=dict)
    dtmf_rules: DtmfRules = Field(default_factory=dict)
    vatel_agent_id: Id | None = None
    vatel_version_id: Line | None = None
    record: bool = False


class AgentChange(Given):
    """Fields of an agent to change; those left out stay."""

    name: Name = left_out()
    system_prompt: Prompt = left_out()
    description: Prose = left_out()
    starting_message: Prose | None = left_out()
    enabled: bool = left_out()
    voice_settings: VoiceSettings = left_out()
    dtmf_rules: DtmfRules = left_out()
    vatel_agent_id: Id | None = left_out()
    vatel_version_id: Line | None = left_out()
    record: bool = left_out()


class AgentTold(Told):
    """An agent."""

    id: str
    name: str
    description: str
    system_prompt: str
    starting_message: str | None
    enabled: bool
    voice_settings: dict[str, Any]
    dtmf_rules: dict[str, Any]
    vatel_agent_id: str | None
    vatel_version_id: str | None
    record: bool
    created_at: Moment
    updated_at: Moment


class AgentQuery(PageQuery):
    """Which agents to list."""

    enabled: Flag | None = None


class NewNumber(Given):
    """A dialled number that an agent is to answer."""

    number: PhoneNumber
    agent_id: Id


class NumberTold(Told):
    """A dialled number and who answers it."""

    id: str
    number: str
    agent_id: str
    created_at: Moment


class AgentsApi:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._agents = Agents(database)
        self._numbers = Numbers(database)

    @expose("GET", "/agents", Listing[AgentTold], query=AgentQuery)
    async def list_agents(self, ask: Ask) -> Mapping[str, Any]:
        """List agents."""
        query = ask.asked(AgentQuery)
        page = await self._agents.list_page(ask.organization_id, query.limit, query.offset, query.enabled)
        return listing(page, query)

    @expose("POST", "/agents", AgentTold, body=NewAgent, status=201)
    async def create_agent(self, ask: Ask) -> Agent:
        """Create an agent."""
        agent = Agent(
            id=new_id(),
            organization_id=ask.organization_id,
            created_at=ask.now,
            updated_at=ask.now,
            **ask.given(NewAgent).model_dump(),
        )
        await self._agents.add(agent)
        return agent

    @expose("GET", "/agents/{agent_id}", AgentTold)
    async def get_agent(self, ask: Ask) -> Agent:
        """Get an agent."""
        return _there(await self._agents.find(ask.organization_id, ask.id("agent_id")))

    @expose("PATCH", "/agents/{agent_id}", AgentTold, body=AgentChange)
    async def change_agent(self, ask: Ask) -> Agent:
        """Change an agent."""
        changes = ask.given(AgentChange).model_dump(exclude_unset=True)
        agent_id = ask.id("agent_id")
        if not changes:
            return await self.get_agent(ask)
        return _there(await self._agents.update(ask.organization_id, agent_id, updated_at=ask.now, **changes))

    @expose("DELETE", "/agents/{agent_id}", Done)
    async def delete_agent(self, ask: Ask) -> Mapping[str, str]:
        """Delete an agent, unless tasks need it."""
        removal = await self._agents.remove(ask.organization_id, ask.id("agent_id"))
        if removal == "absent":
            raise not_found("agent")
        if removal == "in_use":
            raise wrong_state("The agent has active tasks: delete or finish them first.", "active_tasks")
        return {"message": "Agent deleted"}

    @expose("GET", "/numbers", Listing[NumberTold], query=PageQuery)
    async def list_numbers(self, ask: Ask) -> Mapping[str, Any]:
        """List numbers."""
        query = ask.asked(PageQuery)
        return listing(await self._numbers.list_page(ask.organization_id, query.limit, query.offset), query)

    @expose("POST", "/numbers", NumberTold, body=NewNumber, status=201)
    async def create_number(self, ask: Ask) -> Number:
        """Let an agent answer a number."""
        wanted = ask.given(NewNumber)
        _there(await self._agents.find(ask.organization_id, wanted.agent_id))
        number = Number(
            id=new_id(),
            organization_id=ask.organization_id,
            number=wanted.number,
            agent_id=wanted.agent_id,
            created_at=ask.now,
        )
        try:
            await self._numbers.add(number)
        except StorageError as error:
            if error.reason != "conflict":
                raise
            raise Refusal(
                400, "number: leads to an agent already", reason="number_taken", field="number"
            ) from None
        return number

    @expose("DELETE", "/numbers/{number_id}", Done)
    async def delete_number(self, ask: Ask) -> Mapping[str, str]:
        """Take a number from its agent."""
        if not await self._numbers.remove(ask.organization_id, ask.id("number_id")):
            raise not_found("number")
        return {"message": "Number deleted"}


def _there(agent: Agent | None) -> Agent:
    if agent is None:
        raise not_found("agent")
    return agent
