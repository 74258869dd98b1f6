"""How the API says no: the contract's statuses, with its error body or, where it declares none, without."""

import json
import re
from typing import Any, TypeVar
from uuid import UUID

from aiohttp import web

from gateway.sandbox.documents import Document, Kind
from gateway.sandbox.rest import bodies
from gateway.sandbox.store import Tables

T = TypeVar("T")

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}", re.ASCII)
_CALLED: dict[Kind, str] = {"trunk": "SIP trunk", "number": "phone number"}


class Refusal(Exception):
    """An answer other than success.

    Attributes:
        status: of HTTP.
        text: of the error body; None sends no body.
        headers: of the answer.
    """

    def __init__(self, status: int, text: str | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(text or str(status))
        self.status = status
        self.text = text
        self.headers = headers or {}

    def answer(self) -> web.Response:
        """Return it as HTTP has it."""
        if self.text is None:
            return web.Response(status=self.status, headers=self.headers)
        return web.json_response({"error": self.text}, status=self.status, headers=self.headers)


def bearer(request: web.Request) -> str:
    """Return the key that a request shows; empty when it shows none."""
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def path_id(request: web.Request, name: str = "id", *, told: bool) -> str:
    """Return an id from the path, as the store writes it.

    Args:
        told: refuse with an error body.

    Raises:
        Refusal: it is no UUID.
    """
    given = request.match_info[name]
    if not _UUID.fullmatch(given):
        raise Refusal(400, f"{name}: not a UUID" if told else None)
    return given.lower()


def find(tables: Tables, kind: Kind, document_id: str, organization_id: str) -> Document:
    """Return a document of an organization's own.

    Raises:
        Refusal: it has none of this id.
    """
    document = tables.get(kind, document_id, organization_id)
    if document is None:
        raise Refusal(404, f"{_CALLED.get(kind, kind)} not found")
    return document


def uuid_text(text: str, name: str) -> str:
    """Return a UUID of the query, as the store writes it.

    Raises:
        Refusal: it is none.
    """
    if not _UUID.fullmatch(text):
        raise Refusal(400, f"{name}: not a UUID")
    return str(UUID(text))


async def read(request: web.Request, kind: type[T]) -> T:
    """Read a request's body.

    Raises:
        Refusal: it is not what the contract says.
    """
    try:
        return bodies.read(await request.read(), kind)
    except ValueError as error:
        raise Refusal(400, str(error)) from None


def page(document: object, status: int = 200) -> web.Response:
    """Answer with JSON."""
    return web.json_response(document, status=status, dumps=_dumps)


def _dumps(document: Any) -> str:
    return json.dumps(document, separators=(",", ":"))
