"""``vatel-gateway check``: whether a real call would work, asked of everybody who takes part in it.

Settings, database, other nodes, tools, Vatel, the Twilio account and its numbers are each asked for
themselves. The public address is asked as Twilio would: over the internet and back to the gateway that runs
behind it, with a signed webhook and a signed WebSocket. Nothing is changed anywhere.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from gateway import settings as configuration
from gateway.audio.fillers import load_filler
from gateway.call_parts import plain, twilio_client, vatel_client
from gateway.cluster.valkey import ValkeyCluster
from gateway.errors import GatewayError, TwilioApiError, VatelApiError
from gateway.foundations import at_work, open_cluster
from gateway.settings import Settings, environment
from gateway.storage.database import Database
from gateway.storage.migrations import check_schema
from gateway.storage.overview import Overview
from gateway.telemetry import log
from gateway.tools import loading
from gateway.twilio import signature
from gateway.twilio.account import OwnNumber
from gateway.vatel.models import Agent

_PATIENCE_S = 10.0
_CLUSTER_WITHIN_S = 3.0
_NO_CALL = "CA" + "0" * 32
_NAME_WIDTH = 15


@dataclass(frozen=True, slots=True)
class Finding:
    """What one question came to; ``good`` is None when it could not be asked."""

    about: str
    good: bool | None
    told: str

    def __str__(self) -> str:
        state = {True: "ok", False: "WRONG", None: "-"}[self.good]
        return f"{state:<6}{self.about:<{_NAME_WIDTH}} {self.told}"


Ask = Callable[[Settings, aiohttp.ClientSession], Awaitable[Iterable[Finding]]]


async def run(arguments: argparse.Namespace) -> int:
    """Check, and print each finding as it comes; 0 when nothing is wrong, else 1.

    Raises:
        ConfigError: settings that cannot be read, or that lack what serving needs.
    """
    settings = configuration.load(configuration.overrides(arguments))
    settings.require_serving()
    log.configure("error", settings.log.format, secrets=settings.secrets())
    wrong = 0
    async for finding in findings(settings):
        print(finding, flush=True)  # noqa: T201 - the command line's own voice
        wrong += finding.good is False
    print(_verdict(wrong))  # noqa: T201
    return 1 if wrong else 0


def _verdict(wrong: int) -> str:
    if not wrong:
        return "\nNothing is wrong: call the number."
    return f"\n{wrong} to be put right; then check again."


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """Ask everybody, one after the other.

    Args:
        settings: complete for serving.
    """
    yield Finding("settings", True, "all that serving needs is set")
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},
        timeout=aiohttp.ClientTimeout(total=_PATIENCE_S),
    ) as http:
        for about, ask in _QUESTIONS:
            try:
                for finding in await ask(settings, http):
                    yield finding
            except GatewayError as error:
                yield Finding(about, False, str(error))


async def _database(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    if (not_yet := _not_yet_made(settings.database.effective_url)) is not None:
        return [not_yet]
    database = Database.open(settings.database.effective_url)
    try:
        if database.kind == "postgresql":
            await check_schema(database)
        await Overview(database).answers()
    finally:
        await database.close()
    told = "SQLite, it answers" if database.kind == "sqlite" else "PostgreSQL, its schema is up to date"
    return [Finding("database", True, told)]


def _not_yet_made(url: str) -> Finding | None:
    """Judge a SQLite file that is not there: opening it would make it."""
    file = Path(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite:") or file.exists():
        return None
    if file.absolute().parent.is_dir():
        return Finding("database", True, "SQLite: the first start makes it")
    return Finding("database", False, f"there is no folder for {file}: make it")


async def _cluster(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    cluster = open_cluster(settings)
    if not isinstance(cluster, ValkeyCluster):
        return []
    async with at_work(cluster.run):
        for _ in range(int(_CLUSTER_WITHIN_S / 0.05)):
            if cluster.connected:
                return [Finding("cluster", True, "Redis or Valkey answers")]
            await asyncio.sleep(0.05)
    return [Finding("cluster", False, "Redis or Valkey does not answer: see GATEWAY_CLUSTER__URL")]


async def _tools(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    if settings.tools.file is None:
        return []
    path = Path(settings.tools.file)
    await asyncio.to_thread(loading.load, path, environment(), load_filler)
    return [Finding("tools", True, f"{path} can be used; more is told by: vatel-gateway tools check")]


async def _vatel(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    vatel, agent_id = vatel_client(settings, http), settings.vatel.agent_id or ""
    try:
        agent: Agent = await vatel.agents.get(agent_id)
    except VatelApiError as error:
        return [Finding("Vatel", False, _vatel_fault(error, agent_id))]
    return [Finding("Vatel", True, f"the agent {agent.name!r} is there")]


def _vatel_fault(error: VatelApiError, agent_id: str) -> str:
    if error.reason in ("unauthorized", "forbidden"):
        return "the key is refused: copy it again into GATEWAY_VATEL__API_KEY"
    if error.reason in ("not_found", "bad_id"):
        return f"there is no agent {agent_id} under this key: see GATEWAY_VATEL__AGENT_ID"
    return f"{error} (GATEWAY_VATEL__BASE_URL)"


async def _twilio(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    twilio = twilio_client(settings, http)
    if twilio is None:
        return [Finding("Twilio", None, "no credentials: calls are neither hung up nor placed by its API")]
    try:
        account = await twilio.fetch_account()
        numbers = await twilio.list_numbers()
    except TwilioApiError as error:
        if error.reason in ("auth", "not_found"):
            told = "account and token do not fit: see GATEWAY_TWILIO__ACCOUNT_SID and __AUTH_TOKEN"
            return [Finding("Twilio", False, told)]
        raise
    trial = "; it is a trial: it calls verified numbers only" if account.kind == "Trial" else ""
    good = account.status == "active"
    return [
        Finding("Twilio", good, f"the account is {account.status or 'in an unknown state'}{trial}"),
        *_numbers(settings.public_url or "", numbers),
    ]


def _numbers(public_url: str, numbers: list[OwnNumber]) -> list[Finding]:
    voice_url, status_url = f"{public_url}/twilio/voice", f"{public_url}/twilio/status"
    able = [one for one in numbers if one.voice]
    mine = [one for one in able if not one.elsewhere and one.voice_url == voice_url]
    if not mine:
        told = f'no number leads here: set "A call comes in" of one to {voice_url}, HTTP POST'
        others = [Finding("", None, f"{one.number}: {_leads_to(one)}") for one in able[:10]]
        return [
            Finding("number", False, told if able else "the account has no number for voice: buy one"),
            *others,
        ]
    return [_number(one, status_url) for one in mine]


def _leads_to(one: OwnNumber) -> str:
    return f"it is for {one.elsewhere}" if one.elsewhere else one.voice_url or "no webhook is set"


def _number(one: OwnNumber, status_url: str) -> Finding:
    if one.voice_method != "POST":
        return Finding("number", False, f'{one.number}: set "A call comes in" to HTTP POST')
    if (one.status_callback, one.status_callback_method) != (status_url, "POST"):
        told = f'{one.number} leads here; set "Call status changes" to {status_url}, HTTP POST'
        return Finding("number", False, told)
    return Finding("number", True, f"{one.number} leads here")


async def _public(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    """Go the way that Twilio goes; the first step that fails tells what is in the way."""
    public_url = settings.public_url or ""
    for step in (_reached, _signed, _socket):
        if fault := await _tried(step, settings, http):
            return [Finding("public address", False, f"{public_url} {fault}")]
    told = "leads to this gateway; signatures fit, and WebSockets come through"
    return [Finding("public address", True, f"{public_url} {told}")]


async def _tried(
    step: Callable[[Settings, aiohttp.ClientSession], Awaitable[str | None]],
    settings: Settings,
    http: aiohttp.ClientSession,
) -> str | None:
    try:
        return await step(settings, http)
    except TimeoutError:
        return "does not answer in time: does the gateway run, and the tunnel or proxy before it?"
    except aiohttp.ClientConnectorCertificateError:
        return "has a certificate that is not trusted: Twilio refuses it as well"
    except aiohttp.ClientError as error:
        return f"cannot be reached ({type(error).__name__}): does the gateway run, and the tunnel before it?"


async def _reached(settings: Settings, http: aiohttp.ClientSession) -> str | None:
    async with http.get(f"{settings.public_url}/readyz", allow_redirects=False) as answer:
        body = await answer.content.read(1_000)
    if b'"status"' not in body:
        return f"is answered by something else (HTTP {answer.status}): where does the tunnel or proxy lead?"
    return None if answer.status == 200 else f"takes no calls now: {body.decode(errors='replace')}"


async def _signed(settings: Settings, http: aiohttp.ClientSession) -> str | None:
    """Post what Twilio posts of a stream, of a call that does not exist: nobody takes note of it."""
    url = f"{settings.public_url}/twilio/stream-status"
    form = [("AccountSid", settings.twilio.account_sid or ""), ("CallSid", _NO_CALL)]
    async with http.post(url, data=form, headers=_signature(settings, url, form)) as answer:
        if answer.status == 403:
            return (
                "refuses what is signed for it (403; Twilio would say error 11200): the gateway that runs has"
                " another GATEWAY_PUBLIC_URL or auth token, or a proxy changes the path"
            )
        return None if answer.status == 204 else f"answers a webhook with HTTP {answer.status}"


async def _socket(settings: Settings, http: aiohttp.ClientSession) -> str | None:
    url = f"ws{(settings.public_url or '').removeprefix('http')}/twilio/media"
    try:
        async with http.ws_connect(url, headers=_signature(settings, url, [])):
            return None
    except aiohttp.WSServerHandshakeError as error:
        return f"lets no WebSocket through (HTTP {error.status}): the tunnel or proxy must pass the upgrade"


def _signature(settings: Settings, url: str, form: list[tuple[str, str]]) -> dict[str, str]:
    token = settings.twilio.auth_token
    return {} if token is None else {"X-Twilio-Signature": signature.sign(plain(token), url, form)}


_QUESTIONS: tuple[tuple[str, Ask], ...] = (
    ("database", _database),
    ("cluster", _cluster),
    ("tools", _tools),
    ("Vatel", _vatel),
    ("Twilio", _twilio),
    ("public address", _public),
)
