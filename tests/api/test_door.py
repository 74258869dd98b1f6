"""The way in and out: envelope, headers, bodies, faults, and what leads nowhere."""

import asyncio
import io
import json
from typing import Any
from uuid import UUID

import pytest
import structlog
from aiohttp import web

from gateway.api import door as module
from gateway.api.auth import Guard
from gateway.api.door import MOST_BODY_BYTES, Door
from gateway.api.fields import Done
from gateway.api.operations import Ask, expose, operations_of
from gateway.api.ratelimit import Limiter
from gateway.api.server import server
from gateway.cluster.inprocess import LocalLimits
from gateway.errors import AgentConnectError, GatewayError, StorageError, TwilioApiError
from gateway.storage.database import Database
from tests.api.test_strict_json import HOSTILE
from tests.control_room import ControlRoom, control_room
from tests.tenants import an_id

RATE = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


async def test_every_answer_has_envelope_id_and_rate(room: ControlRoom) -> None:
    """Good, refused, unknown or not let in: the same frame, and the request id twice."""
    answers = [
        await room.get("/agents"),
        await room.post("/agents", {}),
        await room.get("/agents", key=None),
        await room.get(f"/agents/{an_id()}"),
        await room.get("/nowhere"),
        await room.ask("PUT", "/agents", {}),
        await room.get("/organizations"),
    ]

    assert [answer.status for answer in answers] == [200, 400, 401, 404, 404, 405, 403]
    for answer in answers:
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.body["meta"]["request_id"] == answer.headers["X-Request-Id"]
        assert str(UUID(answer.headers["X-Request-Id"])) == answer.headers["X-Request-Id"]
        assert answer.body["meta"]["timestamp"] == "2026-11-26T12:00:00.123Z"
        assert answer.body["success"] is (answer.status == 200)
        assert all(int(answer.headers[name]) >= 0 for name in RATE), answer.status
    assert len({answer.headers["X-Request-Id"] for answer in answers}) == len(answers)


async def test_limit_holds_for_a_key_and_no_other(database: Database) -> None:
    """Beyond it 429 with Retry-After, whatever headers pretend; the other tenant goes on."""
    async with control_room(database, requests_per_key=5) as room:
        forged = [{"X-Forwarded-For": f"10.0.0.{n}", "X-Real-IP": f"10.1.0.{n}"} for n in range(8)]
        answers = [await room.get("/agents", headers=headers) for headers in forged]
        other = await room.get("/agents", key="rival")

    assert [answer.status for answer in answers] == [200] * 5 + [429] * 3
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == list("43210000")
    assert answers[-1].reason == "rate_limit"
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 61
    assert {answer.headers["X-RateLimit-Limit"] for answer in answers} == {"5"}
    assert other.status == 200


async def test_requests_at_once_are_counted_each(database: Database) -> None:
    """A hundred at the same time: exactly the limit is served."""
    async with control_room(database, requests_per_key=30) as room, asyncio.TaskGroup() as group:
        asks = [group.create_task(room.get("/agents?limit=1")) for _ in range(60)]
    statuses = [ask.result().status for ask in asks]

    assert (statuses.count(200), statuses.count(429)) == (30, 30)


async def test_guessing_keys_is_slowed_and_harms_no_good_key(room: ControlRoom) -> None:
    """After some failures from an address 401 becomes 429; a good key from there still works."""
    guesses = [await room.get("/agents", key=f"va_{n:016x}_{'A' * 43}") for n in range(70)]
    good = await room.get("/agents")

    assert [answer.status for answer in guesses] == [401] * 60 + [429] * 10
    assert all(all(name in answer.headers for name in RATE) for answer in guesses)
    assert guesses[0].headers["WWW-Authenticate"] == "Bearer"
    assert good.status == 200
    assert good.headers["X-RateLimit-Remaining"] == "999"


async def test_hostile_bodies_are_refused(room: ControlRoom) -> None:
    """Whatever JSON readers stumble over is 400, and the next request is served."""
    for name, body in HOSTILE.items():
        refused = await room.ask("POST", "/agents", raw=body)
        assert refused.status in (400, 413), name
        assert refused.body["success"] is False
    assert (await room.get("/agents")).data["total"] == 1


@pytest.mark.parametrize("chunked", [False, True])
async def test_body_beyond_the_cap_is_refused(room: ControlRoom, chunked: bool) -> None:
    """Too many bytes are 413, announced or not; as many as allowed are read."""

    async def chunks() -> Any:
        for _ in range(MOST_BODY_BYTES // 1024 + 1):
            yield b" " * 1024

    data: Any = chunks() if chunked else io.BytesIO(b" " * (MOST_BODY_BYTES + 1))
    url = f"http://127.0.0.1:{room.port}/api/v1/agents"
    headers = {"Authorization": f"Bearer {room.keys['acme']}", "Content-Type": "application/json"}
    async with room.http.post(url, data=data, headers=headers) as answer:
        refused = answer.status
    full = json.dumps({"name": "x", "system_prompt": "y"}).encode().ljust(MOST_BODY_BYTES)

    assert refused == 413
    assert (await room.ask("POST", "/agents", raw=full)).status == 201


async def test_prompt_beyond_twilios_form_limit_is_taken(room: ControlRoom) -> None:
    """Prompts may be longer than the server's limit for Twilio's forms."""
    created = await room.post("/agents", {"name": "x", "system_prompt": "é" * 50_000})

    assert created.status == 201
    assert len(created.data["system_prompt"]) == 50_000


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""])
async def test_body_must_be_announced_as_json(room: ControlRoom, kind: str) -> None:
    """Anything else, and nothing, is 415: a form of a foreign page cannot pass for JSON."""
    refused = await room.ask("POST", "/agents", raw=b"{}", headers={"Content-Type": kind})

    assert (refused.status, refused.reason) == (415, "content_type")


async def test_slow_body_is_given_up(room: ControlRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who announces a body and does not send it is told so after a while."""
    monkeypatch.setattr(module, "BODY_TIMEOUT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", room.port)
    writer.write(
        f"POST /api/v1/agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {room.keys['acme']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{".encode()
    )
    status = await reader.readline()
    writer.close()

    assert b" 408 " in status


@pytest.mark.parametrize("rest", [b"zz\r\n{}\r\n0\r\n\r\n", b"5\r\n{"], ids=["no chunk", "breaks off"])
async def test_broken_body_is_no_bug_of_ours(room: ControlRoom, rest: bytes) -> None:
    """A body that is no HTTP, or ends with its connection, leaves no traceback in the log."""
    with structlog.testing.capture_logs() as logs:
        reader, writer = await asyncio.open_connection("127.0.0.1", room.port)
        writer.write(
            f"POST /api/v1/agents HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {room.keys['acme']}\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        await writer.drain()
        writer.write(rest)
        writer.write_eof()
        status = await reader.readline()
        writer.close()
        again = await room.get("/agents")

    assert status == b"" or b" 400 " in status
    assert again.status == 200
    assert [log["event"] for log in logs] == []


MISFITS = {
    "/agents?limit=0": "limit",
    "/agents?limit=101": "limit",
    "/agents?limit=ten": "limit",
    "/agents?offset=-1": "offset",
    "/agents?limit=5&limit=6": "limit",
    "/agents?api_key=va_x": "api_key",
    "/agents?enabled=maybe": "enabled",
    "/tasks?status=sleeping": "status",
    "/tasks?agent_id=' OR 1=1 --": "agent_id",
    "/calls?number=030123": "number",
    "/calls?since=yesterday": "since",
    "/agents?x%0d%0ay=1": "'x\\r\\ny'",
}


async def test_query_that_does_not_fit_is_named(room: ControlRoom) -> None:
    """Unknown, doubled or wrong parameters are 400, a key in the query among them."""
    for path, field in MISFITS.items():
        refused = await room.get(path)
        assert (refused.status, refused.reason) == (400, "validation"), path
        assert refused.body["details"]["field"] == field
        assert "va_x" not in refused.raw.decode()


async def test_id_that_cannot_be_one_is_not_there(room: ControlRoom) -> None:
    """It never reaches the database: 404, or 400 where the path itself is no path."""
    for thing in ("x", "%00", "..%2f..%2fetc", "1 OR 1=1", "A" * 3_000, "3F0C1F5E", "%ff"):
        assert (await room.get(f"/agents/{thing}")).status in (400, 404), thing


ALLOWED = {
    ("PUT", "/agents"): "GET, HEAD, POST",
    ("POST", f"/agents/{an_id()}"): "DELETE, GET, HEAD, PATCH",
    ("GET", "/tasks:check"): "POST",
    ("OPTIONS", "/calls"): "GET, HEAD",
    ("TRACE", "/calls"): "GET, HEAD",
}


async def test_method_that_is_not_there_is_told_which_are(room: ControlRoom) -> None:
    """405 with Allow, in the envelope."""
    for (method, path), allowed in ALLOWED.items():
        refused = await room.ask(method, path)
        assert (refused.status, refused.headers["Allow"]) == (405, allowed), path
        assert refused.reason == "method_not_allowed"


async def test_what_leads_nowhere_counts_too(database: Database) -> None:
    """Paths that are not there cannot be tried for ever."""
    async with control_room(database, requests_per_key=3) as room:
        statuses = [(await room.get("/nowhere", key=None)).status for _ in range(5)]

    assert statuses == [404, 404, 404, 429, 429]


class Faulty:
    """Operations that fail in every way."""

    fault: Exception = LookupError("canary")

    @expose("GET", "/fault", Done)
    async def fail(self, ask: Ask) -> str:
        """Fail."""
        raise self.fault

    @expose("GET", "/wrong", Done)
    async def wrong(self, ask: Ask) -> str:
        """Answer what is not promised."""
        return "canary"


FAULTS: list[tuple[Exception, int, str, str | None]] = [
    (LookupError("canary"), 500, "internal_error", None),
    (StorageError("canary", reason="busy"), 503, "storage", "1"),
    (StorageError("canary", reason="failed"), 500, "internal_error", None),
    (TwilioApiError("canary", reason="rate", retry_after_s=3.2), 503, "rate", "4"),
    (AgentConnectError("canary", reason="refused"), 503, "refused", None),
    (GatewayError("canary"), 503, "error", None),
]


async def test_faults_inside_are_told_without_their_words(room: ControlRoom) -> None:
    """A bug is 500, a service that fails 503; what they say stays in the log, with the request's id."""
    faulty = Faulty()
    door = Door(Guard(room.database), Limiter(LocalLimits()))
    runner = server(door.routes(operations_of(faulty)))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    room.port = runner.addresses[0][1]
    with_ids = [structlog.contextvars.merge_contextvars]
    for fault, status, reason, retry_after in FAULTS:
        faulty.fault = fault
        with structlog.testing.capture_logs(processors=with_ids) as logs:
            answer = await room.get("/fault")
        assert (answer.status, answer.reason) == (status, reason)
        assert answer.headers.get("Retry-After") == retry_after
        assert "canary" not in answer.raw.decode()
        assert [log["request_id"] for log in logs] == [answer.headers["X-Request-Id"]]
    wrong = await room.get("/wrong")
    await runner.cleanup()

    assert (wrong.status, "canary" in wrong.raw.decode()) == (500, False)
