"""Twilio's HTTP requests: signed, with its headers, deadlines and one retry after a failed connect.

Connect 5 s, whole request 15 s, one retry when no connection could be made
(https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides). Redirects are not followed.
"""

import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from gateway.simulator.codes import BAD_TWIML, BAD_WEBHOOK_URL, CALLBACK_REFUSED, WEBHOOK_FAILED, Fault
from gateway.simulator.forms import Form, signed_url
from gateway.simulator.twiml import Method
from gateway.twilio.signature import sign

_TIMEOUT: Final = aiohttp.ClientTimeout(total=15.0, sock_connect=5.0)
_HEADERS: Final = {
    "User-Agent": "TwilioProxy/1.1",
    "Accept": "*/*",
    "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
}
_ATTEMPTS: Final = 2
_XML: Final = ("text/xml", "application/xml")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook answered, and from where."""

    status: int
    content_type: str
    body: bytes
    url: str


def new_token() -> str:
    """Make an I-Twilio-Idempotency-Token: the same on every delivery of one request."""
    return secrets.token_hex(16)


class Webhooks:
    """Sends signed requests. Lives as long as the simulator.

    Args:
        session: its owner closes it.
    """

    def __init__(self, session: aiohttp.ClientSession, auth_token: str) -> None:
        self._session = session
        self._auth_token = auth_token

    async def fetch_twiml(self, method: Method, url: str, form: Form, token: str) -> Answer | Fault:
        """Ask a voice webhook for TwiML; anything but 2xx with XML is a fault."""
        answer = await self._request(method, url, form, token)
        if isinstance(answer, Fault):
            return answer
        if answer.status >= 300:
            return Fault(WEBHOOK_FAILED, f"HTTP {answer.status}")
        if answer.content_type not in _XML:
            return Fault(BAD_TWIML, f"content type {answer.content_type}")
        return answer

    async def notify(self, method: Method, url: str, form: Form, token: str) -> Fault | None:
        """Deliver a status callback; Twilio's debugger complains unless the answer is 2xx."""
        answer = await self._request(method, url, form, token)
        if isinstance(answer, Fault):
            return answer
        return None if answer.status < 300 else Fault(CALLBACK_REFUSED, f"HTTP {answer.status}")

    async def _request(self, method: Method, url: str, form: Form, token: str) -> Answer | Fault:
        for attempt in range(_ATTEMPTS):
            try:
                return await self._send(method, url, form, token)
            except aiohttp.ClientConnectorError:
                if attempt + 1 == _ATTEMPTS:
                    return Fault(WEBHOOK_FAILED, "no connection")
            except TimeoutError:
                return Fault(WEBHOOK_FAILED, "no answer in time")
            except ValueError:  # aiohttp's and yarl's word for it
                return Fault(BAD_WEBHOOK_URL)
            except aiohttp.ClientError as error:
                return Fault(WEBHOOK_FAILED, type(error).__name__)
        raise AssertionError("the last attempt returns")

    async def _send(self, method: Method, url: str, form: Form, token: str) -> Answer:
        body = urlencode(form)
        if method == "GET":
            # The parameters are part of the URL, and signed as such.
            url, form = f"{url}{'&' if '?' in url else '?'}{body}", []
        headers = _HEADERS | {
            "X-Twilio-Signature": sign(self._auth_token, signed_url(url), form),
            "I-Twilio-Idempotency-Token": token,
        }
        async with self._session.request(
            method,
            URL(url, encoded=True),
            data=body if method == "POST" else None,
            headers=headers,
            allow_redirects=False,
            timeout=_TIMEOUT,
        ) as response:
            return Answer(response.status, response.content_type, await response.read(), url)
