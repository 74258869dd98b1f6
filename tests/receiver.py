"""A receiver of event webhooks as a user would run it: https, and the stock package of Standard Webhooks."""

import asyncio
import json
import socket
import ssl
from dataclasses import dataclass
from typing import Any, Self

import trustme
from aiohttp import web
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

HOST = "127.0.0.1"
_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Taken:
    """An event that was verified; ``id`` is its ``webhook-id``."""

    id: str
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """What happened."""
        return str(self.body["event_type"])

    @property
    def call_id(self) -> str:
        """To which call."""
        return str(self.body["call_id"])


class Receiver:
    """Nobody listens at its address until it is opened. Lives as long as its context.

    Args:
        secret: the sender's.
        authority: who vouches for it.

    Attributes:
        url: where it is, or will be.
        taken: what was verified, in the order in which it came.
        forged: how many requests the stock package would not take.
    """

    def __init__(self, secret: str, authority: trustme.CA) -> None:
        self._webhook = Webhook(secret)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(self._tls)
        self._socket = socket.socket()
        self._socket.bind((HOST, 0))
        app = web.Application()
        app.router.add_post("/hook", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        self._came = asyncio.Event()
        self.url = f"https://{HOST}:{self._socket.getsockname()[1]}/hook"
        self.taken: list[Taken] = []
        self.forged = 0

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        self._socket.close()

    async def open(self) -> None:
        """Begin to listen."""
        await web.SockSite(self._runner, self._socket, ssl_context=self._tls).start()

    async def until(self, events: int) -> None:
        """Wait until so many events have come."""
        async with asyncio.timeout(_PATIENCE_S):
            while len(self.taken) < events:
                self._came.clear()
                await self._came.wait()

    def of(self, call_id: str) -> list[str]:
        """Return what happened to a call, in the order in which it was told."""
        return [one.kind for one in self.taken if one.call_id == call_id]

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            self._webhook.verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.forged += 1
            return web.Response(status=400)
        self.taken.append(Taken(request.headers["webhook-id"], json.loads(body)))
        self._came.set()
        return web.Response(status=204)


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Return the TLS settings of a client that trusts one more authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context
