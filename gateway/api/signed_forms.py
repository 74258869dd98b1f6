"""Forms that Twilio posts: read within a time and a size, and believed only when it signed them."""

import asyncio
from urllib.parse import parse_qsl

import structlog
from aiohttp import web

from gateway.twilio import signature

log = structlog.get_logger()

Form = dict[str, str]

_BODY_TIMEOUT_S = 5.0


class SignedForms:
    """Lives as long as the process.

    Args:
        public_url: how Twilio reaches this gateway; no trailing slash.
        account_sid: whose calls are taken; None takes any (only without signatures).
        auth_token: None when signatures are not checked.

    Attributes:
        refused: what was turned away, by reason.
    """

    def __init__(self, public_url: str, account_sid: str | None, auth_token: str | None) -> None:
        self._public_url = public_url
        self._account_sid = account_sid
        self._auth_token = auth_token
        self.refused: dict[str, int] = {}

    async def read(self, request: web.Request) -> Form:
        """Return the fields of a webhook that Twilio signed for this very URL.

        Raises:
            web.HTTPForbidden: it did not.
            web.HTTPRequestTimeout: it takes too long to say so.
        """
        try:
            async with asyncio.timeout(_BODY_TIMEOUT_S):
                body = await request.read()
        except TimeoutError:
            raise self.refusal(web.HTTPRequestTimeout, "slow_body") from None
        try:
            fields = parse_qsl(
                body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=200
            )
        except ValueError:
            raise self.refusal(web.HTTPForbidden, "bad_form") from None
        url = self._public_url + request.raw_path
        signed = request.headers.get("X-Twilio-Signature")
        if self._auth_token is not None and not signature.verify_webhook(
            self._auth_token, signed, url, fields
        ):
            raise self.refusal(web.HTTPForbidden, "bad_signature")
        fault = signature.check_form(fields, self._account_sid)
        if fault is not None:
            raise self.refusal(web.HTTPForbidden, fault)
        return dict(fields)

    def refusal(self, answer: type[web.HTTPError], reason: str) -> web.HTTPError:
        """Count a request that is turned away, and return what it is answered."""
        self.count(reason)
        log.warning("request_refused", reason=reason)
        return answer(text="")

    def count(self, reason: str) -> None:
        """Count what is turned away."""
        self.refused[reason] = self.refused.get(reason, 0) + 1
