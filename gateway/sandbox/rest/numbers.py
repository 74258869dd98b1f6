"""/v1/twilio/numbers: numbers imported from Twilio.

No Twilio is asked. Twilio's own magic number +15005550000 stands for what Twilio refuses: 502.
"""

from uuid import uuid4

from aiohttp import web

from gateway.sandbox.documents import Document
from gateway.sandbox.rest import bodies
from gateway.sandbox.rest.answers import Refusal, find, page, path_id, read
from gateway.sandbox.rest.context import Api, at
from gateway.sandbox.store import Tables

_REFUSED_BY_TWILIO = "+15005550000"
_LABEL = "Twilio number"


async def list_all(api: Api, _request: web.Request, organization_id: str) -> web.Response:
    """Answer with the organization's numbers."""
    return page(await api.store.run(lambda tables: tables.of("number", organization_id)))


async def import_one(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Import a number; the account's token is used and forgotten."""
    wanted = await read(request, bodies.NumberImport)
    if wanted.phone_number == _REFUSED_BY_TWILIO:
        raise Refusal(502, "Twilio answered: the account has no such number")

    def make(tables: Tables) -> Document:
        if any(each["phone_number"] == wanted.phone_number for each in tables.of("number")):
            raise Refusal(409, "this number is imported already")
        number_id = uuid4()
        number = {
            "id": str(number_id),
            "phone_number": wanted.phone_number,
            "phone_sid": f"PN{number_id.hex}",
            "label": wanted.label or _LABEL,
            "account_sid": wanted.account_sid,
            "created_at": at(),
            "updated_at": at(),
        }
        tables.put("number", number, organization_id)
        return number

    return page(await api.store.run(make), 201)


async def rename(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Give a number another label."""
    number_id = path_id(request, told=True)
    wanted = await read(request, bodies.NumberLabel)

    def change(tables: Tables) -> Document:
        number = find(tables, "number", number_id, organization_id)
        number = {**number, "label": wanted.label, "updated_at": at()}
        tables.put("number", number, organization_id)
        return number

    return page(await api.store.run(change))
