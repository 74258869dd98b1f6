"""A REST server that knows Vatel's contract: it refuses what the OpenAPI document does not allow.

``golden/rest_contract.json`` is that document (0.2.3, 29 operations beside the socket) with its references
resolved and its prose left out; each answer holds every field of its schema.
"""

import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import aiohttp
from aiohttp import web

from gateway.vatel.rest import VatelClient

Schema = dict[str, Any]
CONTRACT: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "golden" / "rest_contract.json").read_text(encoding="utf-8")
)
API_KEY = "org-key-s3cret"
ID = "3f0c9f6e-1111-4222-8333-444455556666"
OTHER_ID = "9d8e7f60-aaaa-4bbb-8ccc-ddddeeeeffff"


@dataclass(frozen=True)
class Seen:
    """A request as it came.

    Attributes:
        operation: the operationId it was for.
        ids: what stood for the path's parameters.
        query: its parameters.
        body: its JSON, or None when it had none.
        headers: its headers.
    """

    operation: str
    ids: tuple[str, ...]
    query: dict[str, str]
    body: Any
    headers: dict[str, str]


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class RestHost:
    """Answers every operation of the contract, or as a test tells it.

    Attributes:
        seen: the requests so far.
        answer: takes the place of the contract's answer.
        newest: whether `variables` are known, as in the newest documentation.
    """

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answer: Answer | None = None
        self.newest = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Check a request against the contract and answer it."""
        operation, ids = find(request.method, request.rel_url.raw_path)
        text = await request.text()
        body = json.loads(text) if text else None
        seen = Seen(operation["operation"], ids, dict(request.query), body, dict(request.headers))
        faults = self.faults(operation, seen)
        self.seen.append(seen)
        if faults:
            return web.json_response({"error": "; ".join(faults)}, status=400)
        if self.answer is not None:
            return await self.answer(request)
        if "answer" not in operation:
            return web.Response(status=operation["success"])
        return web.json_response(operation["answer"], status=operation["success"])

    def faults(self, operation: dict[str, Any], seen: Seen) -> list[str]:
        """Return what a request has that the contract does not allow."""
        faults = [f"{given} is no uuid" for given in seen.ids if not is_uuid(given)]
        if seen.headers.get("Authorization") != f"Bearer {API_KEY}":
            faults.append("no key")
        for name, value in seen.query.items():
            if name not in operation["query"]:
                faults.append(f"unknown parameter {name}")
            else:
                faults += schema_faults(
                    from_query(operation["query"][name], value), operation["query"][name], name
                )
        return faults + self.body_faults(operation, seen)

    def body_faults(self, operation: dict[str, Any], seen: Seen) -> list[str]:
        """Return what is wrong with a request's body."""
        schema = operation["body"]
        if self.newest and operation["operation"] == "generateSessionToken":
            schema = {**schema, "properties": {**schema["properties"], "variables": VARIABLES}}
        if self.newest and operation["operation"] == "dialAgent":
            schema = {"type": "object", "properties": {"variables": VARIABLES}}
        if schema is None:
            return [] if seen.body is None else ["a body nobody asked for"]
        if seen.body is None:
            return [] if operation["body"] is None else ["no body"]
        if seen.headers.get("Content-Type") != "application/json":
            return ["the body is not declared as JSON"]
        return schema_faults(seen.body, schema, "body")


VARIABLES: Schema = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["key", "value"],
        "additionalProperties": False,
        "properties": {"key": {"type": "string"}, "value": {"type": "string"}},
    },
}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def find(method: str, path: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the operation for a request and its path parameters; literal segments win."""
    parts = [unquote(part) for part in path.split("/")]
    matches = []
    for operation in CONTRACT:
        template = operation["path"].split("/")
        pairs = list(zip(template, parts, strict=False))
        fits = all(part == wanted or wanted.startswith("{") for wanted, part in pairs)
        if fits and operation["method"] == method and len(template) == len(parts):
            ids = tuple(part for wanted, part in pairs if wanted.startswith("{"))
            matches.append((len(ids), operation, ids))
    if not matches:
        raise web.HTTPNotFound(text=json.dumps({"error": "no such operation"}))
    _, operation, ids = min(matches, key=lambda match: match[0])
    return operation, ids


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID as everybody writes it."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def from_query(schema: Schema, value: str) -> object:
    """Return a parameter as the type it stands for."""
    return int(value) if schema.get("type") == "integer" and value.isdigit() else value


def schema_faults(value: Any, schema: Schema, where: str) -> list[str]:
    """Return what a value has that its schema (the subset Vatel's document uses) does not allow."""
    if value is None and schema.get("nullable"):
        return []
    kinds = TYPES.get(schema.get("type", ""))
    if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
        return [f"{where} is no {schema['type']}"]
    faults = []
    if "enum" in schema and value not in schema["enum"]:
        faults.append(f"{where} is none of its words")
    if schema.get("format") == "uuid" and not is_uuid(value):
        faults.append(f"{where} is no uuid")
    if (
        not schema.get("minimum", value) <= value <= schema.get("maximum", value)
        if kinds == (int,)
        else False
    ):
        faults.append(f"{where} is out of range")
    if isinstance(value, list):
        faults += [fault for item in value for fault in schema_faults(item, schema.get("items", {}), where)]
    if isinstance(value, dict) and "properties" in schema:
        faults += object_faults(value, schema, where)
    return faults


def object_faults(value: dict[str, Any], schema: Schema, where: str) -> list[str]:
    """Return what is wrong with an object's fields; an unknown one always is, to catch typing errors."""
    known = schema["properties"]
    faults = [f"{where} lacks {name}" for name in schema.get("required", []) if name not in value]
    for name, field in value.items():
        faults += (
            schema_faults(field, known[name], f"{where}.{name}")
            if name in known
            else [f"unknown {where}.{name}"]
        )
    return faults


def example(operation_id: str) -> Any:
    """Return the answer the host gives to an operation."""
    return next(entry["answer"] for entry in CONTRACT if entry["operation"] == operation_id)


@asynccontextmanager
async def serving(handler: Answer) -> AsyncIterator[str]:
    """Serve a handler on a free loopback port; yield its base URL."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client_of(base_url: str, timeout_s: float = 5.0) -> AsyncIterator[VatelClient]:
    """Yield a client with the host's key."""
    async with aiohttp.ClientSession() as session:
        yield VatelClient(session, base_url, API_KEY, timeout_s)
