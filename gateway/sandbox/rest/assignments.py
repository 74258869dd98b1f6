"""/v1/sip-trunks/{id}/assignments, /v1/sip-trunks/assignments/{assignmentId}: which agent answers where."""

from uuid import uuid4

from aiohttp import web

from gateway.sandbox.documents import Document
from gateway.sandbox.rest import bodies
from gateway.sandbox.rest.answers import Refusal, find, page, path_id, read
from gateway.sandbox.rest.context import Api, at
from gateway.sandbox.store import Tables


async def list_all(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Answer with a trunk's assignments."""
    trunk_id = path_id(request, told=False)

    def assignments(tables: Tables) -> list[Document]:
        find(tables, "trunk", trunk_id, organization_id)
        all_of_them = tables.of("assignment", organization_id)
        return [each for each in all_of_them if each["sip_trunk_id"] == trunk_id]

    return page(await api.store.run(assignments))


async def create(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Put an agent on a trunk."""
    trunk_id = path_id(request, told=True)
    wanted = await read(request, bodies.AssignmentCreate)
    numbers = {name: value for name, value in bodies.plain(wanted).items() if name != "agent_id"}

    def make(tables: Tables) -> Document:
        find(tables, "trunk", trunk_id, organization_id)
        if tables.owner("agent", str(wanted.agent_id)) not in (None, organization_id):
            raise Refusal(400, "agent_id: the agent is not in your organization")
        agent = find(tables, "agent", str(wanted.agent_id), organization_id)
        fixed = {"id": str(uuid4()), "agent_id": agent["id"], "sip_trunk_id": trunk_id, "created_at": at()}
        return _keep(tables, {**fixed, **numbers}, organization_id)

    return page(await api.store.run(make), 201)


async def show(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Answer with an assignment."""
    assignment_id = path_id(request, "assignmentId", told=False)
    found = await api.store.run(lambda tables: find(tables, "assignment", assignment_id, organization_id))
    return page(found)


async def update(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Change the numbers that are given; null clears one."""
    assignment_id = path_id(request, "assignmentId", told=True)
    changes = bodies.plain(await read(request, bodies.AssignmentUpdate))

    def change(tables: Tables) -> Document:
        assignment = find(tables, "assignment", assignment_id, organization_id)
        return _keep(tables, {**assignment, **changes}, organization_id)

    return page(await api.store.run(change))


async def delete(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Take an agent off its trunk."""
    assignment_id = path_id(request, "assignmentId", told=False)

    def drop(tables: Tables) -> None:
        find(tables, "assignment", assignment_id, organization_id)
        tables.delete("assignment", assignment_id)

    await api.store.run(drop)
    return web.Response(status=204)


def _keep(tables: Tables, assignment: Document, organization_id: str) -> Document:
    """Keep an assignment whose numbers are free; one that is null is left out."""
    kept = {name: value for name, value in assignment.items() if value is not None}
    for other in tables.of("assignment"):
        if other["id"] != kept["id"]:
            _check_free(kept, other)
    tables.put("assignment", kept, organization_id)
    return kept


def _check_free(assignment: Document, other: Document) -> None:
    same_trunk = other["sip_trunk_id"] == assignment["sip_trunk_id"]
    if same_trunk and _clash(assignment, other, "number"):
        raise Refusal(409, "number: in use on this trunk")
    if _clash(assignment, other, "alternate_number"):
        raise Refusal(409, "alternate_number: in use")


def _clash(assignment: Document, other: Document, name: str) -> bool:
    return bool(assignment.get(name)) and assignment.get(name) == other.get(name)
