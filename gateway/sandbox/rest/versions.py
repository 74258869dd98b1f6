"""/v1/agents/{id}/versions: what an agent was and is."""

from aiohttp import web

from gateway.sandbox import documents
from gateway.sandbox.documents import Document
from gateway.sandbox.rest.answers import Refusal, find, page, path_id
from gateway.sandbox.rest.context import Api, at
from gateway.sandbox.store import Tables


def _version(tables: Tables, agent_id: str, version_id: str) -> Document:
    """Return a version of an agent.

    Raises:
        Refusal: the agent has none of this id.
    """
    version = tables.get("version", version_id)
    if version is None or version["agent_id"] != agent_id:
        raise Refusal(404, "agent version not found")
    return version


async def list_all(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Answer with an agent's versions, the oldest first."""
    agent_id = path_id(request, told=False)

    def versions(tables: Tables) -> list[Document]:
        find(tables, "agent", agent_id, organization_id)
        return [each for each in tables.of("version", organization_id) if each["agent_id"] == agent_id]

    return page(await api.store.run(versions))


async def show(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Answer with a version and its nodes."""
    agent_id, version_id = path_id(request, told=False), path_id(request, "versionId", told=False)

    def detail(tables: Tables) -> Document:
        agent = find(tables, "agent", agent_id, organization_id)
        return {"version": _version(tables, agent_id, version_id), "nodes": documents.nodes(agent)}

    return page(await api.store.run(detail))


async def publish(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Publish a version, once, and make it the active one."""
    agent_id, version_id = path_id(request, told=False), path_id(request, "versionId", told=False)

    def activate(tables: Tables) -> Document:
        agent = find(tables, "agent", agent_id, organization_id)
        version = _version(tables, agent_id, version_id)
        if version["published_at"] is not None:
            raise Refusal(409, "this version is published already")
        version = {**version, "published_at": at()}
        tables.put("version", version, organization_id)
        tables.put("agent", {**agent, "_active_version_id": version_id}, organization_id)
        return version

    return page(await api.store.run(activate))
