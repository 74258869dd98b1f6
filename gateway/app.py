"""The composition root: the only place where concrete classes meet, and the only one that sees Settings."""

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web

from gateway.api.first_start import FirstStart
from gateway.api.metrics import metrics_routes
from gateway.api.phone import Phone, PhoneConfig
from gateway.api.routes import routes
from gateway.api.server import server
from gateway.audio.fillers import load_filler
from gateway.backlog import Backlog
from gateway.bridge.clock import Clock
from gateway.bridge.registry import Registry
from gateway.call_parts import CallParts, carrier, http_session, plain, twilio_client, vatel_client
from gateway.control_plane import control_plane, dial_config, utc_now
from gateway.dialling.outbound import Outbound
from gateway.dialling.switchboard import Switchboard
from gateway.errors import ConfigError
from gateway.foundations import Foundations, at_work, foundations
from gateway.garbage import collected
from gateway.journal import Journal
from gateway.ledger.ledger import Ledger
from gateway.settings import Settings, environment
from gateway.telemetry import log as logs
from gateway.telemetry.log import get_logger
from gateway.tools import loading
from gateway.tools.catalog import EMPTY, Catalog
from gateway.tools.reloading import Reloader
from gateway.tools.toolbox import Toolbox, opened
from gateway.twilio.rest import TwilioClient
from gateway.vatel.addresses import Addresses, AddressResolver

log = get_logger(__name__)

_LAST_WORDS_S = 6.0
_HURRIED_WORDS_S = 0.4
_DAY_S = 86_400.0
# A thread of SQLite's that has an answer waits so long for a busy loop to let it go on; Python's own 5 ms, at
# every step of a query, made reads beside 200 calls five times as slow.
_SWITCH_INTERVAL_S = 0.0005


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that serves. Lives as long as :func:`serving` holds it.

    Attributes:
        port: where it listens.
        reload_tools: reads the tools file again, even if it looks the same.
        first: what is to be shown to the operator, when this was the first start.
    """

    registry: Registry
    journal: Journal
    phone: Phone
    port: int
    reload_tools: Callable[[], None]
    first: FirstStart | None = field(default=None, repr=False)


def _phone_config(settings: Settings) -> PhoneConfig:
    twilio = settings.twilio
    return PhoneConfig(
        public_url=settings.public_url or "",
        account_sid=twilio.account_sid,
        auth_token=plain(twilio.auth_token) if twilio.validate_signatures else None,
        start_timeout_s=settings.calls.start_timeout_s,
        most_unclaimed=settings.calls.max_active,
    )


@asynccontextmanager
async def serving(
    settings: Settings, listener: socket.socket, tools: Catalog | None = None
) -> AsyncIterator[Gateway]:
    """Serve until the context is left; calls that still run then are cut, so drain first.

    Args:
        settings: complete for serving (see ``Settings.require_serving``).
        listener: a bound TCP socket; closed with the context.
        tools: in place of the tools file that the settings name.

    Raises:
        ConfigError: the tools file, or a URL, cannot be used.
        StorageError: the database cannot be used.
    """
    clock, addresses, backlog = Clock(asyncio.get_running_loop()), Addresses(), Backlog()
    async with AsyncExitStack() as stack:
        private = _listen_for_metrics(settings, stack)
        http = await stack.enter_async_context(_http(addresses))
        toolbox, reload_tools = await _tools(settings, tools, stack)
        ground = await stack.enter_async_context(foundations(settings, clock.now))
        vatel, twilio = vatel_client(settings, http), twilio_client(settings, http)
        registry = Registry(
            max_active=settings.calls.max_active, token_ttl_s=settings.calls.stream_token_ttl_s
        )
        journal = Journal()
        ledger = Ledger(
            *(ground.database.for_calls, ground.cluster, journal, registry),
            recordings=ground.recordings,
            carrier=carrier(twilio),
            now=clock.now,
            keep_recordings_s=settings.recordings.keep_days * _DAY_S or None,
        )
        await stack.enter_async_context(ledger.running())
        stack.callback(registry.departures.settle)  # once the server has ended what was live
        parts = CallParts(
            *(settings, vatel, twilio),
            clock=clock,
            addresses=addresses,
            backlog=backlog,
            toolbox=toolbox,
            journal=journal,
            stream_began=ledger.stream_began,
            tell_digits=ledger.digits.tell,
        )
        outbound, switchboard = _dialling(settings, ground, ledger, twilio, registry)
        phone = Phone(
            *(_phone_config(settings), registry, parts.session, clock.now),
            *(switchboard, outbound.callbacks, backlog),
        )
        plane = control_plane(settings, ground, registry, outbound, vatel)
        stack.push_async_callback(plane.egress.close)
        await stack.enter_async_context(at_work(*plane.works))
        await _serve_routes([*routes(phone, plane.health), *plane.routes], listener, stack)
        stack.callback(plane.dismiss)
        if private is not None:
            await _serve_routes(metrics_routes(), private, stack)
        yield Gateway(registry, journal, phone, listener.getsockname()[1], reload_tools, ground.first)


def _http(addresses: Addresses) -> aiohttp.ClientSession:
    """Return one pool for both vendors."""
    return http_session(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=0, resolver=AddressResolver(addresses))
    )


def _dialling(
    settings: Settings,
    ground: Foundations,
    ledger: Ledger,
    twilio: TwilioClient | None,
    registry: Registry,
) -> tuple[Outbound, Switchboard]:
    config, node, database = dial_config(settings), ground.cluster.node, ground.database.for_calls
    outbound = Outbound(
        *(database, twilio, config), node=node, now=utc_now, draining=lambda: registry.draining
    )
    return outbound, Switchboard(database, ledger, outbound.sids, config, node=node, now=utc_now)


async def _serve_routes(table: list[web.RouteDef], listener: socket.socket, stack: AsyncExitStack) -> None:
    runner = server(table)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.SockSite(runner, listener).start()


async def _tools(
    settings: Settings, given: Catalog | None, stack: AsyncExitStack
) -> tuple[Toolbox, Callable[[], None]]:
    """Open the toolbox, and keep it equal to its file if it has one."""
    file = settings.tools.file
    if given is not None or file is None:
        toolbox = await stack.enter_async_context(opened(given or EMPTY))
        return toolbox, lambda: None
    path = Path(file)

    def load() -> Catalog:
        return loading.load(path, environment(), load_filler)

    def use(catalog: Catalog) -> None:
        logs.add_secrets(catalog.secrets)
        toolbox.replace(catalog)

    catalog = await asyncio.to_thread(load)
    logs.add_secrets(catalog.secrets)
    toolbox = await stack.enter_async_context(opened(catalog))
    reloader = Reloader(path, load, use)
    await stack.enter_async_context(reloader.running())
    return toolbox, reloader.ask


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT, then let live calls end; return the exit status.

    A second signal ends the calls at once.
    """
    settings.require_serving()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    listener = _listen(settings.host, settings.port, "GATEWAY_HOST or GATEWAY_PORT")
    stop, hurry = asyncio.Event(), asyncio.Event()
    _on_signals(stop, hurry)
    async with serving(settings, listener) as gateway:
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, gateway.reload_tools)
        _tell_first(gateway.first)
        with collected(lambda: gateway.registry.live):
            log.info("serving", port=gateway.port, public_url=settings.public_url)
            await stop.wait()
            log.info("draining", live=gateway.registry.live, limit_s=settings.calls.drain_max_s)
            await _leave(gateway.registry, settings, hurry)
    log.info("stopped")
    return 0


def _tell_first(first: FirstStart | None) -> None:
    """Show what nobody can show again; to standard output, which is no log."""
    if first is not None:
        name = first.organization.name
        print(f"first start: the API key of {name}, shown this once: {first.key}", flush=True)  # noqa: T201


def _listen_for_metrics(settings: Settings, stack: AsyncExitStack) -> socket.socket | None:
    host, port = settings.metrics.host, settings.metrics.port
    if port is None:
        return None
    return stack.enter_context(_listen(host, port, "GATEWAY_METRICS__HOST or GATEWAY_METRICS__PORT"))


def _listen(host: str, port: int, names: str) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"cannot listen on {host} port {port}: {reason}; set {names} to a free one",
            reason="cannot_listen",
        ) from None


async def _leave(registry: Registry, settings: Settings, hurry: asyncio.Event) -> None:
    """Drain; once somebody is in a hurry, cut what is left."""
    now = asyncio.get_running_loop().time
    calls = settings.calls
    async with asyncio.TaskGroup() as group:
        drain = group.create_task(registry.drain(calls.drain_grace_s, calls.drain_max_s, _LAST_WORDS_S, now))
        impatient = group.create_task(hurry.wait())
        await asyncio.wait({drain, impatient}, return_when=asyncio.FIRST_COMPLETED)
        drain.cancel()
        impatient.cancel()
    if hurry.is_set():
        await registry.cut(_HURRIED_WORDS_S, now)


def _on_signals(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    def asked() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
