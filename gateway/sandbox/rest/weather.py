"""What all requests pass through: faults on demand, and errors of the HTTP layer in the API's own words."""

import asyncio

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.sandbox.httpfaults import HttpFaults, Rule
from gateway.sandbox.rest.answers import Refusal

_REASONS = {404: "no such path", 405: "method not allowed", 413: "the body is too large"}


def weather(faults: HttpFaults) -> Middleware:
    """Return a middleware that lets the rules in force decide first."""

    @web.middleware
    async def meet(request: web.Request, handler: Handler) -> web.StreamResponse:
        rule = faults.meet(request.method, request.path)
        if rule is not None and rule.delay_s:
            await asyncio.sleep(rule.delay_s)
        if rule is not None and rule.status:
            return _stormy(rule)
        try:
            return await handler(request)
        except web.HTTPException as error:
            allowed = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
            return Refusal(error.status, _REASONS.get(error.status, error.reason), allowed).answer()

    return meet


def _stormy(rule: Rule) -> web.Response:
    headers = {"Retry-After": str(rule.retry_after_s)} if rule.retry_after_s else {}
    return Refusal(rule.status, f"a fault on demand: {rule.status}" if rule.body else None, headers).answer()
