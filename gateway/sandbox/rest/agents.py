"""/v1/agents and /v1/agents/{id}."""

from uuid import uuid4

from aiohttp import web

from gateway.sandbox import documents
from gateway.sandbox.documents import Document, shown
from gateway.sandbox.rest import bodies
from gateway.sandbox.rest.answers import Refusal, find, page, path_id, read
from gateway.sandbox.rest.context import Api, at
from gateway.sandbox.store import Tables


async def list_all(api: Api, _request: web.Request, organization_id: str) -> web.Response:
    """Answer with the organization's agents, a bare array."""
    agents = await api.store.run(lambda tables: tables.of("agent", organization_id))
    return page([shown(agent) for agent in agents])


async def create(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Create an agent: server defaults under what is given, and one version, a draft."""
    wanted = await read(request, bodies.AgentCreate)
    fields = _checked(wanted)

    def make(tables: Tables) -> Document:
        _check_number(tables, fields, organization_id)
        agent = documents.agent(str(uuid4()), fields, at())
        tables.put("agent", agent, organization_id)
        first = documents.version(str(uuid4()), agent["id"], agent["created_at"], "v1")
        tables.put("version", first, organization_id)
        return agent

    return page(shown(await api.store.run(make)), 201)


async def show(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Answer with an agent."""
    agent_id = path_id(request, told=False)
    return page(shown(await api.store.run(lambda tables: find(tables, "agent", agent_id, organization_id))))


async def update(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Change the fields that are given, and nothing else."""
    agent_id = path_id(request, told=True)
    fields = _checked(await read(request, bodies.AgentUpdate))

    def change(tables: Tables) -> Document:
        agent = find(tables, "agent", agent_id, organization_id)
        _check_number(tables, fields, organization_id)
        agent = documents.changed(agent, fields, at())
        tables.put("agent", agent, organization_id)
        return agent

    return page(shown(await api.store.run(change)))


async def delete(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Delete an agent, its versions, and its places on trunks; its calls stay."""
    agent_id = path_id(request, told=False)

    def drop(tables: Tables) -> None:
        find(tables, "agent", agent_id, organization_id)
        tables.delete("agent", agent_id)
        for kind in ("version", "assignment"):
            for document in tables.of(kind, organization_id):
                if document["agent_id"] == agent_id:
                    tables.delete(kind, document["id"])

    await api.store.run(drop)
    return web.Response(status=204)


def _checked(change: bodies.AgentUpdate) -> Document:
    found = bodies.faults(change)
    if found:
        raise Refusal(400, "; ".join(found))
    return bodies.plain(change)


def _check_number(tables: Tables, fields: Document, organization_id: str) -> None:
    number_id = fields.get("phone_number_id")
    if number_id and tables.get("number", number_id, organization_id) is None:
        raise Refusal(400, "phone_number_id: the organization has no such number")
