"""The composition root: the only place where concrete classes meet, and the only one that sees Settings."""

import asyncio
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp import web
from pydantic import SecretStr

from gateway.api.health import Health
from gateway.api.metrics import metrics_routes
from gateway.api.phone import Phone, PhoneConfig, transfer_twiml
from gateway.api.routes import routes
from gateway.api.server import server
from gateway.audio.fillers import load_filler
from gateway.audio.playout import Playout
from gateway.audio.resample import make_resampler
from gateway.bridge.actions import Timers
from gateway.bridge.caller_leg import CallerLeg
from gateway.bridge.clock import Clock
from gateway.bridge.dial import Dialer
from gateway.bridge.machine import CallMachine
from gateway.bridge.media import AGENT_RATE_HZ, CALLER_RATE_HZ, Downlink, Uplink
from gateway.bridge.registry import Registry, Reservation
from gateway.bridge.session import CallSession
from gateway.errors import ConfigError, ToolError, TwilioApiError
from gateway.journal import Journal
from gateway.records import CallInfo
from gateway.settings import Settings, environment
from gateway.telemetry import log as logs
from gateway.telemetry.log import get_logger
from gateway.tools import loading
from gateway.tools.catalog import EMPTY, Catalog
from gateway.tools.reloading import Reloader
from gateway.tools.toolbox import Toolbox, opened
from gateway.twilio.protocol import MediaStream
from gateway.twilio.rest import TwilioClient
from gateway.twilio.socket import CallerSocket
from gateway.vatel.addresses import Addresses, AddressResolver
from gateway.vatel.rest import VatelClient

log = get_logger(__name__)

_RESUME_MESSAGE = "Sorry, we were cut off for a moment. Please go on."
_LAST_WORDS_S = 6.0
_HURRIED_WORDS_S = 0.4
_REST_TIMEOUT_S = 5.0
_SECOND_TRY_S = 2.0


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that serves. Lives as long as :func:`serving` holds it.

    Attributes:
        port: where it listens.
        reload_tools: reads the tools file again, even if it looks the same.
    """

    registry: Registry
    journal: Journal
    phone: Phone
    port: int
    reload_tools: Callable[[], None]


class _Parts:
    """What every call is put together from. Lives as long as the process."""

    def __init__(
        self,
        settings: Settings,
        http: aiohttp.ClientSession,
        clock: Clock,
        addresses: Addresses,
        toolbox: Toolbox,
    ) -> None:
        vatel, twilio = settings.vatel, settings.twilio
        self._settings = settings
        self._clock = clock
        self._toolbox = toolbox
        self.journal = Journal()
        self._dialer = Dialer(
            VatelClient(http, str(vatel.base_url), _plain(vatel.api_key), vatel.connect_timeout_s),
            agent_id=vatel.agent_id or "",
            socket_url="ws" + vatel.base_url.removeprefix("http") + "/v1/connection",
            timeout_s=vatel.connect_timeout_s,
            resume_message=_RESUME_MESSAGE,
            addresses=addresses,
        )
        self._twilio = (
            TwilioClient(
                http, twilio.account_sid, _plain(twilio.auth_token), twilio.api_base_url, _REST_TIMEOUT_S
            )
            if twilio.account_sid and twilio.auth_token
            else None
        )

    def session(self, reservation: Reservation, stream: MediaStream, caller: CallerSocket) -> CallSession:
        """Put a call together."""
        audio = self._settings.audio
        playout = Playout(lead_ms=audio.lead_ms, jitter_ms=audio.jitter_ms, limit_ms=audio.buffer_ms)
        downlink = Downlink(make_resampler(audio.resampler, AGENT_RATE_HZ, CALLER_RATE_HZ), playout)
        return CallSession(
            reservation.call,
            machine=CallMachine(barge_in=audio.barge_in, timers=_timers(self._settings)),
            caller=CallerLeg(stream, caller, downlink, self._clock.now),
            uplink=Uplink(make_resampler(audio.resampler, CALLER_RATE_HZ, AGENT_RATE_HZ)),
            dial=self._dialer.dial,
            tools=self._toolbox.enter(reservation.call),
            hang_up=self._hang_up,
            transfer=self._transfer,
            journal=self.journal,
            clock=self._clock,
            before=reservation.before,
            streams=reservation.streams,
        )

    async def _hang_up(self, call: CallInfo) -> None:
        """End the call at Twilio; without credentials the closing stream leads to our ``<Hangup/>``."""
        if self._twilio is None:
            return
        try:
            await self._twilio.hang_up(call.call_sid)
        except TwilioApiError as error:
            log.warning("hang_up_failed", reason=error.reason, status=error.status)

    async def _transfer(self, call: CallInfo, number: str, ring_timeout_s: int) -> None:
        """Put the caller through at Twilio.

        Raises:
            ToolError: Twilio refused, or there are no credentials to ask it with.
        """
        if self._twilio is None:
            raise ToolError("This gateway has no phone account to transfer with.", reason="no_account")
        document = transfer_twiml(self._settings.public_url or "", call, number, ring_timeout_s)
        try:
            await self._twilio.update_call(call.call_sid, twiml=document)
        except TwilioApiError as error:
            raise ToolError(
                f"The phone network did not take the transfer ({error.reason}).",
                reason=f"transfer_{error.reason}",
            ) from None


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


def _timers(settings: Settings) -> Timers:
    return Timers(
        # One try whole, and time for another to succeed.
        connect_s=settings.vatel.connect_timeout_s + _SECOND_TRY_S,
        agent_silent_s=settings.vatel.silence_timeout_s,
        caller_silent_s=settings.calls.no_media_timeout_s,
        drain_s=settings.calls.goodbye_max_s,
        call_s=settings.calls.max_duration_s,
    )


def _phone_config(settings: Settings, public_url: str) -> PhoneConfig:
    twilio = settings.twilio
    return PhoneConfig(
        public_url=public_url,
        account_sid=twilio.account_sid,
        auth_token=_plain(twilio.auth_token) if twilio.validate_signatures else None,
        agent_id=settings.vatel.agent_id or "",
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
        ConfigError: the tools file cannot be used.
    """
    clock = Clock(asyncio.get_running_loop())
    addresses = Addresses()
    async with AsyncExitStack() as stack:
        # One pool for both vendors; nothing from the environment decides where our traffic goes.
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, limit_per_host=0, resolver=AddressResolver(addresses)
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                # Nothing is unpacked, so that no body grows; then nothing may be asked for packed.
                auto_decompress=False,
                headers={"Accept-Encoding": "identity"},
            )
        )
        toolbox, reload_tools = await _tools(settings, tools, stack)
        parts = _Parts(settings, http, clock, addresses, toolbox)
        registry = Registry(
            max_active=settings.calls.max_active, token_ttl_s=settings.calls.stream_token_ttl_s
        )
        stack.callback(registry.departures.settle)  # once the server has ended what was live
        phone = Phone(_phone_config(settings, settings.public_url or ""), registry, parts.session, clock.now)
        await _serve_routes(routes(phone, Health(registry)), listener, stack)
        if settings.metrics.port is not None:
            await _serve_routes(
                metrics_routes(), _listen(settings.metrics.host, settings.metrics.port), stack
            )
        yield Gateway(registry, parts.journal, phone, listener.getsockname()[1], reload_tools)


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
    listener = _listen(settings.host, settings.port)
    stop, hurry = asyncio.Event(), asyncio.Event()
    _on_signals(stop, hurry)
    async with serving(settings, listener) as gateway:
        gc.collect()
        gc.freeze()
        if hasattr(signal, "SIGHUP"):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, gateway.reload_tools)
        log.info("serving", port=gateway.port, public_url=settings.public_url)
        await stop.wait()
        log.info("draining", live=gateway.registry.live, limit_s=settings.calls.drain_max_s)
        await _leave(gateway.registry, settings, hurry)
    gc.unfreeze()  # else the last calls' resamplers stay to the end, and their library calls them leaks
    log.info("stopped")
    return 0


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(
            f"cannot listen on {host} port {port}: {reason}; set GATEWAY_HOST or GATEWAY_PORT to a free one",
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
