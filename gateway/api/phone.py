"""Twilio's HTTP: the voice webhook, what asks how to go on, and the media socket.

Nothing is believed before its signature is checked, against the configured public URL and never the Host
header. Nothing is allocated for a request that fails.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog
from aiohttp import web

from gateway.api.phone_callbacks import PhoneCallbacks, TakesNews
from gateway.api.signed_forms import Form, SignedForms
from gateway.backlog import Backlog
from gateway.bridge.conversation import ends_with_failed_transfer, with_failed_transfer
from gateway.bridge.departures import Departed
from gateway.bridge.registry import Registry, Reservation
from gateway.bridge.session import CallSession
from gateway.errors import CallerProtocolError, GatewayError
from gateway.records import OUTLIVED, CallInfo, Ending, Reason, Result
from gateway.twilio import signature, twiml
from gateway.twilio.messages import Start
from gateway.twilio.protocol import MediaStream
from gateway.twilio.socket import CallerSocket, SocketClosed, prepare

log = structlog.get_logger()

MakeSession = Callable[[Reservation, MediaStream, CallerSocket], CallSession]
"""Put a call together once its stream has shown a good token."""

_MOST_STREAMS = 3
_MOST_STREAMS_WITH_TRANSFERS = 12
_PUT_THROUGH = frozenset({"completed", "answered"})
_NOT_PUT_THROUGH = frozenset({"busy", "no-answer", "failed", "canceled"})
_TRANSFERRED = Ending(Result.COMPLETED, Reason.TRANSFERRED)
_NEVER_CAME = Ending(Result.FAILED, Reason.CALLER_LOST, "never_came")
_SETTLE_S = 3.0
_ROW_S = 3.0  # who waits longer for the database keeps a caller waiting
_SORRY = "We are sorry, the connection was lost. Please call again. Goodbye."


@dataclass(frozen=True, slots=True)
class PhoneConfig:
    """What Twilio's side has to know.

    Attributes:
        public_url: how Twilio reaches this gateway; no trailing slash.
        account_sid: whose calls are taken; None takes any (only without signatures).
        auth_token: None when signatures are not checked.
        start_timeout_s: how long an open media socket may take to show its token.
        most_unclaimed: how many sockets may be open without having shown one.
    """

    public_url: str
    account_sid: str | None
    auth_token: str | None
    start_timeout_s: float = 5.0
    most_unclaimed: int = 200

    @property
    def socket_url(self) -> str:
        """The media socket as Twilio dials it."""
        return "ws" + self.public_url.removeprefix("http") + "/twilio/media"


class Answers(Protocol):
    """Who says which agent answers a call, once its row is kept."""

    async def answer(self, form: Mapping[str, str], call_id: str | None = None) -> CallInfo | None:
        """Return the call of a signed webhook; None when it is not taken."""

    async def turn_away(self, call: CallInfo, why: str) -> None:
        """Take note of a call that there is no room for."""


class Phone:
    """Lives as long as the process.

    Args:
        config: see :class:`PhoneConfig`.
        registry: the calls of this process.
        make_session: puts a call together.
        now: the clock.
        switchboard: says who answers.
        news: where what Twilio tells of calls is kept.
        backlog: where callers' messages wait for their turn; all sockets of the loop share one.

    Attributes:
        callbacks: takes Twilio's callbacks.
        refused: requests and sockets turned away, by reason.
    """

    def __init__(
        self,
        config: PhoneConfig,
        registry: Registry,
        make_session: MakeSession,
        now: Callable[[], float],
        switchboard: Answers,
        news: TakesNews,
        backlog: Backlog,
    ) -> None:
        self._config = config
        self._registry = registry
        self._make_session = make_session
        self._now = now
        self._switchboard = switchboard
        self._unclaimed = 0
        self._backlog = backlog
        self._forms = SignedForms(config.public_url, config.account_sid, config.auth_token)
        self.callbacks = PhoneCallbacks(self._forms, registry, news)
        self.refused = self._forms.refused

    async def voice(self, request: web.Request) -> web.Response:
        """Answer a call: TwiML that opens a media stream, or that says we cannot take it.

        A call that rings here hears the busy tone then; one that we placed has been answered, and is hung up.
        """
        form = await self._forms.read(request)
        call_id = request.query.get("call")
        turned_away = _xml(twiml.reject_busy() if call_id is None else twiml.hangup())
        call = await self._answered(form, call_id)
        if call is None:
            return turned_away
        answer = self._registry.reserve(call, self._now())
        if isinstance(answer, Reservation):
            return _xml(self._connect(answer))
        self._forms.count(answer)
        if answer == "ended":
            return _xml(twiml.hangup())
        await self._turn_away(call, answer)
        return turned_away

    async def resume(self, request: web.Request) -> web.Response:
        """Take over when a stream has ended: hang up after a clean end, else open a fresh stream.

        A call unknown here was on a process that is gone; it gets a fresh stream as well. A repeated webhook
        gets the same stream as the first.
        """
        form = await self._forms.read(request)
        call_sid = form["CallSid"]
        if (promised := self._registry.repeated(call_sid, self._now())) is not None:
            return _xml(self._connect(promised))
        self._registry.release(call_sid, _NEVER_CAME)  # its stream failed before it showed its token
        departed = await self._departed(call_sid) or await self._stranger(form, _NEVER_CAME)
        if departed is None:
            return self._fresh_stream(None, call_sid)
        if departed.ending.reason is not Reason.INTERNAL_ERROR and departed.ending.reason not in OUTLIVED:
            return _xml(twiml.hangup())
        return self._fresh_stream(departed if departed.streams < _MOST_STREAMS else None, call_sid)

    async def transferred(self, request: web.Request) -> web.Response:
        """Take the outcome of a transfer: hang up when the other party had the call, else give it back.

        The agent learns why from the conversation so far, which a fresh stream begins with. A repeated
        webhook gets the same stream as the first.
        """
        form = await self._forms.read(request)
        call_sid, status = form["CallSid"], form.get("DialCallStatus", "")
        if (promised := self._registry.repeated(call_sid, self._now())) is not None:
            return _xml(self._connect(promised))
        departed = await self._departed(call_sid)
        if status in _PUT_THROUGH:
            self._registry.departures.give_up(call_sid)
            return _xml(twiml.hangup())
        word = status if status in _NOT_PUT_THROUGH else "failed"
        log.info("transfer_failed", call_sid=call_sid, reason=word)
        if departed is None and self._registry.find(call_sid) is None:
            departed = await self._stranger(form, _TRANSFERRED)  # a process that is gone put it through
        if departed is None or departed.over or departed.streams >= _MOST_STREAMS_WITH_TRANSFERS:
            return self._fresh_stream(None, call_sid)
        if not ends_with_failed_transfer(departed.so_far):
            departed = replace(departed, so_far=with_failed_transfer(departed.so_far, word))
            self._registry.departures.add(departed)
        return self._fresh_stream(departed, call_sid)

    def _fresh_stream(self, departed: Departed | None, call_sid: str) -> web.Response:
        """Connect a call to another stream; where it may not have one, apologise and end it."""
        if departed is not None and not departed.over:
            answer = self._registry.reserve(departed.call, self._now(), resumes=True)
            if isinstance(answer, Reservation):
                return _xml(self._connect(answer))
        self._registry.departures.give_up(call_sid)
        return _xml(twiml.say_and_hangup(_SORRY))

    async def _answered(self, form: Form, call_id: str | None = None) -> CallInfo | None:
        """Return the call of a webhook, its row kept; None when it is not taken, or cannot be kept."""
        try:
            async with asyncio.timeout(_ROW_S):
                call = await self._switchboard.answer(form, call_id)
        except (GatewayError, TimeoutError) as error:
            reason = getattr(error, "reason", "timeout")
            log.warning("call_not_kept", call_sid=form["CallSid"], reason=reason)
            self._forms.count("not_kept")
            return None
        if call is None:
            self._forms.count("not_taken")
        return call

    async def _turn_away(self, call: CallInfo, why: str) -> None:
        try:
            async with asyncio.timeout(_ROW_S):
                await self._switchboard.turn_away(call, why)
        except (GatewayError, TimeoutError) as error:
            reason = getattr(error, "reason", "timeout")
            log.warning("refusal_not_kept", call_sid=call.call_sid, reason=reason)

    async def _stranger(self, form: Form, ending: Ending) -> Departed | None:
        """Return a call that a process which is gone had; None when it is over, or nobody knows it."""
        call = await self._answered(form)
        return None if call is None else Departed(call, ending, "", 0)

    async def _departed(self, call_sid: str) -> Departed | None:
        """Return how the call's stream ended, waiting for a session that is just about to."""
        session = self._registry.find(call_sid)
        if session is not None:
            try:
                async with asyncio.timeout(_SETTLE_S):
                    await session.gone.wait()
            except TimeoutError:
                log.warning("session_outlives_its_stream", call_sid=call_sid)
        return self._registry.departures.find(call_sid)

    async def media(self, request: web.Request) -> web.StreamResponse:
        """Host a call on the media socket."""
        token = self._config.auth_token
        signed = request.headers.get("X-Twilio-Signature")
        if token is not None and not signature.verify_upgrade(token, signed, self._config.socket_url):
            raise self._forms.refusal(web.HTTPForbidden, "bad_signature")
        if self._unclaimed >= self._config.most_unclaimed:
            raise self._forms.refusal(web.HTTPServiceUnavailable, "too_many_unclaimed")
        self._unclaimed += 1
        try:
            socket = await prepare(request, self._backlog)
            stream = MediaStream()
            reservation = await self._claim(socket, stream)
        finally:
            self._unclaimed -= 1
        if reservation is not None:
            call = reservation.call
            with structlog.contextvars.bound_contextvars(call_id=call.call_id, call_sid=call.call_sid):
                session = self._make_session(reservation, stream, socket)
                await self._registry.host(session, reservation.streams)
        return socket.response

    async def _claim(self, socket: CallerSocket, stream: MediaStream) -> Reservation | None:
        """Wait for ``start`` and its token; a socket that has no good one is closed with 1008."""
        try:
            async with asyncio.timeout(self._config.start_timeout_s):
                start = await _started(socket, stream)
        except TimeoutError:
            reason = "no_start"
        except CallerProtocolError as error:
            reason = error.reason
        else:
            if isinstance(start, SocketClosed):
                self._forms.count(f"closed_{start.code}")
                return None
            token = start.parameters.get("token", "")
            reservation = self._registry.claim(token, start.call_sid, start.account_sid, self._now())
            if reservation is not None:
                return reservation
            reason = "bad_token"
        self._forms.count(reason)
        log.warning("media_refused", reason=reason)
        await socket.close(1008, reason)
        return None

    def _connect(self, reservation: Reservation) -> str:
        public_url = self._config.public_url
        return twiml.connect_stream(
            self._config.socket_url,
            {"token": reservation.token},
            then_redirect=f"{public_url}/twilio/resume",
            status_callback=f"{public_url}/twilio/stream-status",
        )


async def _started(socket: CallerSocket, stream: MediaStream) -> Start | SocketClosed:
    """Read until ``start``, or until the socket closes before it."""
    while True:
        received = await socket.receive()
        if isinstance(received, SocketClosed):
            return received
        message = stream.receive(received)
        if isinstance(message, Start):
            return message


def transfer_twiml(public_url: str, call: CallInfo, number: str, ring_timeout_s: int) -> str:
    """Write what puts a live call through to another number; the outcome comes to ``/twilio/transferred``.

    The other party sees our own number: the one that the carrier surely lets us show.
    """
    ours = call.called_number if call.direction == "inbound" else call.caller_number
    return twiml.dial(
        number,
        caller_id=ours if ours.startswith("+") else None,
        ring_timeout_s=ring_timeout_s,
        action=f"{public_url}/twilio/transferred",
    )


def _xml(text: str) -> web.Response:
    # Content-Length, never chunked: Twilio documents that it does not handle chunked TwiML (error 12100).
    return web.Response(text=text, content_type="text/xml")
