"""What `vatel-gateway check` finds with a real gateway, sandbox and simulator: all well, or one thing not."""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway import check, settings
from gateway.app import serving
from gateway.check import Finding, findings
from gateway.settings import Settings
from gateway.simulator.simulator import Simulator
from gateway.twilio.account import OwnNumber
from gateway.vatel.rest import VatelClient
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
        ["settings", "database", "recordings", "Vatel", "Twilio", "number", "public address"], True
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
    assert told_good.endswith("Nothing that was asked is wrong.\n")
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
    async with town() as place:

        async def forward(request: web.Request) -> web.Response:
            headers = {
                name: request.headers[name]
                for name in ("Content-Type", "X-Twilio-Signature")
                if name in request.headers
            }
            url = f"http://127.0.0.1:{place.port}{request.path}"
            async with place.http.post(url, data=await request.read(), headers=headers) as answer:
                return web.Response(status=answer.status)

        async with elsewhere([web.post("/twilio/{path}", forward)]) as url:
            wanted = place.settings("echo").model_copy(update={"public_url": url})
            async with serving(wanted, place.listener):
                finding = await alone("public address", wanted, monkeypatch)

    assert finding.good is False
    assert "lets no WebSocket through (HTTP 405)" in finding.told


@pytest.mark.parametrize("checked", [True, False])
async def test_gateway_that_checks_no_signature_is_told(
    monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    """Unless the settings have it so: then nothing is said of signatures that fit."""
    async with town() as place:
        believing = place.settings("echo", twilio={"validate_signatures": False})
        wanted = place.settings("echo", twilio={"validate_signatures": checked})
        async with serving(believing, place.listener):
            finding = await alone("public address", wanted, monkeypatch)

    assert finding.good is not checked
    assert ("takes what nobody signed" if checked else "signatures are not checked") in finding.told


async def test_address_of_this_machine_is_none_for_twilio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own may use it, the real one cannot."""
    async with town() as place:
        twilio: dict[str, object] = {"api_base_url": "https://api.twilio.com"}
        finding = await alone("public address", place.settings("echo", twilio=twilio), monkeypatch)

    assert finding.good is False
    assert "which Twilio cannot reach" in finding.told


async def test_gateway_that_takes_no_calls_now_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is draining, say."""
    async with town() as place:
        wanted = place.settings("echo")
        async with serving(wanted, place.listener) as gateway:
            gateway.registry.draining = True
            finding = await alone("public address", wanted, monkeypatch)

    assert finding.told.endswith("takes no calls now: draining")


async def test_agent_without_a_published_version_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, and takes no session: every call would fail."""
    async with town() as place:
        vatel = VatelClient(place.http, place.sandbox.url, place.sandbox.api_key)
        agent = await vatel.agents.create("bare")
        finding = await alone("Vatel", place.settings("echo", vatel={"agent_id": agent.id}), monkeypatch)

    assert finding.good is False
    assert "'bare' takes no session" in finding.told
    assert "published version" in finding.told


async def test_address_of_somebody_else_is_shown_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Users, passwords and keys in the webhooks of other numbers are nobody's business here."""
    async with town() as place, number_of(place, voice="https://u:canary@old.example/voice?key=canary"):
        finding = await alone("Twilio", place.settings("echo"), monkeypatch)

    assert finding.told == f"{NUMBER}: https://old.example/voice"


@pytest.mark.parametrize(
    ("voice_url", "same"),
    [
        ("https://voice.example/twilio/voice", True),
        ("https://voice.example:443/twilio/voice", True),
        ("https://user:pw@voice.example/twilio/voice", True),
        ("https://voice.example/twilio/voice?more=1", True),
        ("https://Voice.example/twilio/voice", False),
        ("https://voice.example/twilio/voice/", False),
        ("http://voice.example/twilio/voice", False),
    ],
)
def test_number_leads_here_when_its_signatures_fit(voice_url: str, same: bool) -> None:
    """What Twilio leaves out of a signature may differ, and nothing else."""
    number = OwnNumber(
        NUMBER, voice_url, "POST", "https://voice.example/twilio/status", "POST", "", voice=True
    )
    found = check._numbers("https://voice.example", [number])

    assert found[0].good is same


@pytest.mark.parametrize(
    ("changes", "good", "told"),
    [
        ({"voice_method": "GET"}, False, "to HTTP POST"),
        ({"elsewhere": "trunk"}, False, "no number leads here"),
        ({"elsewhere": "application"}, None, "no number leads here"),
        ({"voice": False}, False, "no number leads here"),
        ({"status_callback": ""}, None, 'set "Call status changes"'),
    ],
)
def test_number_that_is_not_set_up_is_judged(changes: dict[str, Any], good: bool | None, told: str) -> None:
    """A TwiML application may lead here all the same, and a call works without its status."""
    voice_url, status_url = (f"https://voice.example/twilio/{path}" for path in ("voice", "status"))
    whole = OwnNumber(NUMBER, voice_url, "POST", status_url, "POST", "", voice=True)
    found = check._numbers("https://voice.example", [replace(whole, **changes)])

    assert found[0].good is good
    assert told in found[0].told


async def test_fault_of_one_question_is_its_finding_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a library makes of an odd setting, the others are asked."""
    async with town() as place:
        wanted = place.settings("echo").model_copy(update={"public_url": f"https://{'a' * 70}.example"})
        finding = await alone("public address", wanted, monkeypatch)

    assert finding.good is False


def test_finding_is_one_line_a_fault_and_nothing_else() -> None:
    """What somebody else sent cannot speak to the terminal."""
    assert str(Finding("tools", False, "one\ntwo\x1b[31m")) == (
        "WRONG tools           one\n                      two\\x1b[31m"
    )


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
