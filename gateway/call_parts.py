"""What every call is put together from, and what is asked of the phone company for it."""

from collections.abc import Callable
from typing import Any

import aiohttp
from pydantic import SecretStr

from gateway.api.phone import transfer_twiml
from gateway.audio.playout import Playout
from gateway.audio.resample import make_resampler
from gateway.backlog import Backlog
from gateway.bridge.actions import Timers
from gateway.bridge.caller_leg import CallerLeg
from gateway.bridge.clock import Clock
from gateway.bridge.dial import Dialer
from gateway.bridge.keypad import TellDigits
from gateway.bridge.machine import CallMachine
from gateway.bridge.media import AGENT_RATE_HZ, CALLER_RATE_HZ, Downlink, Uplink
from gateway.bridge.registry import Reservation
from gateway.bridge.session import CallSession
from gateway.errors import ToolError, TwilioApiError
from gateway.journal import Journal
from gateway.ledger.carrier import Carrier
from gateway.recording.tape import Recorder
from gateway.records import CallInfo
from gateway.settings import Settings
from gateway.storage.rows import Call
from gateway.telemetry.log import get_logger
from gateway.tools.toolbox import Toolbox
from gateway.twilio.protocol import MediaStream
from gateway.twilio.rest import TwilioClient
from gateway.twilio.socket import CallerSocket
from gateway.vatel.addresses import Addresses
from gateway.vatel.rest import VatelClient

log = get_logger(__name__)

StreamBegan = Callable[[CallInfo], Recorder | None]
"""Book that a media stream begins; return what records it."""

_RESUME_MESSAGE = "Sorry, we were cut off for a moment. Please go on."
_REST_TIMEOUT_S = 5.0
_SECOND_TRY_S = 2.0


def plain(secret: SecretStr | None) -> str:
    """Return a secret's text; empty when it is not set."""
    return secret.get_secret_value() if secret is not None else ""


def http_session(**more: Any) -> aiohttp.ClientSession:
    """Return a client for the vendors; nothing from the environment decides where our traffic goes.

    Args:
        more: what else the session is to be made with.
    """
    return aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        # Nothing is unpacked, so that no body grows; then nothing may be asked for packed.
        auto_decompress=False,
        headers={"Accept-Encoding": "identity"},
        **more,
    )


def vatel_client(settings: Settings, http: aiohttp.ClientSession) -> VatelClient:
    """Return the client of Vatel's API."""
    vatel = settings.vatel
    return VatelClient(http, str(vatel.base_url), plain(vatel.api_key), vatel.connect_timeout_s)


def twilio_client(settings: Settings, http: aiohttp.ClientSession) -> TwilioClient | None:
    """Return the client of Twilio's API; None without credentials."""
    twilio = settings.twilio
    if not twilio.account_sid or not twilio.auth_token:
        return None
    return TwilioClient(
        http, twilio.account_sid, plain(twilio.auth_token), twilio.api_base_url, _REST_TIMEOUT_S
    )


class CallParts:
    """Lives as long as the process.

    Args:
        vatel: gives session tokens.
        twilio: None without credentials: calls end by closing their streams, and are not transferred.
        journal: where what happens is appended.
        stream_began: books each stream and says what records it.
        tell_digits: has a webhook told of what a caller dialled.
    """

    def __init__(
        self,
        settings: Settings,
        vatel: VatelClient,
        twilio: TwilioClient | None,
        *,
        clock: Clock,
        addresses: Addresses,
        backlog: Backlog,
        toolbox: Toolbox,
        journal: Journal,
        stream_began: StreamBegan,
        tell_digits: TellDigits,
    ) -> None:
        self._settings = settings
        self._twilio = twilio
        self._clock = clock
        self._toolbox = toolbox
        self._journal = journal
        self._stream_began = stream_began
        self._tell_digits = tell_digits
        self._dialer = Dialer(
            vatel,
            socket_url="ws" + settings.vatel.base_url.removeprefix("http") + "/v1/connection",
            timeout_s=settings.vatel.connect_timeout_s,
            resume_message=_RESUME_MESSAGE,
            addresses=addresses,
            backlog=backlog,
        )

    def session(self, reservation: Reservation, stream: MediaStream, caller: CallerSocket) -> CallSession:
        """Put a call together."""
        audio, call = self._settings.audio, reservation.call
        playout = Playout(lead_ms=audio.lead_ms, jitter_ms=audio.jitter_ms, limit_ms=audio.buffer_ms)
        downlink = Downlink(make_resampler(audio.resampler, AGENT_RATE_HZ, CALLER_RATE_HZ), playout)
        recorder = self._stream_began(call)
        return CallSession(
            call,
            machine=CallMachine(barge_in=audio.barge_in, timers=timers(self._settings)),
            caller=CallerLeg(stream, caller, downlink, self._clock.now, recorder=recorder),
            uplink=Uplink(make_resampler(audio.resampler, CALLER_RATE_HZ, AGENT_RATE_HZ)),
            dial=self._dialer.to(call),
            tools=self._toolbox.enter(call),
            hang_up=self._hang_up,
            transfer=self._transfer,
            tell_digits=self._tell_digits,
            journal=self._journal,
            clock=self._clock,
            before=reservation.before,
            streams=reservation.streams,
        )

    async def _hang_up(self, call: CallInfo) -> None:
        """End the call at Twilio; without credentials the closing stream leads to our ``<Hangup/>``."""
        if self._twilio is not None:
            await hang_up(self._twilio, call.call_sid)

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


async def hang_up(twilio: TwilioClient, call_sid: str) -> None:
    """End a call at Twilio; what fails is logged."""
    try:
        await twilio.hang_up(call_sid)
    except TwilioApiError as error:
        log.warning("hang_up_failed", reason=error.reason, status=error.status)


def carrier(twilio: TwilioClient | None) -> Carrier | None:
    """Return what the ledger asks of the phone company; None when it cannot be asked."""
    if twilio is None:
        return None

    async def status(call: Call) -> str | None:
        try:
            return (await twilio.fetch_call(call.call_sid)).status if call.call_sid else None
        except TwilioApiError as error:
            log.warning("call_status_unknown", call_id=call.id, reason=error.reason)
            return None

    async def end(call: Call) -> None:
        if call.call_sid:
            await hang_up(twilio, call.call_sid)

    return Carrier(status, end)


def timers(settings: Settings) -> Timers:
    """Return how long each wait of a call may take."""
    return Timers(
        # One try whole, and time for another to succeed.
        connect_s=settings.vatel.connect_timeout_s + _SECOND_TRY_S,
        agent_silent_s=settings.vatel.silence_timeout_s,
        caller_silent_s=settings.calls.no_media_timeout_s,
        drain_s=settings.calls.goodbye_max_s,
        call_s=settings.calls.max_duration_s,
    )
