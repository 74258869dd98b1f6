"""The Calls API against a real server that answers by script."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from gateway.errors import TwilioApiError
from gateway.twilio.calls import CallResource, NewCall
from gateway.twilio.rest import MAX_BODY_BYTES, TwilioClient

ACCOUNT_SID = "AC" + "0" * 32
CALL_SID = "CA" + "1" * 32
TOKEN = "s3cret-token"
CALLS = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Calls"
OUTBOUND = NewCall(
    "+15550101", "+15550100", url="https://gw.example.com/voice", events=("ringing", "completed")
)


@dataclass(frozen=True)
class Reply:
    """One scripted answer."""

    http: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


Answer = Reply | Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Script:
    """Answers in order, the last one for ever, and what was asked."""

    answers: list[Answer]
    asked: list[tuple[str, str, list[tuple[str, str]]]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        form = [(name, str(value)) for name, value in (await request.post()).items()]
        self.asked.append((request.method, request.raw_path, form))
        self.authorizations.append(request.headers["Authorization"])
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Reply):
            return web.Response(status=answer.http, body=answer.body, headers=answer.headers)
        return await answer(request)


@asynccontextmanager
async def twilio(*answers: Answer, timeout_s: float = 5.0) -> AsyncIterator[tuple[TwilioClient, Script]]:
    script = Script(list(answers))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    async with TestServer(app) as server, aiohttp.ClientSession(trust_env=False) as session:
        base_url = str(server.make_url("/"))
        yield (
            TwilioClient(
                session, ACCOUNT_SID, TOKEN, base_url, timeout_s, retry_pause_s=0.0, retry_after_cap_s=0.01
            ),
            script,
        )


def call(status: str = "queued", *, http: int = 200) -> Reply:
    return Reply(http, json.dumps({"sid": CALL_SID, "status": status}).encode())


def fault(http: int, code: int | None = None) -> Reply:
    """Refuse as Twilio does, with or without its number."""
    body = {"message": "for +15550101", "status": http} | ({} if code is None else {"code": code})
    return Reply(http, json.dumps(body).encode())


async def failure(asking: Awaitable[object]) -> TwilioApiError:
    with pytest.raises(TwilioApiError) as caught:
        await asking
    return caught.value


async def test_create_posts_a_form_with_basic_auth() -> None:
    """A call is asked for as the documents say, repeated event keys included."""
    async with twilio(call(http=201)) as (client, script):
        assert await client.create_call(OUTBOUND) == CallResource(CALL_SID, "queued")
    assert script.asked == [("POST", f"{CALLS}.json", OUTBOUND.form())]
    assert [value for name, value in script.asked[0][2] if name == "StatusCallbackEvent"] == [
        "ringing",
        "completed",
    ]
    assert script.authorizations == [f"Basic {b64encode(f'{ACCOUNT_SID}:{TOKEN}'.encode()).decode()}"]


async def test_update_and_fetch_name_the_call() -> None:
    """Each operation has its path and method, and sends only what is set."""
    async with twilio(call("in-progress")) as (client, script):
        updated = await client.update_call(CALL_SID, twiml="<Response/>", time_limit_s=60)
        assert updated.status == "in-progress"
        assert (await client.fetch_call(CALL_SID)).sid == CALL_SID
    path = f"{CALLS}/{CALL_SID}.json"
    assert script.asked == [
        ("POST", path, [("Twiml", "<Response/>"), ("TimeLimit", "60")]),
        ("GET", path, []),
    ]


async def test_call_sid_cannot_leave_its_place_in_the_path() -> None:
    """A slash or a query in an identifier is quoted."""
    async with twilio(fault(404, 20404)) as (client, script):
        await failure(client.fetch_call("../../Accounts?x=1#y"))
    assert script.asked[0][1] == f"{CALLS}/..%2F..%2FAccounts%3Fx=1%23y.json"


async def test_hang_up_completes_the_call() -> None:
    """Hanging up is an update of the status; the body of the answer does not matter."""
    async with twilio(Reply(200)) as (client, script):
        assert await client.hang_up(CALL_SID) is True
    assert script.asked == [("POST", f"{CALLS}/{CALL_SID}.json", [("Status", "completed")])]


@pytest.mark.parametrize(("http", "code"), [(400, 21220), (404, 20404)])
async def test_hang_up_of_a_call_that_is_over_succeeds(http: int, code: int) -> None:
    """Twilio's two ways of saying too late are no failure, and are not asked twice."""
    async with twilio(fault(http, code)) as (client, script):
        assert await client.hang_up(CALL_SID) is False
    assert len(script.asked) == 1


async def test_hang_up_that_meets_a_strange_404_fails() -> None:
    """A 404 without Twilio's number may come from a wrong address: the call may well be up."""
    async with twilio(Reply(404, b"nginx")) as (client, _):
        assert (await failure(client.hang_up(CALL_SID))).reason == "not_found"


@pytest.mark.parametrize(
    ("answer", "reason", "code"),
    [
        (fault(401, 20003), "auth", 20003),
        (fault(403), "auth", None),
        (fault(404, 20404), "not_found", 20404),
        (fault(404), "not_found", None),
        (fault(400, 21220), "not_in_progress", 21220),
        (fault(400, 21211), "bad_request", 21211),
        (Reply(400), "bad_request", None),
        (Reply(418, b"[" * 50_000), "bad_request", None),
        (Reply(400, b'{"code":"21220"}'), "bad_request", None),
        (Reply(400, b"\xff\xfe"), "bad_request", None),
        (Reply(302, headers={"Location": "/elsewhere"}), "bad_answer", None),
        (Reply(200), "bad_answer", None),
        (Reply(200, b"<html>"), "bad_answer", None),
        (Reply(200, b"[]"), "bad_answer", None),
        (Reply(200, b'{"sid":7}'), "bad_answer", None),
        (Reply(200, b" " * (MAX_BODY_BYTES + 1)), "bad_answer", None),
    ],
)
async def test_refusal_has_a_name_and_is_final(answer: Reply, reason: str, code: int | None) -> None:
    """Empty, foreign and oversized bodies survive; nothing of this kind is tried again or followed."""
    async with twilio(answer) as (client, script):
        error = await failure(client.fetch_call(CALL_SID))
    assert (error.reason, error.code, error.status) == (reason, code, answer.http)
    assert len(script.asked) == 1


async def test_answer_of_exactly_the_limit_is_read() -> None:
    """The cap on bodies is inclusive."""
    body = json.dumps({"sid": CALL_SID}).ljust(MAX_BODY_BYTES)
    async with twilio(Reply(200, body.encode())) as (client, _):
        assert (await client.fetch_call(CALL_SID)).sid == CALL_SID


async def test_endless_answer_is_cut() -> None:
    """A body that never ends is left at the cap, long before the deadline."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    async with twilio(endless) as (client, _), asyncio.timeout(4.0):
        assert (await failure(client.fetch_call(CALL_SID))).reason == "bad_answer"


async def test_errors_hold_neither_token_nor_number() -> None:
    """Twilio's own words may quote a number; ours do not."""
    async with twilio(fault(400, 21211)) as (client, _):
        error = await failure(client.create_call(OUTBOUND))
    assert "+1555" not in str(error)
    assert TOKEN not in str(error)
    assert "21211" in str(error)


@pytest.mark.parametrize("answer", [fault(500), fault(503, 20503), Reply(502), call(http=200)])
async def test_create_is_asked_once_whatever_comes(answer: Reply) -> None:
    """An answer that leaves open whether the call exists is never followed by a second call."""
    async with twilio(answer) as (client, script):
        if answer.http == 200:
            await client.create_call(OUTBOUND)
        else:
            assert (await failure(client.create_call(OUTBOUND))).reason == "server_error"
    assert len(script.asked) == 1


async def test_create_that_is_cut_off_is_asked_once() -> None:
    """A connection that drops after the request may have dialled."""

    async def drop(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with twilio(drop) as (client, script):
        assert (await failure(client.create_call(OUTBOUND))).reason == "unreachable"
    assert len(script.asked) == 1


async def test_create_is_repeated_after_429_alone() -> None:
    """Twilio turns 429 away before it does anything, so asking again is safe; three times in all."""
    async with twilio(fault(429, 20429), fault(429, 20429), call(http=201)) as (client, script):
        assert (await client.create_call(OUTBOUND)).sid == CALL_SID
    assert len(script.asked) == 3
    async with twilio(fault(429, 20429)) as (client, script):
        assert (await failure(client.create_call(OUTBOUND))).reason == "rate_limited"
    assert len(script.asked) == 3


async def test_create_stops_at_the_first_doubt_after_429() -> None:
    """A retry that meets a server error ends there."""
    async with twilio(fault(429), fault(500), call(http=201)) as (client, script):
        assert (await failure(client.create_call(OUTBOUND))).reason == "server_error"
    assert len(script.asked) == 2


@pytest.mark.parametrize("bad", [fault(429), fault(500), Reply(503)])
async def test_repeatable_operations_are_tried_three_times(bad: Reply) -> None:
    """Fetching, updating and hanging up may be asked again."""
    async with twilio(bad, bad, call()) as (client, script):
        assert (await client.fetch_call(CALL_SID)).sid == CALL_SID
        assert len(script.asked) == 3
    async with twilio(bad) as (client, script):
        await failure(client.hang_up(CALL_SID))
    assert len(script.asked) == 3


class Pauses(TwilioClient):
    """A client that tells how long it would wait."""

    waited: list[float]

    def _pause_s(self, retries: int, answer: object) -> float:
        pause_s = super()._pause_s(retries, answer)  # type: ignore[arg-type]
        self.waited.append(pause_s)
        return 0.0


@pytest.mark.parametrize(
    ("retry_after", "waited"),
    [
        (None, [0.25, 0.5]),
        ("1", [1.0, 1.0]),
        ("0", [0.0, 0.0]),
        ("3600", [2.0, 2.0]),
        ("9" * 400, [2.0, 2.0]),
        ("-1", [0.25, 0.5]),
        ("soon", [0.25, 0.5]),
        ("Sat, 21 Nov 2026 10:00:00 GMT", [0.25, 0.5]),
    ],
)
async def test_retry_after_is_honoured_up_to_the_cap(retry_after: str | None, waited: list[float]) -> None:
    """Seconds count, up to two of them; anything else falls back to the doubling pause."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    script = Script([Reply(429, headers=headers)])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", script.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        client = Pauses(session, ACCOUNT_SID, TOKEN, str(server.make_url("/")))
        client.waited = []
        await failure(client.fetch_call(CALL_SID))
    assert client.waited == waited


async def test_silent_server_ends_in_timeout() -> None:
    """Each try has its deadline; a timeout is not tried again."""

    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with twilio(silent, timeout_s=0.1) as (client, script):
        error = await failure(client.fetch_call(CALL_SID))
    assert (error.reason, error.status) == ("timeout", 0)
    assert len(script.asked) == 1


async def test_dripping_body_ends_in_timeout() -> None:
    """The deadline covers the last byte, not the next one."""

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.02)

    async with twilio(drip, timeout_s=0.2) as (client, _):
        assert (await failure(client.fetch_call(CALL_SID))).reason == "timeout"


async def test_closed_port_is_unreachable() -> None:
    """No server at all is told from a server that refuses, and is tried again for repeatable operations."""
    async with aiohttp.ClientSession() as session:
        base_url = f"http://127.0.0.1:{unused_port()}"
        client = Pauses(session, ACCOUNT_SID, TOKEN, base_url)
        client.waited = []
        assert (await failure(client.fetch_call(CALL_SID))).reason == "unreachable"
        assert len(client.waited) == 2
        assert (await failure(client.create_call(OUTBOUND))).reason == "unreachable"
        assert len(client.waited) == 2


async def test_find_names_both_numbers_in_the_query() -> None:
    """Plus signs and all; the list comes as Twilio orders it."""
    body = json.dumps({"calls": [{"sid": "CA2"}, {"sid": "CA1", "status": "ringing"}]}).encode()
    async with twilio(Reply(200, body)) as (client, script):
        found = await client.find_calls("+15550101", "+15550100")

    assert found == [CallResource("CA2"), CallResource("CA1", "ringing")]
    assert script.asked == [("GET", f"{CALLS}.json?To=%2B15550101&From=%2B15550100&PageSize=50", [])]


async def test_find_is_repeatable_and_says_when_it_does_not_know() -> None:
    """An answer that is no list is not an empty one."""
    async with twilio(fault(500), Reply(200, b'{"calls":[]}')) as (client, _):
        assert await client.find_calls("+1", "+2") == []
    async with twilio(Reply(200, b"{}")) as (client, _):
        assert (await failure(client.find_calls("+1", "+2"))).reason == "bad_answer"


async def test_account_and_numbers_are_asked_for_below_its_sid() -> None:
    """What answers is Twilio, or it is said that it is not."""
    account = CALLS.removesuffix("/Calls")
    pages = [
        {"incoming_phone_numbers": [{"phone_number": number}], "next_page_uri": following}
        for number, following in (("+15550100", "/next?Page=1"), ("+15550101", None))
    ]
    first, second = (Reply(200, json.dumps(page).encode()) for page in pages)
    active = Reply(200, b'{"sid": "AC1", "status": "active", "type": "Full"}')
    async with twilio(active, first, second) as (client, script):
        assert (await client.fetch_account()).status == "active"
        assert [one.number for one in await client.list_numbers()] == ["+15550100", "+15550101"]
    assert [path for _, path, _ in script.asked] == [
        f"{account}.json",
        f"{account}/IncomingPhoneNumbers.json?PageSize=100",
        "/next?Page=1",
    ]

    async with twilio(Reply(200, b"{}"), Reply(200, b"{}"), fault(401, 20003)) as (client, _):
        assert (await failure(client.fetch_account())).reason == "bad_answer"
        assert (await failure(client.list_numbers())).reason == "bad_answer"
        assert (await failure(client.fetch_account())).reason == "auth"
