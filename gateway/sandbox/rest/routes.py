"""The whole public API on one screen, and what every operation has in common."""

from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from gateway.sandbox.rest import (
    agents,
    assignments,
    calls,
    connection,
    dial,
    numbers,
    organization,
    session_token,
    trunks,
    versions,
)
from gateway.sandbox.rest.answers import Refusal, bearer
from gateway.sandbox.rest.context import Api
from gateway.sandbox.sessions import Sessions

Operation = Callable[[Api, web.Request, str], Awaitable[web.StreamResponse]]

OPERATIONS: tuple[tuple[str, str, Operation], ...] = (
    ("GET", "/v1/organization", organization.show),
    ("GET", "/v1/llms", organization.llms),
    ("GET", "/v1/voices", organization.voices),
    ("GET", "/v1/agents", agents.list_all),
    ("POST", "/v1/agents", agents.create),
    ("GET", "/v1/agents/{id}", agents.show),
    ("PATCH", "/v1/agents/{id}", agents.update),
    ("DELETE", "/v1/agents/{id}", agents.delete),
    ("GET", "/v1/agents/{id}/versions", versions.list_all),
    ("GET", "/v1/agents/{id}/versions/{versionId}", versions.show),
    ("POST", "/v1/agents/{id}/versions/{versionId}/publish", versions.publish),
    ("POST", "/v1/agents/{id}/dial", dial.dial),
    ("GET", "/v1/calls", calls.list_some),
    ("GET", "/v1/calls/{id}", calls.show),
    ("GET", "/v1/calls/{id}/recording", calls.recording),
    ("GET", "/v1/twilio/numbers", numbers.list_all),
    ("POST", "/v1/twilio/numbers", numbers.import_one),
    ("PATCH", "/v1/twilio/numbers/{id}", numbers.rename),
    ("GET", "/v1/sip-trunks", trunks.list_all),
    ("POST", "/v1/sip-trunks", trunks.create),
    ("GET", "/v1/sip-trunks/assignments/{assignmentId}", assignments.show),
    ("PATCH", "/v1/sip-trunks/assignments/{assignmentId}", assignments.update),
    ("DELETE", "/v1/sip-trunks/assignments/{assignmentId}", assignments.delete),
    ("GET", "/v1/sip-trunks/{id}", trunks.show),
    ("PATCH", "/v1/sip-trunks/{id}", trunks.update),
    ("DELETE", "/v1/sip-trunks/{id}", trunks.delete),
    ("GET", "/v1/sip-trunks/{id}/assignments", assignments.list_all),
    ("POST", "/v1/sip-trunks/{id}/assignments", assignments.create),
    ("POST", "/v1/session-token", session_token.mint),
)
_TELLS_401 = "dial"
"""The one operation whose 401 has a body."""


def add(router: web.UrlDispatcher, api: Api, sessions: Sessions) -> None:
    """Offer every operation."""
    for method, path, operation in OPERATIONS:
        router.add_route(method, path, partial(_serve, api, operation))
    router.add_route("GET", "/v1/connection", partial(_connect, api, sessions))


async def _serve(api: Api, operation: Operation, request: web.Request) -> web.StreamResponse:
    organization_id = api.organizations.of_key(bearer(request))
    if organization_id is None:
        told = request.path.endswith(f"/{_TELLS_401}")
        return Refusal(401, "the API key is missing or wrong" if told else None).answer()
    try:
        return await operation(api, request, organization_id)
    except Refusal as refusal:
        return refusal.answer()


async def _connect(api: Api, sessions: Sessions, request: web.Request) -> web.StreamResponse:
    try:
        return await connection.connect(api, sessions, request)
    except Refusal as refusal:
        return refusal.answer()
