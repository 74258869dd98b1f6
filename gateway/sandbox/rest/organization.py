"""GET /v1/organization, /v1/llms, /v1/voices."""

from aiohttp import web

from gateway.sandbox.documents import Document, shown
from gateway.sandbox.rest import bodies
from gateway.sandbox.rest.answers import page
from gateway.sandbox.rest.context import Api


async def show(api: Api, _request: web.Request, organization_id: str) -> web.Response:
    """Answer with the organization of the key."""
    found: Document = await api.store.run(lambda tables: tables.get("organization", organization_id) or {})
    return page(shown(found))


async def llms(_api: Api, _request: web.Request, _organization_id: str) -> web.Response:
    """Answer with the language models an agent may have."""
    return page({"llms": list(bodies.LLMS)})


async def voices(_api: Api, _request: web.Request, _organization_id: str) -> web.Response:
    """Answer with the voices an agent may have."""
    return page({"voices": list(bodies.VOICES)})
