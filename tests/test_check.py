"""What `vatel-gateway check` finds with a real gateway, sandbox and simulator: all well, or one thing not."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from gateway import check, settings
from gateway.app import serving
from gateway.check import Finding, findings
from gateway.settings import Settings
from gateway.simulator.simulator import Simulator
from tests.databases import PostgresServer
from tests.front_door import ACCOUNT
from tests.test_app import TOKEN, Town, town
from tests.valkeys import Valkey, valkey

__all__ = ["valkey"]

NUMBER = "+15005550001"


@asynccontextmanager
async def number_of(place: Town, **hooks: str) -> AsyncIterator[Simulator]:
    """Be the Twilio of a town, with one number that is set up as the console shows it."""
    async with Simulator(ACCOUNT, TOKEN) as twilio:
        place.outside = twilio.rest_url
        twilio.rest.numbers[NUMBER] = (
            hooks.get("voice", f"{place.public_url}/twilio/voice"),
            hooks.get("status", f"{place.public_url}/twilio/status"),
        )
        yield twilio


async def asked(wanted: Settings) -> dict[str, Finding]:
    """Return what was found, by what it is about."""
    return {finding.about: finding async for finding in findings(wanted)}


async def alone(about: str, wanted: Settings, monkeypatch: pytest.MonkeyPatch) -> Finding:
    """Ask one question only, since nobody is there for the others; return the last finding of it."""
    monkeypatch.setattr(check, "_QUESTIONS", tuple(one for one in check._QUESTIONS if one[0] == about))
    *_, finding = (await asked(wanted)).values()
    return finding


async def test_all_is_well() -> None:
    """Whoever takes part in a call is asked, and the way from outside is gone to its end."""
    async with town() as place, number_of(place):
        wanted = place.settings("echo")
        async with serving(wanted, place.listener) as gateway:
            found = await asked(wanted)
            live = gateway.registry.live

    assert {about: finding.good for about, finding in found.items()} == dict.fromkeys(
        ["settings", "database", "Vatel", "Twilio", "number", "public address"], True
    )
    assert "'echo'" in found["Vatel"].told
    assert NUMBER in found["number"].told
    assert live == 0


async def test_status_tells_whether_something_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every finding is a line; the last one says what to do, and nothing secret is among them."""
    async with town() as place, number_of(place):
        wanted = place.settings("echo")
        monkeypatch.setattr(settings, "load", lambda given: wanted)
        monkeypatch.setattr(settings, "overrides", lambda given: {})
        async with serving(wanted, place.listener):
            good = await check.run(argparse.Namespace())
        told_good = capsys.readouterr().out
        bad = await check.run(argparse.Namespace())
        told_bad = capsys.readouterr().out

    assert (good, bad) == (0, 1)
    assert told_good.endswith("Nothing is wrong: call the number.\n")
    assert "WRONG public address" in told_bad
    assert "1 to be put right" in told_bad
    assert TOKEN not in told_good + told_bad
    assert place.sandbox.api_key not in told_good + told_bad


@pytest.mark.parametrize(
    ("section", "values", "about", "told"),
    [
        ("vatel", {"api_key": "another"}, "Vatel", "GATEWAY_VATEL__API_KEY"),
        ("vatel", {"agent_id": "11111111-0000-4000-8000-000000000009"}, "Vatel", "GATEWAY_VATEL__AGENT_ID"),
        ("vatel", {"base_url": "http://127.0.0.1:9"}, "Vatel", "GATEWAY_VATEL__BASE_URL"),
        ("twilio", {"auth_token": "another"}, "Twilio", "GATEWAY_TWILIO__ACCOUNT_SID and __AUTH_TOKEN"),
        ("twilio", {"auth_token": "another"}, "public address", "GATEWAY_PUBLIC_URL or auth token"),
    ],
)
async def test_setting_that_is_another_is_named(
    section: str, values: dict[str, object], about: str, told: str
) -> None:
    """The gateway runs with good settings, the check with one that is not."""
    async with town() as place, number_of(place), serving(place.settings("echo"), place.listener):
        found = await asked(place.settings("echo", **{section: values}))

    assert found[about].good is False
    assert told in found[about].told


@pytest.mark.parametrize(
    ("hooks", "told"),
    [
        ({"voice": "https://old.example/voice"}, 'no number leads here: set "A call comes in"'),
        ({"voice": ""}, 'no number leads here: set "A call comes in"'),
        ({"status": ""}, 'set "Call status changes"'),
    ],
)
async def test_number_that_is_set_up_otherwise_is_told_with_what_to_set(
    hooks: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words are those of Twilio's console, the address is ours."""
    async with town() as place, number_of(place, **hooks):
        monkeypatch.setattr(check, "_QUESTIONS", (("Twilio", check._twilio),))
        found = await asked(place.settings("echo"))

    assert (found["Twilio"].good, found["number"].good) == (True, False)
    assert told in found["number"].told
    assert place.public_url in found["number"].told


@asynccontextmanager
async def elsewhere(routes: list[web.RouteDef]) -> AsyncIterator[str]:
    """Be somebody else at the public address."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_address_that_leads_elsewhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody answers there, but no gateway."""
    async with town() as place, elsewhere([]) as url:
        wanted = place.settings("echo").model_copy(update={"public_url": url})
        finding = await alone("public address", wanted, monkeypatch)

    assert finding.good is False
    assert "answered by something else (HTTP 404)" in finding.told


async def test_proxy_that_passes_no_websocket_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Webhooks come through, the upgrade does not: Twilio would say error 31920."""

    async def webhook(request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def ready(request: web.Request) -> web.Response:
        return web.json_response({"status": "ready", "calls": 0})

    routes = [web.get("/readyz", ready), web.post("/twilio/stream-status", webhook)]
    async with town() as place, elsewhere(routes) as url:
        wanted = place.settings("echo").model_copy(update={"public_url": url})
        finding = await alone("public address", wanted, monkeypatch)

    assert finding.good is False
    assert "lets no WebSocket through (HTTP 404)" in finding.told


async def test_database_is_judged_and_not_made(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that the first start makes is fine, one in no folder is not; an empty PostgreSQL is too old."""
    async with town() as place:

        async def judged(url: str) -> Finding:
            return await alone("database", place.settings("echo", database={"url": url}), monkeypatch)

        fresh = await judged(f"sqlite:///{tmp_path / 'new.db'}")
        absent = await judged(f"sqlite:///{tmp_path / 'absent' / 'new.db'}")
        empty = await judged(await postgres.create("template1"))

    assert (fresh.good, absent.good, empty.good) == (True, False, False)
    assert not (tmp_path / "new.db").exists()
    assert "vatel-gateway migrate" in empty.told


async def test_cluster_that_is_set_is_asked(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers is fine, one that is not there is named after a while."""
    monkeypatch.setattr(check, "_CLUSTER_WITHIN_S", 0.3)
    async with town() as place:
        good = await alone("cluster", place.settings("echo", cluster={"url": valkey.url}), monkeypatch)
        bad = await alone(
            "cluster", place.settings("echo", cluster={"url": "valkey://127.0.0.1:9"}), monkeypatch
        )

    assert (good.good, bad.good) == (True, False)
    assert "GATEWAY_CLUSTER__URL" in bad.told


async def test_tools_file_with_a_fault_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its faults, as the gateway would tell them at its start."""
    (tmp_path / "tools.toml").write_text('[[tools]]\nname = "look_up"\n')
    async with town() as place:
        wanted = place.settings("echo", tools={"file": str(tmp_path / "tools.toml")})
        finding = await alone("tools", wanted, monkeypatch)

    assert finding.good is False
    assert "url" in finding.told
