"""Twilio's callbacks: what became of a call, of its stream, and who picked up."""

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Protocol

import structlog
from aiohttp import web

from gateway.api.signed_forms import SignedForms
from gateway.bridge import events as on
from gateway.bridge.registry import Registry
from gateway.errors import GatewayError
from gateway.records import Ending, Reason, Result

log = structlog.get_logger()

_LEFT = Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP, "status_callback")
_FINAL_STATUSES = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
_STORED_WITHIN_S = 10.0


class TakesNews(Protocol):
    """Where the news of calls is kept: :class:`gateway.dialling.callbacks.Callbacks`."""

    async def status(
        self, form: Mapping[str, str], call_id: str | None = None, *, streamless: bool = False
    ) -> None:
        """Take a status callback."""

    async def machine(self, form: Mapping[str, str], call_id: str) -> None:
        """Take the result of answering machine detection."""


class PhoneCallbacks:
    """Lives as long as the process.

    Args:
        news: where it is kept.
    """

    def __init__(self, forms: SignedForms, registry: Registry, news: TakesNews) -> None:
        self._forms = forms
        self._registry = registry
        self._news = news

    async def status(self, request: web.Request) -> web.Response:
        """Take a call status callback; a final one ends a session that has not noticed."""
        form = await self._forms.read(request)
        sid = form["CallSid"]
        session = self._registry.find(sid)
        streamless = session is None and self._registry.departures.find(sid) is None
        if form.get("CallStatus") in _FINAL_STATUSES:
            self._registry.release(sid, _LEFT)
            if session is not None:
                session.post(on.CallerLeft("hung_up", "status_callback"))
        return await self._kept(self._news.status(form, request.query.get("call"), streamless=streamless))

    async def machine(self, request: web.Request) -> web.Response:
        """Take the result of answering machine detection."""
        form = await self._forms.read(request)
        call_id = request.query.get("call")
        if call_id is None:
            return web.Response(status=204)
        return await self._kept(self._news.machine(form, call_id))

    async def stream_status(self, request: web.Request) -> web.Response:
        """Take a stream status callback: the only way Twilio tells of a failed media handshake."""
        form = await self._forms.read(request)
        if form.get("StreamEvent") == "stream-error":
            log.warning("stream_error", call_sid=form["CallSid"], error=form.get("StreamError", ""))
        return web.Response(status=204)

    async def _kept(self, keeping: Awaitable[None]) -> web.Response:
        """Answer once the news is kept; 503 when it is not, which Twilio's debugger shows."""
        try:
            async with asyncio.timeout(_STORED_WITHIN_S):
                await keeping
        except (GatewayError, TimeoutError) as error:
            log.warning("callback_not_kept", reason=getattr(error, "reason", "timeout"))
            return web.Response(status=503)
        return web.Response(status=204)
