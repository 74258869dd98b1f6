"""Twilio's REST API: calls (create, list, fetch, update), the account and its numbers, with their errors.

Reference sections 7 and 9; https://www.twilio.com/docs/iam/api/account,
https://www.twilio.com/docs/phone-numbers/api/incomingphonenumber-resource.
"""

import base64
import secrets
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qsl

from aiohttp import web

from gateway.simulator.call import Call
from gateway.simulator.forms import API_VERSION, FINAL, Form, Identity
from gateway.simulator.options import CallOptions, Fetch, Inline, Source
from gateway.simulator.progress import CallbackOptions

_LIVE: Final = frozenset({"queued", "initiated", "ringing", "in-progress"})
_WAITING: Final = frozenset({"queued", "initiated", "ringing"})
_MAX_TWIML_CHARS: Final = 4_000
_LONGEST_S: Final = 600.0
_LARGEST_PAGE: Final = 1_000

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Dial = Callable[[Identity, Source, CallOptions], Call]


class RestApi:
    """Answers ``/2010-04-01/Accounts/{AC}``. Lives as long as the simulator.

    Args:
        calls: every call of the simulator, live or over, by sid.
        dial: starts an outbound call.

    Attributes:
        refuse_next: how many requests are yet to be answered 429.
        lose_next: how many creates are yet to dial without an answer: the connection breaks.
        numbers: the account's numbers, each with the webhooks that are set for it: voice, then status.
    """

    def __init__(self, account_sid: str, auth_token: str, calls: dict[str, Call], dial: Dial) -> None:
        self.refuse_next = 0
        self.lose_next = 0
        self.numbers: dict[str, tuple[str, str]] = {}
        self._account_sid = account_sid
        login = base64.b64encode(f"{account_sid}:{auth_token}".encode()).decode()
        self._authorization = f"Basic {login}"
        self._calls = calls
        self._dial = dial

    def application(self) -> web.Application:
        """Build the aiohttp application."""
        app = web.Application()
        account = f"/{API_VERSION}/Accounts/{{account}}"
        app.router.add_get(f"{account}.json", self._guarded(self._account))
        app.router.add_get(f"{account}/IncomingPhoneNumbers.json", self._guarded(self._numbers))
        calls = f"{account}/Calls"
        app.router.add_post(f"{calls}.json", self._guarded(self._create))
        app.router.add_get(f"{calls}.json", self._guarded(self._list))
        app.router.add_get(f"{calls}/{{call}}.json", self._guarded(self._fetch))
        app.router.add_post(f"{calls}/{{call}}.json", self._guarded(self._update))
        return app

    def _guarded(self, handler: _Handler) -> _Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            refusal = self._refusal(request)
            return await handler(request) if refusal is None else refusal

        return handle

    async def _account(self, request: web.Request) -> web.Response:
        account = {"sid": self._account_sid, "friendly_name": "Simulator", "status": "active", "type": "Full"}
        return web.json_response(account)

    async def _numbers(self, request: web.Request) -> web.Response:
        found = (_number(number, *hooks) for number, hooks in self.numbers.items())
        return _page(request, "incoming_phone_numbers", found)

    async def _create(self, request: web.Request) -> web.Response:
        form = await _form(request)
        values = dict(form)
        fault = _create_fault(values)
        if fault is not None:
            return fault
        identity = Identity(
            account_sid=self._account_sid,
            call_sid=f"CA{secrets.token_hex(16)}",
            caller=values["From"],
            called=values["To"],
            direction="outbound-api",
        )
        source = _source(values)
        assert source is not None
        call = self._dial(identity, source, _asked(form))
        if self.lose_next and request.transport is not None:
            self.lose_next -= 1
            request.transport.abort()
        return web.json_response(resource(call), status=201)

    async def _list(self, request: web.Request) -> web.Response:
        """Answer one page, newest first; numbers and status narrow it."""
        asked = request.query
        found = (
            call
            for call in reversed(self._calls.values())
            if asked.get("To", call.identity.called) == call.identity.called
            and asked.get("From", call.identity.caller) == call.identity.caller
            and asked.get("Status", call.status) == call.status
        )
        return _page(request, "calls", (resource(call) for call in found))

    async def _fetch(self, request: web.Request) -> web.Response:
        call = self._calls.get(request.match_info["call"])
        return web.json_response(resource(call)) if call is not None else _not_found(request)

    async def _update(self, request: web.Request) -> web.Response:
        call = self._calls.get(request.match_info["call"])
        if call is None:
            return _not_found(request)
        values = dict(await _form(request))
        if call.status not in _LIVE:
            return _error(400, 21220, "Call is not in-progress. Cannot redirect.")
        source = _source(values)
        if values.get("Status") == "completed":
            call.end("rest_completed")
        elif values.get("Status") == "canceled":
            if call.status in _WAITING:
                call.end("rest_canceled")
        elif source is not None:
            call.redirect(source)
        return web.json_response(resource(call))

    def _refusal(self, request: web.Request) -> web.Response | None:
        if request.headers.get("Authorization") != self._authorization:
            return _error(401, 20003, "Authenticate")
        if self.refuse_next:
            self.refuse_next -= 1
            refused = _error(429, 20429, "Too Many Requests")
            refused.headers["Twilio-Concurrent-Requests"] = "101"
            return refused
        if request.match_info["account"] != self._account_sid:
            return _not_found(request)
        return None


def _page(request: web.Request, name: str, found: Iterable[dict[str, Any]]) -> web.Response:
    """Answer the first page of a list, which is the only one."""
    asked = request.query.get("PageSize", "50")
    if not asked.isdecimal() or not 0 < (size := int(asked[:5])) <= _LARGEST_PAGE:
        return _error(400, 20001, f"PageSize must be a number from 1 to {_LARGEST_PAGE}.")
    page = {"page": 0, "page_size": size, "next_page_uri": None}
    return web.json_response({name: list(islice(found, size)), **page})


async def _form(request: web.Request) -> Form:
    return parse_qsl(await request.text(), keep_blank_values=True)


def _create_fault(values: dict[str, str]) -> web.Response | None:
    if not values.get("To"):
        return _error(400, 21201, "No 'To' number is specified")
    if not values["To"].startswith(("+", "client:", "sip:")):
        return _error(400, 21211, "The 'To' phone number provided is not valid.")
    if not values.get("From"):
        return _error(400, 21213, "No 'From' number is specified")
    if _source(values) is None:
        return _error(400, 21205, "Url parameter is required.")
    if len(values.get("Twiml", "")) > _MAX_TWIML_CHARS:
        return _error(400, 21205, "Twiml must have at most 4000 characters.")
    return None


def _source(values: dict[str, str]) -> Source | None:
    # Url wins when both are given.
    if values.get("Url"):
        return Fetch(values["Url"], "GET" if values.get("Method") == "GET" else "POST")
    return Inline(values["Twiml"]) if values.get("Twiml") else None


def _asked(form: Form) -> CallOptions:
    """Read what a create asks for beside numbers and TwiML."""
    values = dict(form)
    asynchronous = values.get("AsyncAmd") == "true" and bool(values.get("MachineDetection"))
    return CallOptions(
        callbacks=_callbacks(form),
        detected_by=values.get("AsyncAmdStatusCallback") if asynchronous else None,
        max_seconds=float(values.get("TimeLimit") or _LONGEST_S),
    )


def _callbacks(form: Form) -> CallbackOptions:
    values = dict(form)
    # The key is repeated, once for each event.
    events = tuple(value for name, value in form if name == "StatusCallbackEvent")
    return CallbackOptions(
        url=values.get("StatusCallback"),
        method="GET" if values.get("StatusCallbackMethod") == "GET" else "POST",
        events=events or ("completed",),
    )


def resource(call: Call) -> dict[str, Any]:
    """Write a call as the REST API shows it: durations are strings, dates RFC 2822."""
    identity, now = call.identity, format_datetime(datetime.now(UTC))
    created = format_datetime(call.created_at)
    uri = f"/{API_VERSION}/Accounts/{identity.account_sid}/Calls/{identity.call_sid}"
    over = call.status in FINAL
    return {
        "sid": identity.call_sid,
        "account_sid": identity.account_sid,
        "api_version": API_VERSION,
        "status": call.status,
        "direction": identity.direction,
        "from": identity.caller,
        "from_formatted": identity.caller,
        "to": identity.called,
        "to_formatted": identity.called,
        "date_created": created,
        "date_updated": now,
        "start_time": None,
        "end_time": now if over else None,
        "duration": str(round(call.duration_s)) if over else None,
        "price": None,
        "price_unit": "USD",
        "answered_by": call.answered_by,
        "parent_call_sid": None,
        "queue_time": "0",
        "uri": f"{uri}.json",
        "subresource_uris": {"recordings": f"{uri}/Recordings.json"},
    }


def _number(number: str, voice_url: str, status_url: str) -> dict[str, Any]:
    return {
        "phone_number": number,
        "voice_url": voice_url,
        "voice_method": "POST",
        "voice_application_sid": "",
        "trunk_sid": None,
        "status_callback": status_url,
        "status_callback_method": "POST",
        "capabilities": {"voice": True, "sms": False, "mms": False, "fax": False},
    }


def _error(status: int, code: int, message: str) -> web.Response:
    body = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return web.json_response(body, status=status)


def _not_found(request: web.Request) -> web.Response:
    return _error(404, 20404, f"The requested resource {request.path} was not found")
