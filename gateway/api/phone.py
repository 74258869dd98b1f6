"""Twilio's HTTP: the voice webhook, its companions, and the media socket.

Nothing is believed before its signature is checked, against the configured public URL and never the Host
header. Nothing is allocated for a request that fails.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl
from uuid import uuid4

import structlog
from aiohttp import web

from gateway.bridge import events as on
from gateway.bridge.conversation import ends_with_failed_transfer, with_failed_transfer
from gateway.bridge.departures import Departed
from gateway.bridge.registry import Registry, Reservation
from gateway.bridge.session import CallSession
from gateway.errors import CallerProtocolError
from gateway.records import OUTLIVED, CallInfo, Ending, Reason, Result
from gateway.twilio import signature, twiml
from gateway.twilio.messages import Start
from gateway.twilio.protocol import MediaStream
from gateway.twilio.socket import CallerSocket, SocketClosed, prepare

log = structlog.get_logger()

Form = dict[str, str]
MakeSession = Callable[[Reservation, MediaStream, CallerSocket], CallSession]
"""Put a call together once its stream has shown a good token."""

_MOST_STREAMS = 3
_MOST_STREAMS_WITH_TRANSFERS = 12
_PUT_THROUGH = frozenset({"completed", "answered"})
_NOT_PUT_THROUGH = frozenset({"busy", "no-answer", "failed", "canceled"})
_TRANSFERRED = Ending(Result.COMPLETED, Reason.TRANSFERRED)
_NEVER_CAME = Ending(Result.FAILED, Reason.CALLER_LOST, "never_came")
_LEFT = Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP, "status_callback")
_SETTLE_S = 3.0
_BODY_TIMEOUT_S = 5.0
_FINAL_STATUSES = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
_SORRY = "We are sorry, the connection was lost. Please call again. Goodbye."


@dataclass(frozen=True, slots=True)
class PhoneConfig:
    """What Twilio's side has to know.

    Attributes:
        public_url: how Twilio reaches this gateway; no trailing slash.
        account_sid: whose calls are taken; None takes any (only without signatures).
        auth_token: None when signatures are not checked.
        agent_id: who answers.
        start_timeout_s: how long an open media socket may take to show its token.
        most_unclaimed: how many sockets may be open without having shown one.
    """

    public_url: str
    account_sid: str | None
    auth_token: str | None
    agent_id: str
    start_timeout_s: float = 5.0
    most_unclaimed: int = 200

    @property
    def socket_url(self) -> str:
        """The media socket as Twilio dials it."""
        return "ws" + self.public_url.removeprefix("http") + "/twilio/media"


class Phone:
    """Lives as long as the process.

    Args:
        config: see :class:`PhoneConfig`.
        registry: the calls of this process.
        make_session: puts a call together.
        now: the clock.

    Attributes:
        refused: requests and sockets turned away, by reason.
    """

    def __init__(
        self, config: PhoneConfig, registry: Registry, make_session: MakeSession, now: Callable[[], float]
    ) -> None:
        self._config = config
        self._registry = registry
        self._make_session = make_session
        self._now = now
        self._unclaimed = 0
        self.refused: dict[str, int] = {}

    async def voice(self, request: web.Request) -> web.Response:
        """Answer a ringing call: TwiML that opens a media stream, or that says we cannot take it."""
        answer = self._registry.reserve(self._call(await self._signed_form(request)), self._now())
        if isinstance(answer, Reservation):
            return _xml(self._connect(answer))
        self._count(answer)
        return _xml(twiml.hangup() if answer == "ended" else twiml.reject_busy())

    async def resume(self, request: web.Request) -> web.Response:
        """Take over when a stream has ended: hang up after a clean end, else open a fresh stream.

        A call unknown here was on a process that is gone; it gets a fresh stream as well. A repeated webhook
        gets the same stream as the first.
        """
        form = await self._signed_form(request)
        call_sid = form["CallSid"]
        if (promised := self._registry.repeated(call_sid, self._now())) is not None:
            return _xml(self._connect(promised))
        self._registry.release(call_sid, _NEVER_CAME)  # its stream failed before it showed its token
        departed = await self._departed(call_sid) or Departed(self._call(form), _NEVER_CAME, "", 0)
        if departed.ending.reason is not Reason.INTERNAL_ERROR and departed.ending.reason not in OUTLIVED:
            return _xml(twiml.hangup())
        return self._fresh_stream(departed if departed.streams < _MOST_STREAMS else None, call_sid)

    async def transferred(self, request: web.Request) -> web.Response:
        """Take the outcome of a transfer: hang up when the other party had the call, else give it back.

        The agent learns why from the conversation so far, which a fresh stream begins with. A repeated
        webhook gets the same stream as the first.
        """
        form = await self._signed_form(request)
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
            departed = Departed(
                self._call(form), _TRANSFERRED, "", 0
            )  # a process that is gone put it through
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

    def _call(self, form: Form) -> CallInfo:
        return CallInfo(
            call_id=uuid4().hex,
            call_sid=form["CallSid"],
            account_sid=form["AccountSid"],
            caller_number=form.get("From", ""),
            called_number=form.get("To", ""),
            agent_id=self._config.agent_id,
        )

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

    async def status(self, request: web.Request) -> web.Response:
        """Take a call status callback; a final one ends a session that has not noticed."""
        form = await self._signed_form(request)
        if form.get("CallStatus") in _FINAL_STATUSES:
            self._registry.release(form["CallSid"], _LEFT)
            if (session := self._registry.find(form["CallSid"])) is not None:
                session.post(on.CallerLeft("hung_up", "status_callback"))
        return web.Response(status=204)

    async def stream_status(self, request: web.Request) -> web.Response:
        """Take a stream status callback: the only way Twilio tells of a failed media handshake."""
        form = await self._signed_form(request)
        if form.get("StreamEvent") == "stream-error":
            log.warning("stream_error", call_sid=form["CallSid"], error=form.get("StreamError", ""))
        return web.Response(status=204)

    async def media(self, request: web.Request) -> web.StreamResponse:
        """Host a call on the media socket."""
        token = self._config.auth_token
        signed = request.headers.get("X-Twilio-Signature")
        if token is not None and not signature.verify_upgrade(token, signed, self._config.socket_url):
            raise self._refusal(web.HTTPForbidden, "bad_signature")
        if self._unclaimed >= self._config.most_unclaimed:
            raise self._refusal(web.HTTPServiceUnavailable, "too_many_unclaimed")
        self._unclaimed += 1
        try:
            socket = await prepare(request)
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
                self._count(f"closed_{start.code}")
                return None
            token = start.parameters.get("token", "")
            reservation = self._registry.claim(token, start.call_sid, start.account_sid, self._now())
            if reservation is not None:
                return reservation
            reason = "bad_token"
        self._count(reason)
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

    async def _signed_form(self, request: web.Request) -> Form:
        """Return the fields of a webhook that Twilio signed for this very URL.

        Raises:
            web.HTTPForbidden: it did not.
            web.HTTPRequestTimeout: it takes too long to say so.
        """
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                body = await request.read()
        except TimeoutError:
            raise self._refusal(web.HTTPRequestTimeout, "slow_body") from None
        try:
            fields = parse_qsl(
                body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=200
            )
        except ValueError:
            raise self._refusal(web.HTTPForbidden, "bad_form") from None
        token = self._config.auth_token
        url = self._config.public_url + request.raw_path
        signed = request.headers.get("X-Twilio-Signature")
        if token is not None and not signature.verify_webhook(token, signed, url, fields):
            raise self._refusal(web.HTTPForbidden, "bad_signature")
        fault = signature.check_form(fields, self._config.account_sid)
        if fault is not None:
            raise self._refusal(web.HTTPForbidden, fault)
        return dict(fields)

    def _refusal(self, answer: type[web.HTTPError], reason: str) -> web.HTTPError:
        self._count(reason)
        log.warning("request_refused", reason=reason)
        return answer(text="")

    def _count(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1


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
