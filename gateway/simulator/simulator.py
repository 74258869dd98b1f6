"""A Twilio on this machine: makes calls to a voice webhook, answers the Calls REST API, keeps one clock."""

import asyncio
import secrets
import socket
import ssl
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

import aiohttp
from aiohttp import web

from gateway.simulator import events, measure
from gateway.simulator.call import Call
from gateway.simulator.caller import Caller, SilentCaller
from gateway.simulator.forms import FINAL, Identity
from gateway.simulator.options import CallOptions, Exchange, Fetch, Source
from gateway.simulator.pacer import Pacer
from gateway.simulator.promises import Limits
from gateway.simulator.record import CallRecord
from gateway.simulator.report import CallReport
from gateway.simulator.rest import RestApi
from gateway.simulator.webhook import Webhooks

_REMEMBERED_CALLS: Final = 1_000
CALLER_NUMBER: Final = "+15005550006"
GATEWAY_NUMBER: Final = "+15005550001"


class Simulator:
    """Twilio's end of any number of calls; ``async with`` it, in one task. Lives as long as its process.

    Args:
        rest_port: of the REST API on 127.0.0.1; 0 takes a free one, see ``rest_url``.
        watch: told what happens in live calls, from inside the loop: it must be quick.
        tls: trust for ``wss`` and ``https``; the system's by default.
        callee: who answers calls that the REST API creates, after ``ring_s`` seconds.
        fate: what else becomes of such calls: whether they are answered, by whom, and what goes wrong with
            their callbacks.

    Attributes:
        rest_url: what to give the gateway as ``GATEWAY_TWILIO__API_BASE_URL``.
        outbound: reports of the latest calls that the REST API created.
        callee: who answers the next ones; ``fate`` is theirs.
    """

    def __init__(
        self,
        account_sid: str,
        auth_token: str,
        *,
        rest_port: int = 0,
        watch: events.Watcher = events.ignore,
        tls: ssl.SSLContext | None = None,
        callee: Caller | None = None,
        ring_s: float = 0.0,
        fate: CallOptions | None = None,
    ) -> None:
        self.rest_url = ""
        self.outbound: deque[CallReport] = deque(maxlen=_REMEMBERED_CALLS)
        self.pacer = Pacer()
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._rest_port = rest_port
        self._watch = watch
        self._tls = tls
        self.callee = callee or SilentCaller(seconds=30)
        self.fate = replace(fate or CallOptions(), ring_s=ring_s)
        self._calls: dict[str, Call] = {}
        self.rest = RestApi(account_sid, auth_token, self._calls, self._dial)
        self._exit = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start the clock and the REST API.

        Raises:
            OSError: the REST API's port cannot be had.
        """
        async with AsyncExitStack() as stack:
            listener = socket.create_server(("127.0.0.1", self._rest_port))
            stack.callback(listener.close)
            # No cookies, no shared limit: each request stands for another of Twilio's machines.
            session = await stack.enter_async_context(
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(limit=0, ssl=self._tls or True),
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            )
            self._exchange = Exchange(
                webhooks=Webhooks(session, self._auth_token),
                pacer=self.pacer,
                auth_token=self._auth_token,
                watch=self._watch,
                tls=self._tls,
            )
            self._tasks = await stack.enter_async_context(asyncio.TaskGroup())
            stack.callback(self.pacer.stop)
            self._tasks.create_task(self.pacer.run())
            await self._serve(stack, listener)
            self._exit = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the calls that the REST API created, then stop everything."""
        for call in self._calls.values():
            call.end("time_limit")
        # The body's error is none of the task group's: told of it, the group would wrap it.
        await self._exit.aclose()

    async def call(
        self,
        voice_url: str,
        caller: Caller,
        *,
        from_: str = CALLER_NUMBER,
        to: str = GATEWAY_NUMBER,
        options: CallOptions | None = None,
        limits: Limits | None = None,
    ) -> CallReport:
        """Make one inbound call, wait until it is over, and report on it."""
        call_sid = f"CA{secrets.token_hex(16)}"
        identity = Identity(self._account_sid, call_sid, caller=from_, called=to)
        options = options or CallOptions()
        self.rest.numbers[to] = (voice_url, options.callbacks.url or "")
        call = self._remember(identity, caller, Fetch(voice_url), options)
        return await _judged(await call.run(), limits or Limits())

    def hang_up(self) -> None:
        """Let every caller put the phone down."""
        for call in self._calls.values():
            call.end("caller_hung_up")

    async def _serve(self, stack: AsyncExitStack, listener: socket.socket) -> None:
        runner = web.AppRunner(self.rest.application(), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.SockSite(runner, listener)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.rest_url = f"http://{host}:{port}"

    def _remember(self, identity: Identity, caller: Caller, source: Source, options: CallOptions) -> Call:
        while len(self._calls) >= _REMEMBERED_CALLS:
            oldest = next((sid for sid, call in self._calls.items() if call.status in FINAL), None)
            if oldest is None:
                break
            del self._calls[oldest]
        call = Call(self._exchange, identity, caller, source, options)
        self._calls[identity.call_sid] = call
        return call

    def _dial(self, identity: Identity, source: Source, options: CallOptions) -> Call:
        call = self._remember(identity, self.callee, source, self._fated(options))
        self._tasks.create_task(self._run_outbound(call))
        return call

    def _fated(self, asked: CallOptions) -> CallOptions:
        """Join what a create asks for with what becomes of the call."""
        told = asked.callbacks
        return replace(
            self.fate,
            max_seconds=asked.max_seconds,
            detected_by=asked.detected_by,
            callbacks=replace(self.fate.callbacks, url=told.url, method=told.method, events=told.events),
        )

    async def _run_outbound(self, call: Call) -> None:
        self.outbound.append(await _judged(await call.run(), Limits()))


async def _judged(record: CallRecord, limits: Limits) -> CallReport:
    """Measure a call beside the loop: a long one takes a tenth of a second, time that other calls need."""
    return await asyncio.to_thread(measure.make, record, limits)
