"""``vatel-gateway check``: whether a real call would work, asked of those who take part in it.

Database, other nodes, recordings, tools, Vatel, the Twilio account and its numbers are each asked for
themselves. The public address is gone in at as Twilio does, back to the gateway that runs behind it: with a
signed webhook and a signed WebSocket. No call is made, and none is booked.
"""

import argparse
import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from sqlalchemy.engine import make_url

from gateway import settings as configuration
from gateway.audio.fillers import load_filler
from gateway.call_parts import http_session, plain, twilio_client, vatel_client
from gateway.cluster.server import Server
from gateway.errors import ClusterError, GatewayError, TwilioApiError, VatelApiError
from gateway.settings import Settings, environment
from gateway.settings.formats import is_loopback, url_host
from gateway.storage.database import Database
from gateway.storage.migrations import check_schema
from gateway.storage.overview import Overview
from gateway.telemetry import log
from gateway.telemetry.redact import escape
from gateway.tools import loading
from gateway.twilio import signature
from gateway.twilio.account import OwnNumber
from gateway.twilio.rest import TwilioClient

_PATIENCE_S = 10.0
_NO_CALL, _NO_ACCOUNT = "CA" + "0" * 32, "AC" + "0" * 32
_NAME_WIDTH = 15
_MOST_SHOWN = 10
_NOT_ACTIVE = 20005
_DEFAULT_PORTS = {"https": 443, "http": 80}
_ELSEWHERE = {"trunk": "a SIP trunk", "application": "a TwiML application"}
# What a question may end in besides an answer; each is the finding of that question alone.
_FAULTS = (GatewayError, aiohttp.ClientError, OSError, ValueError, TypeError)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one question came to; ``good`` is None when there is nothing to judge."""

    about: str
    good: bool | None
    told: str

    def __str__(self) -> str:
        state = {True: "ok", False: "WRONG", None: "-"}[self.good]
        indent = "\n" + " " * (_NAME_WIDTH + 7)
        return f"{state:<6}{self.about:<{_NAME_WIDTH}} {indent.join(map(escape, self.told.splitlines()))}"


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
    print(f"\n{wrong} to be put right; then check again." if wrong else "\nNothing that was asked is wrong.")  # noqa: T201
    return 1 if wrong else 0


async def findings(settings: Settings) -> AsyncIterator[Finding]:
    """Ask everybody, one after the other.

    Args:
        settings: complete for serving.
    """
    yield Finding("settings", True, "all that serving needs is set")
    async with http_session(timeout=aiohttp.ClientTimeout(total=_PATIENCE_S)) as http:
        for about, ask in _QUESTIONS:
            try:
                for finding in await ask(settings, http):
                    yield finding
            except _FAULTS as error:
                told = str(error) if isinstance(error, GatewayError) else f"fails with {type(error).__name__}"
                yield Finding(about, False, told)


async def _database(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    url = make_url(settings.database.effective_url)
    if url.drivername == "sqlite" and (judged := _file(Path(url.database or ""))) is not None:
        return [judged]
    database = Database.open(settings.database.effective_url)
    try:
        if database.kind == "postgresql":
            await check_schema(database)
        await Overview(database).answers()
    finally:
        await database.close()
    told = "SQLite, it answers" if database.kind == "sqlite" else "PostgreSQL, its schema is up to date"
    return [Finding("database", True, told)]


def _file(file: Path) -> Finding | None:
    """Judge a SQLite file that is not there, which opening would make, or that cannot be written."""
    folder = file.absolute().parent
    if not folder.is_dir():
        return Finding("database", False, f"there is no folder for {file}: make it")
    if not os.access(folder, os.W_OK) or (file.exists() and not os.access(file, os.W_OK)):
        return Finding("database", False, f"{file} cannot be written: see to the rights of file and folder")
    return None if file.exists() else Finding("database", True, "SQLite: the first start makes it")


async def _cluster(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    if settings.cluster.url is None:
        return []
    server = Server(settings.cluster.url.get_secret_value())
    try:
        await server.ask(lambda client: client.ping())
    except ClusterError as error:
        return [Finding("cluster", False, f"{error} (GATEWAY_CLUSTER__URL)")]
    finally:
        await server.close()
    return [Finding("cluster", True, "Redis or Valkey answers")]


async def _recordings(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    folder = settings.recordings.effective_folder
    if not _can_be_written(Path(folder)):
        return [Finding("recordings", False, f"the folder {folder} cannot be written")]
    return [Finding("recordings", True, f"the folder {folder} can be written")]


def _can_be_written(folder: Path) -> bool:
    """Tell whether files can be put into a folder, which may have to be made first."""
    place = folder.absolute()
    return os.access(next(one for one in (place, *place.parents) if one.exists()), os.W_OK)


async def _tools(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    if settings.tools.file is None:
        return []
    path = Path(settings.tools.file)
    await asyncio.to_thread(loading.load, path, environment(), load_filler)
    return [Finding("tools", True, f"{path} can be used; more is told by: vatel-gateway tools check")]


async def _vatel(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    """Ask for what a call begins with; a token that nobody uses lapses."""
    vatel, agent_id = vatel_client(settings, http), settings.vatel.agent_id or ""
    try:
        agent = await vatel.agents.get(agent_id)
    except VatelApiError as error:
        return [Finding("Vatel", False, _vatel_fault(error, agent_id))]
    try:
        await vatel.session_token(agent_id)
    except VatelApiError as error:
        told = f"the agent {agent.name!r} takes no session ({error}): has it a published version?"
        return [Finding("Vatel", False, told)]
    return [Finding("Vatel", True, f"the agent {agent.name!r} takes calls")]


def _vatel_fault(error: VatelApiError, agent_id: str) -> str:
    if error.reason == "unauthorized":
        return "the key is refused: copy it again into GATEWAY_VATEL__API_KEY"
    if error.reason in ("not_found", "bad_id"):
        return f"there is no agent {agent_id} for this key: see GATEWAY_VATEL__AGENT_ID and __BASE_URL"
    return f"{error} (GATEWAY_VATEL__BASE_URL, GATEWAY_VATEL__API_KEY)"


async def _twilio(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    twilio = twilio_client(settings, http)
    if twilio is None:
        return [Finding("Twilio", None, "no credentials: calls are neither hung up nor placed by its API")]
    account = await _account(twilio)
    if not account.good:
        return [account]
    return [account, *_numbers(settings.public_url or "", await twilio.list_numbers())]


async def _account(twilio: TwilioClient) -> Finding:
    try:
        account = await twilio.fetch_account()
    except TwilioApiError as error:
        told = str(error)
        if error.code == _NOT_ACTIVE:
            told = "the account is not active: see Twilio's console"
        elif error.reason in ("auth", "not_found"):
            told = "account and token do not fit: see GATEWAY_TWILIO__ACCOUNT_SID and __AUTH_TOKEN"
        return Finding("Twilio", False, told)
    trial = "; it is a trial: it calls verified numbers only" if account.kind == "Trial" else ""
    return Finding("Twilio", account.status == "active", f"the account is {account.status}{trial}")


def _numbers(public_url: str, numbers: list[OwnNumber]) -> list[Finding]:
    voice_url, status_url = f"{public_url}/twilio/voice", f"{public_url}/twilio/status"
    able = [one for one in numbers if one.voice]
    mine = [one for one in able if not one.elsewhere and _where(one.voice_url) == _where(voice_url)]
    if mine:
        return [_number(one, status_url) for one in mine]
    told = f'no number leads here: set "A call comes in" of one to {voice_url}, HTTP POST'
    others = [Finding("", None, f"{one.number}: {_leads_to(one)}") for one in able[:_MOST_SHOWN]]
    if len(able) > _MOST_SHOWN:
        others.append(Finding("", None, f"and {len(able) - _MOST_SHOWN} more"))
    perhaps = any(one.elsewhere == "application" for one in able)
    return [Finding("number", None if perhaps else False, told), *others]


def _leads_to(one: OwnNumber) -> str:
    """Tell where a number leads, without what may be secret in an address of somebody else."""
    if one.elsewhere:
        return f"it is for {_ELSEWHERE[one.elsewhere]}, which is not looked into"
    parts = urlsplit(one.voice_url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else "no webhook is set"


def _where(url: str) -> tuple[str, str, str]:
    """Return scheme, host and path of an address: the rest changes neither its end nor a signature."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts.scheme, host.removesuffix(f":{_DEFAULT_PORTS.get(parts.scheme, '')}"), parts.path


def _number(one: OwnNumber, status_url: str) -> Finding:
    if one.voice_method != "POST":
        return Finding("number", False, f'{one.number}: set "A call comes in" to HTTP POST')
    if _where(one.status_callback) != _where(status_url) or one.status_callback_method != "POST":
        told = f'{one.number} leads here; set "Call status changes" to {status_url}, HTTP POST, as well'
        return Finding("number", None, told)
    return Finding("number", True, f"{one.number} leads here")


async def _public(settings: Settings, http: aiohttp.ClientSession) -> list[Finding]:
    """Go in as Twilio does; the first step that fails tells what is in the way."""
    public_url = settings.public_url or ""
    for step in (_reachable, _ready, _signed, _socket):
        if fault := await _tried(step, settings, http):
            return [Finding("public address", False, f"{public_url} {fault}")]
    signatures = "signatures fit" if _checks(settings) else "signatures are not checked (by the settings)"
    told = f"leads to a gateway; {signatures}, and WebSockets come through"
    return [Finding("public address", True, f"{public_url} {told}")]


def _checks(settings: Settings) -> bool:
    return settings.twilio.validate_signatures


async def _tried(
    step: Callable[[Settings, aiohttp.ClientSession], Awaitable[str | None]],
    settings: Settings,
    http: aiohttp.ClientSession,
) -> str | None:
    try:
        return await step(settings, http)
    except TimeoutError:
        return "does not answer in time: does the gateway run, and the tunnel or proxy before it?"
    except aiohttp.ClientConnectorDNSError:
        return "has a name that this machine cannot look up: is it spelled right?"
    except aiohttp.ClientSSLError:
        return "has a certificate that this machine does not trust: most likely Twilio refuses it as well"
    except aiohttp.ClientError as error:
        return f"cannot be reached ({type(error).__name__}): does the gateway run, and the tunnel before it?"


async def _reachable(settings: Settings, http: aiohttp.ClientSession) -> str | None:
    """Tell an address of this very machine; a Twilio on it, the simulator, may use it."""
    here, twilio_too = (
        is_loopback(url_host(url)) for url in (settings.public_url or "", settings.twilio.api_base_url)
    )
    if here and not twilio_too:
        return "is an address of this machine, which Twilio cannot reach: a tunnel or a proxy gives one"
    return None


async def _ready(settings: Settings, http: aiohttp.ClientSession) -> str | None:
    """Hear from the gateway itself why it takes no calls. A proxy may well keep this path to itself."""
    async with http.get(f"{settings.public_url}/readyz", allow_redirects=False) as answer:
        body = await answer.content.read(1_000)
    try:
        status = json.loads(body)["status"]
    except (ValueError, TypeError, KeyError):
        return None
    return f"takes no calls now: {status}" if status in ("draining", "no_database") else None


async def _signed(settings: Settings, http: aiohttp.ClientSession) -> str | None:
    """Post what Twilio posts of a stream, of a call that does not exist: nobody takes note of it."""
    url = f"{settings.public_url}/twilio/stream-status"
    form = [("AccountSid", settings.twilio.account_sid or _NO_ACCOUNT), ("CallSid", _NO_CALL)]
    status = await _posted(http, url, form, _signature(settings, url, form))
    if status == 403:
        return (
            "refuses what is signed for it (403; Twilio would say error 11200): the gateway that runs has"
            " another GATEWAY_PUBLIC_URL or auth token, or a proxy changes the path"
        )
    if status != 204:
        return f"is answered by something else (HTTP {status}): where does the tunnel or proxy lead?"
    if _checks(settings) and await _posted(http, url, form, {"X-Twilio-Signature": "forged"}) != 403:
        return "takes what nobody signed: no gateway, or one with GATEWAY_TWILIO__VALIDATE_SIGNATURES=false"
    return None


async def _posted(
    http: aiohttp.ClientSession, url: str, form: list[tuple[str, str]], headers: dict[str, str]
) -> int:
    async with http.post(url, data=form, headers=headers, allow_redirects=False) as answer:
        return answer.status


async def _socket(settings: Settings, http: aiohttp.ClientSession) -> str | None:
    url = f"ws{(settings.public_url or '').removeprefix('http')}/twilio/media"
    try:
        async with http.ws_connect(url, headers=_signature(settings, url, [])):
            return None
    except aiohttp.WSServerHandshakeError as error:
        if error.status == 503:
            return "takes no WebSocket now (HTTP 503): is the gateway busy, or away behind its proxy?"
        return f"lets no WebSocket through (HTTP {error.status}): the tunnel or proxy must pass the upgrade"


def _signature(settings: Settings, url: str, form: list[tuple[str, str]]) -> dict[str, str]:
    token = settings.twilio.auth_token
    return {} if token is None else {"X-Twilio-Signature": signature.sign(plain(token), url, form)}


_QUESTIONS: tuple[tuple[str, Ask], ...] = (
    ("database", _database),
    ("cluster", _cluster),
    ("recordings", _recordings),
    ("tools", _tools),
    ("Vatel", _vatel),
    ("Twilio", _twilio),
    ("public address", _public),
)
