"""The way into the API: who asks, how often, with what; and the way out: one envelope for every answer."""

import asyncio
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, cast
from uuid import uuid4

import structlog
from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from gateway.api import strict_json
from gateway.api.auth import Guard
from gateway.api.envelope import Refusal, failure, forbidden, invalid, not_found, success, unavailable
from gateway.api.fields import PUBLIC_WEBHOOKS, webhooks_context
from gateway.api.operations import NOBODY, PREFIX, Ask, Operation, Who
from gateway.api.ratelimit import Limiter
from gateway.egress.destinations import Policy
from gateway.errors import ApiError, GatewayError, StorageError

log = structlog.get_logger()

MOST_BODY_BYTES = 1024 * 1024
BODY_TIMEOUT_S = 15.0
_ID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}")
_BUG = Refusal(500, "Something went wrong here; the request id finds it in our log.", reason="internal_error")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Door:
    """Turns operations into routes; lives as long as the process.

    Args:
        guard: knows who asks.
        limiter: knows how often.
        now: the wall clock, for stamps and expiry.
        webhooks: where they may go, for the URLs in bodies.
    """

    def __init__(
        self,
        guard: Guard,
        limiter: Limiter,
        now: Callable[[], datetime] = _utc_now,
        webhooks: Policy = PUBLIC_WEBHOOKS,
    ) -> None:
        self._guard = guard
        self._limiter = limiter
        self._now = now
        self._context = webhooks_context(webhooks)

    def routes(self, operations: Iterable[Operation]) -> list[web.RouteDef]:
        """Return the routes of operations, and one for every other path and method below the prefix."""
        table = list(operations)
        methods: dict[str, set[str]] = {}
        for operation in table:
            methods.setdefault(operation.terms.path, set()).add(operation.terms.method)
        routes = [
            web.RouteDef(one.terms.method, PREFIX + one.terms.path, self._handler(one), {}) for one in table
        ]
        routes += [
            web.route("*", PREFIX + path, self._wrong_method(allowed)) for path, allowed in methods.items()
        ]
        return [*routes, web.route("*", PREFIX + "/{rest:.*}", self._nowhere)]

    def _handler(self, operation: Operation) -> Callable[[web.Request], Any]:
        adapter = None if operation.terms.answer is None else TypeAdapter(operation.terms.answer)

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._answer(request, operation, adapter)

        return handle

    def _wrong_method(self, allowed: set[str]) -> Callable[[web.Request], Any]:
        names = ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))

        async def handle(request: web.Request) -> web.StreamResponse:
            refusal = Refusal(405, f"Allowed here: {names}.", reason="method_not_allowed")
            return await self._refuse(request, refusal, {"Allow": names})

        return handle

    async def _nowhere(self, request: web.Request) -> web.StreamResponse:
        return await self._refuse(request, not_found("path"), {})

    async def _refuse(
        self, request: web.Request, refusal: Refusal, headers: dict[str, str]
    ) -> web.StreamResponse:
        """Answer what leads nowhere; it counts, by its address."""
        now, request_id = self._now(), str(uuid4())
        try:
            await self._limiter.count(f"address:{request.remote}", headers, now)
        except Refusal as limited:
            refusal = limited
        return _respond(refusal.status, failure(refusal, request_id, now), request_id, headers, refusal)

    async def _answer(
        self, request: web.Request, operation: Operation, adapter: TypeAdapter[Any] | None
    ) -> web.StreamResponse:
        now, request_id, headers = self._now(), str(uuid4()), dict[str, str]()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                ask = await self._ask(request, operation, request_id, now, headers)
                result = await operation.handler(ask)
                if adapter is None:
                    return cast(web.StreamResponse, result)
                data = adapter.dump_python(adapter.validate_python(result), mode="json")
                return _respond(operation.terms.status, success(data, request_id, now), request_id, headers)
            except Refusal as caught:
                refusal = caught
            except GatewayError as error:
                refusal = _translate(error)
            except Exception:  # outermost frame: a bug in one request is that request's alone
                log.exception("request_failed", operation=operation.name)
                refusal = _BUG
        return _respond(refusal.status, failure(refusal, request_id, now), request_id, headers, refusal)

    async def _ask(
        self,
        request: web.Request,
        operation: Operation,
        request_id: str,
        now: datetime,
        headers: dict[str, str],
    ) -> Ask:
        headers["X-Request-Id"] = request_id
        who = await self._recognize(request, operation, now, headers)
        for name, value in request.match_info.items():
            if not _ID.fullmatch(value):
                raise not_found(name.removesuffix("_id").replace("_", " "))
        query = _query(request, operation.terms.query)
        wanted = operation.terms.body
        body = None if wanted is None else await _body(request, wanted, self._context)
        return Ask(request, request_id, who, now, query, body, headers)

    async def _recognize(
        self, request: web.Request, operation: Operation, now: datetime, headers: dict[str, str]
    ) -> Who:
        if operation.terms.access == "open":
            await self._limiter.count(f"address:{request.remote}", headers, now)
            return NOBODY
        recognize = {"key": self._guard.key, "session": self._guard.user, "link": self._guard.link}[
            operation.terms.access
        ]
        try:
            who = await recognize(request, now)
        except Refusal as refusal:
            await self._limiter.count_failure(str(request.remote), headers, now)
            raise refusal from None
        await self._limiter.count(f"key:{who.key_id}" if who.key_id else f"user:{who.user_id}", headers, now)
        if operation.terms.access != "session" and operation.terms.scope not in who.scopes:
            message = f"This key lacks the scope {operation.terms.scope!r}."
            raise forbidden(message, "scope", scope=operation.terms.scope)
        return who


def _query(request: web.Request, kind: type[BaseModel]) -> BaseModel:
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise invalid({_printable(name): "is given twice"})
        values[name] = value
    return _validated(kind, values, strict=False)


async def _body(request: web.Request, kind: type[BaseModel], context: Mapping[str, Any]) -> BaseModel:
    if request.content_type != "application/json":
        raise Refusal(415, "Send Content-Type: application/json.", reason="content_type")
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            raw = await _read(request)
    except TimeoutError:
        raise Refusal(408, "The body did not arrive in time.", reason="slow_body") from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refusal(400, "The body broke off.", reason="broken_body") from None
    try:
        value = strict_json.parse(raw)
    except strict_json.BadJson as error:
        raise invalid({"body": str(error)}) from None
    return _validated(kind, value, context, strict=True)


async def _read(request: web.Request) -> bytes:
    """Read the body; not by aiohttp's own ``read``, whose limit is made for Twilio's small forms."""
    too_large = Refusal(413, f"The body must be at most {MOST_BODY_BYTES} bytes.", reason="too_large")
    if (request.content_length or 0) > MOST_BODY_BYTES:
        raise too_large
    chunks = bytearray()
    async for chunk in request.content.iter_any():
        chunks += chunk
        if len(chunks) > MOST_BODY_BYTES:
            raise too_large
    return bytes(chunks)


def _validated(
    kind: type[BaseModel], value: Any, context: Mapping[str, Any] | None = None, *, strict: bool
) -> BaseModel:
    try:
        return kind.model_validate(value, strict=strict, context=context)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False, include_context=False)
        raise invalid({_field(fault["loc"]): _sentence(fault["msg"]) for fault in faults[:20]}) from None


def _field(location: tuple[int | str, ...]) -> str:
    return _printable(".".join(map(str, location))) or "body"


def _printable(name: str) -> str:
    # The sender's own words, which may be long and hold line breaks.
    return name[:100] if name.isprintable() else ascii(name[:100])


def _sentence(message: str) -> str:
    return (
        message.removeprefix("Value error, ")
        .replace("Input should", "must")
        .replace("Extra inputs are not permitted", "is not known")
    )


def _translate(error: GatewayError) -> Refusal:
    """Turn what a part of ours raised into what who asked may know."""
    if isinstance(error, StorageError):
        if error.passing:
            log.warning("storage_unavailable", reason=error.reason)
            return unavailable("The database does not answer; try again.", "storage", 1.0)
        log.error("storage_failed", reason=error.reason, error=str(error))
        return _BUG
    log.warning("service_failed", reason=error.reason, kind=type(error).__name__)
    wait_s = error.retry_after_s if isinstance(error, ApiError) else None
    return unavailable("A service that this needs failed.", error.reason, wait_s)


def _respond(
    status: int,
    body: dict[str, Any],
    request_id: str,
    headers: dict[str, str],
    refusal: Refusal | None = None,
) -> web.Response:
    sent = {"Cache-Control": "no-store", **headers, "X-Request-Id": request_id}
    if refusal is not None and refusal.retry_after_s is not None:
        sent["Retry-After"] = str(max(1, math.ceil(refusal.retry_after_s)))
    if status == 401:
        sent["WWW-Authenticate"] = "Bearer"
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return web.Response(status=status, text=text, content_type="application/json", headers=sent)
