"""Somebody at the gateway's doors who writes what he likes, signed or not."""

import asyncio
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlencode
from xml.etree import ElementTree

import aiohttp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway.twilio.signature import sign
from tests.e2e.town import ACCOUNT_SID, AUTH_TOKEN

Form = list[tuple[str, str]]


def new_sid(kind: str) -> str:
    """Make up a SID."""
    return f"{kind}{secrets.token_hex(16)}"


def form_of(call_sid: str, account_sid: str = ACCOUNT_SID) -> Form:
    """Return the fields of a voice webhook that matter."""
    return [
        ("CallSid", call_sid),
        ("AccountSid", account_sid),
        ("From", "+15005550006"),
        ("CallStatus", "ringing"),
    ]


@dataclass(frozen=True, slots=True)
class Answer:
    """How a webhook was answered."""

    status: int
    body: str


@dataclass(slots=True)
class Forged:
    """A media socket in the forger's hands. Lives until it is closed."""

    socket: ClientConnection
    stream_sid: str
    sequence: int = 0

    async def say(self, **message: Any) -> None:
        """Send a message with the next sequence number."""
        self.sequence += 1
        envelope = {"sequenceNumber": str(self.sequence), "streamSid": self.stream_sid}
        await self.socket.send(json.dumps(envelope | message))

    async def start(self, call_sid: str, token: str | None, account_sid: str = ACCOUNT_SID) -> Self:
        """Send ``connected`` and ``start``."""
        await self.socket.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
        await self.say_start(call_sid, token, account_sid)
        return self

    async def say_start(self, call_sid: str, token: str | None, account_sid: str = ACCOUNT_SID) -> None:
        """Send ``start`` alone."""
        start = {
            "accountSid": account_sid,
            "streamSid": self.stream_sid,
            "callSid": call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {} if token is None else {"token": token},
        }
        await self.say(event="start", start=start)

    async def say_raw(self, data: bytes) -> None:
        """Send bytes that may be no frame."""
        self.socket.transport.write(data)

    async def closed(self) -> int:
        """Read until the gateway closes; return its code, 1006 for none."""
        try:
            while True:
                await self.socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    async def hang_up(self) -> None:
        """Send ``stop`` and close, as Twilio does."""
        await self.say(event="stop", stop={"callSid": new_sid("CA"), "accountSid": ACCOUNT_SID})
        await self.socket.close()


class Forger:
    """Lives as long as its session.

    Args:
        url: of the gateway.
        http: the session.
    """

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._url = url
        self._http = http
        self.socket_url = "ws" + url.removeprefix("http") + "/twilio/media"

    async def post(
        self,
        fields: Form,
        *,
        path: str = "/twilio/voice",
        signature: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Deliver a webhook, unsigned unless a signature is given."""
        signed = {} if signature is None else {"X-Twilio-Signature": signature}
        body = urlencode(fields).encode()
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        async with self._http.post(
            self._url + path, data=body, headers=kind | signed | (headers or {})
        ) as answer:
            return Answer(answer.status, await answer.text())

    def signature(self, fields: Iterable[tuple[str, str]], path: str = "/twilio/voice") -> str:
        """Sign as Twilio would."""
        return sign(AUTH_TOKEN, self.url(path), fields)

    def url(self, path: str) -> str:
        """Return the public URL of a path."""
        return self._url + path

    async def ring(self, call_sid: str) -> str:
        """Announce a call as Twilio would; return its stream token."""
        fields = form_of(call_sid)
        answer = await self.post(fields, signature=self.signature(fields))
        [parameter] = ElementTree.fromstring(answer.body).iter("Parameter")
        return parameter.attrib["value"]

    async def dial(self, signature: str | None = None) -> Forged:
        """Open a media socket, signed as Twilio would unless told otherwise.

        Raises:
            InvalidStatus: the upgrade was refused.
        """
        signed = sign(AUTH_TOKEN, self.socket_url, []) if signature is None else signature
        headers = {"X-Twilio-Signature": signed} if signed else {}
        socket = await connect(
            self.socket_url,
            additional_headers=headers,
            compression=None,
            proxy=None,
            ping_interval=None,
            close_timeout=1,
        )
        return Forged(socket, new_sid("MZ"))

    async def refused(self, signature: str) -> int:
        """Ask for an upgrade that is refused; return the status."""
        try:
            forged = await self.dial(signature)
        except InvalidStatus as refusal:
            return refusal.response.status_code
        await forged.socket.close()
        return 101

    async def call(self) -> tuple[str, Forged]:
        """Make a call that is genuine so far; return its sid and its socket."""
        call_sid = new_sid("CA")
        forged = await (await self.dial()).start(call_sid, await self.ring(call_sid))
        return call_sid, forged


async def at_once(count: int, forger: Forger, call_sid: str, token: str) -> list[Forged]:
    """Show one token on so many sockets at the same time."""
    sockets = [await forger.dial() for _ in range(count)]
    async with asyncio.TaskGroup() as tasks:
        for socket in sockets:
            tasks.create_task(socket.start(call_sid, token))
    return sockets
