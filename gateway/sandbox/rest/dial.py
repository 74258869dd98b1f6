"""POST /v1/agents/{id}/dial. Nobody is rung: the call is written down, answered and over within a second."""

import asyncio
import re
from uuid import uuid4

from aiohttp import web

from gateway.sandbox.callsheet import given
from gateway.sandbox.documents import Document
from gateway.sandbox.rest import bodies
from gateway.sandbox.rest.answers import Refusal, find, page, path_id, read, uuid_text
from gateway.sandbox.rest.context import Api, at
from gateway.sandbox.store import Tables

_NUMBER = re.compile(r"\+?[0-9]{3,15}", re.ASCII)
_ANSWERED_S, _OVER_S = 0.2, 0.8


async def dial(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Place a call: by the agent's own number, or by a trunk when one is named."""
    agent_id = path_id(request, told=True)
    callee = _callee(request)
    trunk_id = request.query.get("sipTrunkId")
    trunk_id = None if trunk_id is None else uuid_text(trunk_id, "sipTrunkId")
    wanted = await read(request, bodies.DialRequest) if await request.read() else bodies.DialRequest()
    if not callee:
        raise Refusal(400, "number: missing; send number or destination")
    if not _NUMBER.fullmatch(callee):
        raise Refusal(400, "number: give 3 to 15 digits, with or without +")

    def place(tables: Tables) -> Document:
        agent = _agent(tables, agent_id, organization_id)
        if trunk_id is None:
            _check_own_number(tables, agent, organization_id)
        else:
            _check_trunk(tables, agent, trunk_id, organization_id)
        variables = tuple((variable.key, variable.value) for variable in wanted.variables)
        call = _call(agent, callee, "twilio" if trunk_id is None else "sip", organization_id, variables)
        tables.put("call", call, organization_id)
        return call

    call = await api.store.run(place)
    first_message = request.query.get("firstMessage", call.pop("_first_message"))
    _let_it_run(api, call, first_message, organization_id)
    return page({"success": True})


def _callee(request: web.Request) -> str:
    number, destination = request.query.get("number"), request.query.get("destination")
    if number is not None and destination is not None and number != destination:
        raise Refusal(400, "number and destination: both are given, and differ")
    return number or destination or ""


def _agent(tables: Tables, agent_id: str, organization_id: str) -> Document:
    agent = tables.get("agent", agent_id)
    if agent is not None and tables.owner("agent", agent_id) != organization_id:
        raise Refusal(401, "this API key is not for this agent")
    if agent is None or agent["status"] != "active":
        raise Refusal(404, "agent not found or not active")
    return agent


def _check_own_number(tables: Tables, agent: Document, organization_id: str) -> None:
    if not agent["phone_number_id"]:
        raise Refusal(400, "the agent has no phone number")
    find(tables, "number", agent["phone_number_id"], organization_id)


def _check_trunk(tables: Tables, agent: Document, trunk_id: str, organization_id: str) -> None:
    trunk = tables.get("trunk", trunk_id)
    if trunk is None:
        raise Refusal(404, "SIP trunk not found")
    if tables.owner("trunk", trunk_id) != organization_id:
        raise Refusal(403, "the SIP trunk belongs to another organization")
    assigned = {each["agent_id"] for each in tables.of("assignment") if each["sip_trunk_id"] == trunk_id}
    if agent["id"] not in assigned:
        raise Refusal(403, "the SIP trunk is not assigned to the agent")
    if not trunk.get("outbound_host"):
        raise Refusal(503, "the SIP trunk has no outbound host: nothing to dial by")


def _call(
    agent: Document, callee: str, source: str, organization_id: str, variables: tuple[tuple[str, str], ...]
) -> Document:
    call = {
        "id": str(uuid4()),
        "agent_id": agent["id"],
        "organization_id": organization_id,
        "party_number": callee,
        "status": "connected",
        "source": source,
        "outbound": True,
        "created_at": at(),
        "connected_at": at(),
        "extracted_variables": given(variables),
        "tags": [],
        "_first_message": agent["first_message"] if agent["enable_first_message_outbound"] else "",
    }
    version = agent["_active_version_id"]
    return call if version is None else {**call, "graph_version_id": version}


def _let_it_run(api: Api, call: Document, first_message: str, organization_id: str) -> None:
    loop = asyncio.get_running_loop()

    def write(changes: Document) -> None:
        call.update(changes)
        document = dict(call)
        api.store.note(lambda tables: tables.put("call", document, organization_id))

    def answer() -> None:
        said = {"index": 0, "role": "assistant", "type": "message", "message": first_message}
        entries = [{**said, "createdAt": at()}] if first_message else []
        write({"status": "in_progress", "started_at": at(), "transcript": {"entries": entries}})

    def end() -> None:
        api.outbound.difference_update(timers)
        ending = {"status": "ended", "ended_at": at(), "termination_reason": "ended_by_user"}
        write({**ending, "duration_seconds": 1, "cost": 0.08})

    timers = {loop.call_later(_ANSWERED_S, answer), loop.call_later(_OVER_S, end)}
    api.outbound.update(timers)
