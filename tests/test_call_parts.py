"""What every call is put together from: settings to timers and clients, and the phone company's answers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from pydantic import SecretStr

from gateway.call_parts import carrier, hang_up, plain, timers, twilio_client, vatel_client
from gateway.settings import Settings
from gateway.storage.rows import Call
from gateway.twilio.rest import TwilioClient

ACCOUNT = "AC" + "2" * 32
SID = "CA" + "1" * 32


@asynccontextmanager
async def twilio(status: int = 200, body: Any = None) -> AsyncIterator[tuple[TwilioClient, list[str]]]:
    """Serve a Twilio that answers each request alike; yield its client and what was asked."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(f"{request.method} {request.path.rpartition('/')[2]}")
        return web.json_response(body or {"sid": SID, "status": "in-progress"}, status=status)

    app = web.Application()
    app.add_routes([web.route("*", "/{rest:.*}", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        async with aiohttp.ClientSession() as http:
            yield TwilioClient(http, ACCOUNT, "token", url, 1.0), asked
    finally:
        await runner.cleanup()


def call(call_sid: str | None = SID) -> Call:
    """Return a call."""
    fields: dict[str, Any] = dict.fromkeys(Call.__dataclass_fields__)
    return Call(**(fields | {"id": "c", "call_sid": call_sid}))


def test_secrets_are_read_where_they_are_needed() -> None:
    """A secret that is not set is empty."""
    assert plain(SecretStr("x")) == "x"
    assert plain(None) == ""


def test_timers_are_those_of_the_settings() -> None:
    """One try for the agent whole, and two seconds for another."""
    wanted = Settings.model_validate(
        {
            "vatel": {"connect_timeout_s": 4, "silence_timeout_s": 9},
            "calls": {"no_media_timeout_s": 3, "goodbye_max_s": 7, "max_duration_s": 600},
        }
    )
    found = timers(wanted)

    assert (found.connect_s, found.agent_silent_s, found.caller_silent_s) == (6, 9, 3)
    assert (found.drain_s, found.call_s) == (7, 600)
    assert timers(Settings()) != found


@pytest.mark.parametrize(
    ("given", "there"),
    [
        ({}, False),
        ({"account_sid": ACCOUNT}, False),
        ({"auth_token": "t"}, False),
        ({"account_sid": ACCOUNT, "auth_token": "t"}, True),
    ],
)
async def test_twilio_can_be_asked_with_credentials_only(given: dict[str, str], there: bool) -> None:
    """Without an account and its token there is no client, and no carrier to ask."""
    wanted = Settings.model_validate({"twilio": given})
    async with aiohttp.ClientSession() as http:
        client = twilio_client(wanted, http)
        assert vatel_client(wanted, http) is not None

    assert (client is not None) is there
    assert (carrier(client) is not None) is there


async def test_carrier_tells_and_ends() -> None:
    """The ledger learns a call's status in Twilio's words, and can end it."""
    async with twilio() as (client, asked):
        phone_company = carrier(client)
        assert phone_company is not None
        status = await phone_company.status(call())
        await phone_company.hang_up(call())

    assert status == "in-progress"
    assert asked == [f"GET {SID}.json", f"POST {SID}.json"]


async def test_carrier_that_fails_raises_nothing() -> None:
    """What cannot be learnt is None, what cannot be ended is logged."""
    async with twilio(401, {"code": 20003}) as (client, _):
        phone_company = carrier(client)
        assert phone_company is not None
        with structlog.testing.capture_logs() as logs:
            status = await phone_company.status(call())
            await phone_company.hang_up(call())
            await hang_up(client, SID)

    assert status is None
    assert [entry["event"] for entry in logs] == ["call_status_unknown", "hang_up_failed", "hang_up_failed"]


async def test_call_that_twilio_never_had() -> None:
    """A call without a SID is nothing to ask Twilio about."""
    async with twilio() as (client, asked):
        phone_company = carrier(client)
        assert phone_company is not None
        assert await phone_company.status(call(None)) is None
        await phone_company.hang_up(call(None))

    assert asked == []
