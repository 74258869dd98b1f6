"""Agents over REST: each operation as the contract has it."""

import pytest

from gateway.errors import VatelApiError
from gateway.vatel.models import Agent, AgentChange, GraphVersion, VadSettings, VoiceSettings
from gateway.vatel.rest import VatelClient
from gateway.vatel.rest_agents import key_values
from tests.vatel.rest_host import ID, OTHER_ID, RestHost, example

EVERY_FIELD = AgentChange(
    phone_number_id=OTHER_ID,
    name="Maître d'",
    llm="openai/gpt-5",
    fallback_llm="openai/gpt-4",
    status="active",
    prompt="You take reservations.",
    first_message="Good evening",
    first_message_interruption_time=1.5,
    default_language="fr",
    summarize_calls=True,
    vad_settings=VadSettings(start_secs=0.2, stop_secs=0.8, silence_timeout_secs=10),
    enable_first_message_outbound=False,
    keyterms=("Vatel", "Chantilly"),
    voice_settings=VoiceSettings(id="v-1", provider="elevenlabs", speed=1.1),
)


async def test_agents_are_listed(client: VatelClient, host: RestHost) -> None:
    """GET /v1/agents gives every agent with every field."""
    (agent,) = await client.agents.list()

    assert agent.id == ID
    assert agent.voice_settings is not None
    assert agent.voice_settings.provider == "fish"
    assert agent.timeout_settings is not None
    assert agent.timeout_settings.silence_counter == 3
    assert agent.keyterms == ("some keyterms",)
    assert host.seen[0].operation == "listAgents"


async def test_every_field_of_an_agent_is_read(client: VatelClient) -> None:
    """No field of the schema is left out of the model."""
    agent = await client.agents.get(ID)

    assert set(example("getAgent")) == set(Agent.__struct_fields__)
    assert [name for name in Agent.__struct_fields__ if getattr(agent, name) in (None, ())] == []


async def test_an_agent_is_created_with_a_name_alone(client: VatelClient, host: RestHost) -> None:
    """Nothing but the name is sent when nothing else is set."""
    assert (await client.agents.create("Vatel")).id == ID
    assert (host.seen[0].operation, host.seen[0].body) == ("createAgent", {"name": "Vatel"})


async def test_an_agent_is_created_with_every_field(client: VatelClient, host: RestHost) -> None:
    """All fields are known to the contract."""
    await client.agents.create("Vatel", EVERY_FIELD)

    assert host.seen[0].body["name"] == "Vatel"
    assert host.seen[0].body["keyterms"] == ["Vatel", "Chantilly"]
    assert host.seen[0].body["vad_settings"] == {
        "start_secs": 0.2,
        "stop_secs": 0.8,
        "silence_timeout_secs": 10.0,
    }


async def test_an_agent_is_fetched(client: VatelClient, host: RestHost) -> None:
    """GET /v1/agents/{id} gives one agent."""
    assert (await client.agents.get(ID)).name == "some name"
    assert (host.seen[0].operation, host.seen[0].ids) == ("getAgent", (ID,))


async def test_an_update_sends_what_is_set_and_nothing_else(client: VatelClient, host: RestHost) -> None:
    """A partial update touches no other field."""
    await client.agents.update(ID, AgentChange(prompt="Be brief.", keyterms=()))

    assert host.seen[0].operation == "patchAgent"
    assert host.seen[0].body == {"prompt": "Be brief.", "keyterms": []}


async def test_an_update_can_clear_the_number(client: VatelClient, host: RestHost) -> None:
    """phone_number_id null is sent as null."""
    await client.agents.update(ID, AgentChange(phone_number_id=None))

    assert host.seen[0].body == {"phone_number_id": None}


async def test_an_update_of_nothing_is_an_empty_object(client: VatelClient, host: RestHost) -> None:
    """Unset is unset."""
    await client.agents.update(ID, AgentChange())

    assert host.seen[0].body == {}


async def test_every_field_of_an_update_is_known(client: VatelClient, host: RestHost) -> None:
    """The model and the contract have the same fields."""
    await client.agents.update(ID, EVERY_FIELD)

    assert host.seen[0].body["default_language"] == "fr"


async def test_an_agent_is_deleted(client: VatelClient, host: RestHost) -> None:
    """DELETE has no body, nor has its answer."""
    await client.agents.delete(ID)

    assert (host.seen[0].operation, host.seen[0].ids, host.seen[0].body) == ("deleteAgent", (ID,), None)


async def test_versions_are_listed(client: VatelClient, host: RestHost) -> None:
    """GET …/versions gives the states of the graph."""
    (version,) = await client.agents.versions(ID)

    assert isinstance(version, GraphVersion)
    assert version.tag == "some tag"
    assert host.seen[0].operation == "listAgentGraphVersions"


async def test_a_version_is_fetched_with_its_nodes(client: VatelClient, host: RestHost) -> None:
    """Nodes are free-form and arrive whole, nulls included."""
    detail = await client.agents.version(ID, OTHER_ID)

    assert detail.version.id == ID
    assert detail.nodes == ({"kind": "conversation", "when": None},)
    assert host.seen[0].ids == (ID, OTHER_ID)


async def test_a_version_is_published(client: VatelClient, host: RestHost) -> None:
    """POST …/publish has no body."""
    published = await client.agents.publish(ID, OTHER_ID)

    assert published.published_at == "2026-11-21T10:00:00Z"
    assert (host.seen[0].operation, host.seen[0].body) == ("publishAgentGraphVersion", None)


async def test_a_call_is_dialled(client: VatelClient, host: RestHost) -> None:
    """The number is a parameter; a plus sign survives; there is no body."""
    assert await client.agents.dial(ID, "+33 1 & 2") is True
    assert host.seen[0].operation == "dialAgent"
    assert host.seen[0].query == {"number": "+33 1 & 2"}
    assert host.seen[0].body is None


async def test_a_call_is_dialled_with_everything(client: VatelClient, host: RestHost) -> None:
    """All parameters go by the contract's names."""
    await client.agents.dial(
        ID, "+331", sip_trunk_id=OTHER_ID, caller_id="+332", first_message="Allô?", prompt="a=b&c"
    )

    assert host.seen[0].query == {
        "number": "+331",
        "sipTrunkId": OTHER_ID,
        "callerId": "+332",
        "firstMessage": "Allô?",
        "prompt": "a=b&c",
    }


async def test_variables_make_a_body_of_a_dial(client: VatelClient, host: RestHost) -> None:
    """The newest documentation takes variables as a JSON body."""
    host.newest = True
    await client.agents.dial(ID, "+331", variables={"guest": "Condé", "party": "2"})

    assert host.seen[0].body == {
        "variables": [{"key": "guest", "value": "Condé"}, {"key": "party", "value": "2"}]
    }


async def test_an_id_that_is_a_path_goes_nowhere(client: VatelClient, host: RestHost) -> None:
    """No id can lead to another resource."""
    for agent_id in ("", ".", ".."):
        with pytest.raises(VatelApiError) as caught:
            await client.agents.get(agent_id)
        assert caught.value.reason == "bad_id"

    assert host.seen == []


async def test_an_id_with_a_slash_is_one_segment(client: VatelClient, host: RestHost) -> None:
    """Odd characters are quoted, so the server judges the id itself."""
    with pytest.raises(VatelApiError) as caught:
        await client.agents.get(f"{ID}/versions?x=1#y")

    assert caught.value.reason == "bad_request"
    assert host.seen[0].ids == (f"{ID}/versions?x=1#y",)


def test_no_variables_are_no_list() -> None:
    """None stays None, an empty mapping is an empty list."""
    assert key_values(None) is None
    assert key_values({}) == []
    assert key_values({"a": "b"}) == [{"key": "a", "value": "b"}]
