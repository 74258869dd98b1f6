"""The client as a whole: organization, catalogs, tokens, and that no operation is missing."""

import inspect
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from gateway.errors import VatelApiError
from gateway.vatel.models import AgentChange, SipTrunkChange
from gateway.vatel.rest import VatelClient
from tests.vatel.rest_host import API_KEY, CONTRACT, ID, OTHER_ID, RestHost


async def test_the_organization_is_fetched(client: VatelClient, host: RestHost) -> None:
    """GET /v1/organization gives id, name and age."""
    organization = await client.organization()

    assert (organization.id, organization.name) == (ID, "some name")
    assert host.seen[0].operation == "getOrganization"


async def test_language_models_are_listed(client: VatelClient, host: RestHost) -> None:
    """GET /v1/llms gives plain names."""
    assert await client.llms() == ("some llms",)
    assert host.seen[0].operation == "listLLMs"


async def test_voices_are_listed(client: VatelClient, host: RestHost) -> None:
    """GET /v1/voices gives voices with their languages."""
    (voice,) = await client.voices()

    assert (voice.provider, voice.languages, voice.featured) == ("fish", ("some languages",), True)
    assert host.seen[0].operation == "listVoices"


async def test_a_token_costs_nothing_but_the_agents_id(client: VatelClient, host: RestHost) -> None:
    """Only what is set is sent: not even the default transport, which older deployments do not know."""
    token = await client.session_token(ID)

    assert token.token == "some token"
    assert (host.seen[0].operation, host.seen[0].body) == ("generateSessionToken", {"agent_id": ID})


async def test_a_token_is_minted_with_every_field_of_the_contract(
    client: VatelClient, host: RestHost
) -> None:
    """All fields go by the contract's names."""
    await client.session_token(
        ID,
        version_id=OTHER_ID,
        chat_id=OTHER_ID,
        transport="webrtc",
        first_message="",
        prompt="Be brief.",
        chat=False,
    )

    assert host.seen[0].body == {
        "agent_id": ID,
        "version_id": OTHER_ID,
        "chat_id": OTHER_ID,
        "transport": "webrtc",
        "first_message": "",
        "prompt": "Be brief.",
        "chat": False,
    }


async def test_a_token_takes_variables_where_they_are_known(client: VatelClient, host: RestHost) -> None:
    """The newest documentation has variables as pairs."""
    host.newest = True
    await client.session_token(ID, variables={"guest": "Condé"})

    assert host.seen[0].body == {"agent_id": ID, "variables": [{"key": "guest", "value": "Condé"}]}


async def test_variables_are_refused_by_an_older_deployment(client: VatelClient, host: RestHost) -> None:
    """Extra properties are 400 (vatel.md 1.3): the caller learns it, and decides."""
    with pytest.raises(VatelApiError) as caught:
        await client.session_token(ID, variables={"guest": "Condé"})

    assert (caught.value.reason, caught.value.status) == ("bad_request", 400)
    assert len(host.seen) == 1


async def test_a_webrtc_token_brings_its_room(client: VatelClient, host: RestHost) -> None:
    """The room's own token is the media token."""
    token = await client.session_token(ID, transport="webrtc")

    assert (token.room, token.identity, token.url) == ("some room", "some identity", "some url")
    assert token.media_token == "some webrtc_token"


async def test_the_media_token_of_an_older_deployment_is_the_token(
    client: VatelClient, host: RestHost
) -> None:
    """Before 2026-04-24 the WebRTC answer had the media token as `token`."""

    async def older(request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {"token": "media", "room": "r", "identity": "i", "url": "wss://sip.vatel.ai"}
        )

    host.answer = older

    assert (await client.session_token(ID, transport="webrtc")).media_token == "media"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "bad_request"),
        (401, "unauthorized"),
        (403, "forbidden"),
        (404, "not_found"),
        (429, "rate_limited"),
        (500, "server_error"),
        (503, "unavailable"),
    ],
)
async def test_a_refused_token_is_named_and_not_asked_for_again(
    client: VatelClient, host: RestHost, status: int, reason: str
) -> None:
    """Every status of the reference has its reason, with an empty body too; nothing is retried here."""

    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    host.answer = refuse
    with pytest.raises(VatelApiError) as caught:
        await client.session_token(ID)

    assert (caught.value.reason, caught.value.status) == (reason, status)
    assert len(host.seen) == 1


async def test_every_operation_of_the_contract_is_reached(client: VatelClient, host: RestHost) -> None:
    """The client has them all, and each is accepted by a server that knows the contract."""
    async with client.calls.recording(ID) as chunks:
        assert [chunk async for chunk in chunks] == []
    steps: list[Callable[[], Awaitable[object]]] = [
        client.organization,
        client.llms,
        client.voices,
        lambda: client.session_token(ID),
        client.agents.list,
        lambda: client.agents.create("a"),
        lambda: client.agents.get(ID),
        lambda: client.agents.update(ID, AgentChange()),
        lambda: client.agents.delete(ID),
        lambda: client.agents.versions(ID),
        lambda: client.agents.version(ID, ID),
        lambda: client.agents.publish(ID, ID),
        lambda: client.agents.dial(ID, "+331"),
        client.calls.list,
        lambda: client.calls.get(ID),
        client.twilio_numbers.list,
        lambda: client.twilio_numbers.import_number("+331", account_sid="AC1", auth_token="t"),
        lambda: client.twilio_numbers.rename(ID, "a"),
        client.sip_trunks.list,
        lambda: client.sip_trunks.create("webex"),
        lambda: client.sip_trunks.get(ID),
        lambda: client.sip_trunks.update(ID, SipTrunkChange()),
        lambda: client.sip_trunks.delete(ID),
        lambda: client.sip_assignments.list(ID),
        lambda: client.sip_assignments.create(ID, ID),
        lambda: client.sip_assignments.get(ID),
        lambda: client.sip_assignments.update(ID),
        lambda: client.sip_assignments.delete(ID),
    ]
    for step in steps:
        await step()

    assert {seen.operation for seen in host.seen} == {operation["operation"] for operation in CONTRACT}
    assert len(host.seen) == len(CONTRACT) == 29


def test_the_key_is_in_no_repr(client: VatelClient) -> None:
    """Printing the client, or a group of it, tells no secret."""
    groups = [client, client.agents, client.calls, client.twilio_numbers]

    assert API_KEY not in "".join(repr(group) for group in groups)


def test_every_operation_says_what_it_does() -> None:
    """Each public method has a docstring of a sentence."""
    methods = inspect.getmembers(VatelClient, inspect.iscoroutinefunction)

    assert [name for name, method in methods if not (method.__doc__ or "").split("\n")[0].endswith(".")] == []
