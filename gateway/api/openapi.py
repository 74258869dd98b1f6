"""The API's description, OpenAPI 3.1, made from the operations and models that serve it. PURE."""

import re
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from gateway.api.operations import PREFIX, Operation

_REF = "#/components/schemas/{model}"
_HEADERS = {
    "X-Request-Id": "the request's id, as in our log",
    "X-RateLimit-Limit": "requests within a minute",
    "X-RateLimit-Remaining": "requests left",
    "X-RateLimit-Reset": "when the next is free again, in Unix seconds",
}
_ERROR = {
    "type": "object",
    "required": ["success", "error", "details", "meta"],
    "properties": {
        "success": {"const": False},
        "error": {"type": "string"},
        "details": {
            "type": "object",
            "required": ["reason"],
            "properties": {"reason": {"type": "string"}},
        },
        "meta": {"$ref": "#/components/schemas/Meta"},
    },
}
_META = {
    "type": "object",
    "required": ["timestamp", "request_id"],
    "properties": {
        "timestamp": {"type": "string", "format": "date-time"},
        "request_id": {"type": "string", "format": "uuid"},
    },
}
_SECURITY: dict[str, list[dict[str, list[str]]]] = {
    "key": [{"api_key": []}],
    "session": [{"session": []}],
    "link": [{"api_key": []}, {"link_token": []}],
    "open": [],
}
_REFUSALS = {
    400: "A field does not fit, or the thing's state does not allow it; the details say which.",
    401: "No valid API key, or nobody is signed in.",
    403: "Not permitted.",
    404: "There is no such thing, or it is another organization's.",
    429: "Too many requests; Retry-After says when to come again.",
    500: "A bug here; the request id finds it in the log.",
    503: "An external service failed, or it is not ready yet; Retry-After says when to come again.",
}
_BODY_REFUSALS = {
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The body is not announced as JSON.",
}
_AUDIO = {
    "200": "The whole recording.",
    "206": "The part that was asked for.",
    "416": "No single part of the recording.",
}


def openapi(operations: Iterable[Operation], version: str, cookie: str) -> dict[str, Any]:
    """Return the description.

    Args:
        cookie: the session cookie's name.
    """
    table = list(operations)
    schemas, definitions = _schemas(table)
    paths: dict[str, dict[str, Any]] = {}
    for one in table:
        paths.setdefault(PREFIX + one.terms.path, {})[one.terms.method.lower()] = _operation(one, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vatel-gateway",
            "version": version,
            "description": "Agents, tasks, calls and what became of them.",
        },
        "paths": paths,
        "components": {
            "schemas": definitions | {"Error": _ERROR, "Meta": _META},
            "securitySchemes": {
                "api_key": {"type": "http", "scheme": "bearer", "description": "An API key, va_…"},
                "session": {"type": "apiKey", "in": "cookie", "name": cookie},
                "link_token": {"type": "apiKey", "in": "query", "name": "token"},
            },
        },
    }


def _schemas(operations: list[Operation]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of each body and answer by its name, and the definitions that they refer to."""
    wanted: list[tuple[str, JsonSchemaMode, TypeAdapter[Any]]] = []
    for one in operations:
        if one.terms.body is not None:
            wanted.append((f"{one.name} body", "validation", TypeAdapter(one.terms.body)))
        if one.terms.answer is not None:
            wanted.append((f"{one.name} answer", "serialization", TypeAdapter(one.terms.answer)))
    found, definitions = TypeAdapter.json_schemas(wanted, ref_template=_REF)
    return {name: schema for (name, _), schema in found.items()}, definitions.get("$defs", {})


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    terms = operation.terms
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "security": _SECURITY[terms.access],
        "parameters": [*_path_parameters(terms.path), *_query_parameters(terms.query)],
        "responses": _answers(operation, schemas) | _refusals(terms.body is not None),
    }
    if terms.body is not None:
        content = {"application/json": {"schema": schemas[f"{operation.name} body"]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    schema = {"type": "string", "format": "uuid"}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query_parameters(query: type[BaseModel]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "schema": _given(schema)}
        for name, schema in query.model_json_schema().get("properties", {}).items()
    ]


def _given(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a query field's schema without null, which no query can spell."""
    choices = [choice for choice in schema.get("anyOf", []) if choice != {"type": "null"}]
    return choices[0] if choices else {name: part for name, part in schema.items() if name != "title"}


def _answers(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    if operation.terms.answer is None:
        return {status: _answer(text, _audio(status)) for status, text in _AUDIO.items()}
    body = {
        "type": "object",
        "required": ["success", "data", "meta"],
        "properties": {
            "success": {"const": True},
            "data": schemas[f"{operation.name} answer"],
            "meta": {"$ref": "#/components/schemas/Meta"},
        },
    }
    return {str(operation.terms.status): _answer(operation.summary, {"application/json": {"schema": body}})}


def _audio(status: str) -> dict[str, Any]:
    return {} if status == "416" else {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}


def _refusals(has_body: bool) -> dict[str, Any]:
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    every = _REFUSALS | (_BODY_REFUSALS if has_body else {})
    return {str(status): _answer(text, error) for status, text in every.items()}


def _answer(text: str, content: dict[str, Any]) -> dict[str, Any]:
    headers = {name: {"description": what, "schema": {"type": "string"}} for name, what in _HEADERS.items()}
    return {"description": text, "headers": headers, "content": content}
