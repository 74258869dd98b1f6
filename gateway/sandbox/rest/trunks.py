"""/v1/sip-trunks and /v1/sip-trunks/{id}."""

from uuid import uuid4

from aiohttp import web

from gateway.sandbox.documents import Document, shown
from gateway.sandbox.rest import bodies
from gateway.sandbox.rest.answers import Refusal, find, page, path_id, read
from gateway.sandbox.rest.context import Api, at
from gateway.sandbox.store import Tables

_SECRET = ("inbound_sip_password", "outbound_sip_password")


async def list_all(api: Api, _request: web.Request, organization_id: str) -> web.Response:
    """Answer with the organization's trunks."""
    trunks = await api.store.run(lambda tables: tables.of("trunk", organization_id))
    return page([shown(trunk) for trunk in trunks])


async def create(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Create a trunk."""
    wanted = await read(request, bodies.TrunkCreate)

    def make(tables: Tables) -> Document:
        trunk = _with({"id": str(uuid4()), "created_at": at(), "caller_id_transforms": []}, wanted)
        _check_username(tables, trunk)
        tables.put("trunk", trunk, organization_id)
        return trunk

    return page(shown(await api.store.run(make)), 201)


async def show(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Answer with a trunk; its passwords never come back."""
    trunk_id = path_id(request, told=False)
    return page(shown(await api.store.run(lambda tables: find(tables, "trunk", trunk_id, organization_id))))


async def update(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Change the fields that are given; null and the empty text clear one."""
    trunk_id = path_id(request, told=True)
    wanted = await read(request, bodies.TrunkUpdate)
    if not bodies.plain(wanted):
        raise Refusal(400, "body: no fields to update")

    def change(tables: Tables) -> Document:
        trunk = _with(find(tables, "trunk", trunk_id, organization_id), wanted)
        _check_username(tables, trunk)
        tables.put("trunk", trunk, organization_id)
        return trunk

    return page(shown(await api.store.run(change)))


async def delete(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Delete a trunk and its assignments."""
    trunk_id = path_id(request, told=False)

    def drop(tables: Tables) -> None:
        find(tables, "trunk", trunk_id, organization_id)
        tables.delete("trunk", trunk_id)
        for assignment in tables.of("assignment", organization_id):
            if assignment["sip_trunk_id"] == trunk_id:
                tables.delete("assignment", assignment["id"])

    await api.store.run(drop)
    return web.Response(status=204)


def _with(trunk: Document, wanted: bodies.TrunkUpdate) -> Document:
    """Return a trunk with fields set and cleared; a cleared one is left out: no null comes back."""
    changes = bodies.plain(wanted)
    secrets = {f"_{name}_is_set": bool(changes.pop(name)) for name in _SECRET if name in changes}
    merged = {**trunk, **secrets, **changes}
    kept = {name: value for name, value in merged.items() if value is not None and value != ""}
    kept.setdefault("caller_id_transforms", [])
    return {**kept, **_registration(kept)}


def _registration(trunk: Document) -> Document:
    """Say how registering went: what could register does at once, since there is nobody to ask."""
    inbound = trunk.get("inbound_auth_type") == "digest" and "inbound_sip_username" in trunk
    outbound = trunk.get("register") is True and "outbound_host" in trunk
    return {
        "inbound_registration_status": "registered" if inbound else "not_registered",
        "outbound_registration_status": "registered" if outbound else "not_registered",
    }


def _check_username(tables: Tables, trunk: Document) -> None:
    name = trunk.get("inbound_sip_username")
    taken = {each.get("inbound_sip_username") for each in tables.of("trunk") if each["id"] != trunk["id"]}
    if name and name in taken:
        raise Refusal(409, "this inbound SIP username is in use")
