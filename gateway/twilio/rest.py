"""Twilio's REST API over aiohttp: create, update, fetch, find and end a call; the account and its numbers.

Contract: https://www.twilio.com/docs/voice/api/call-resource. Creating a call has no idempotency key, so it
is tried again only after 429, which Twilio answers before it does anything; after any other failure it may
have dialled. The other operations may be repeated.
"""

import asyncio
from base64 import b64encode
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import quote, urlencode

import aiohttp
import msgspec

from gateway.egress.retry_after import retry_after_s
from gateway.errors import TwilioApiError
from gateway.twilio.account import Account, OwnNumber, parse_account, parse_numbers
from gateway.twilio.calls import CallResource, NewCall, form, parse_call, parse_calls

MAX_BODY_BYTES: Final = 262_144
_MAX_RETRIES = 2
_MOST_LISTED = 50
_NUMBERS_A_PAGE, _MOST_PAGES = 100, 10
# Twilio's own number says more than the status (https://www.twilio.com/docs/api/errors).
_NOT_FOUND, _NOT_IN_PROGRESS = 20404, 21220
_REASON_BY_CODE = {
    20003: "auth",
    _NOT_FOUND: "not_found",
    20429: "rate_limited",
    _NOT_IN_PROGRESS: "not_in_progress",
}
_REASON_BY_STATUS = {401: "auth", 403: "auth", 404: "not_found", 429: "rate_limited"}


class TwilioClient:
    """One account's REST API; lives as long as the process.

    Args:
        session: made with ``trust_env=False``; this client never closes it.
        timeout_s: deadline of each try, from connecting to the last byte.
        retry_pause_s: wait before the first retry, doubled for the next; a Retry-After wins, up to
            ``retry_after_cap_s``.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        account_sid: str,
        auth_token: str,
        base_url: str = "https://api.twilio.com",
        timeout_s: float = 5.0,
        *,
        retry_pause_s: float = 0.25,
        retry_after_cap_s: float = 2.0,
    ) -> None:
        self._session = session
        credentials = b64encode(f"{account_sid}:{auth_token}".encode()).decode("ascii")
        self._headers = {"Authorization": f"Basic {credentials}"}
        self._base_url = base_url.rstrip("/")
        self._account_url = f"{self._base_url}/2010-04-01/Accounts/{quote(account_sid, safe='')}"
        self._calls_url = f"{self._account_url}/Calls"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._retry_pause_s = retry_pause_s
        self._retry_after_cap_s = retry_after_cap_s

    async def create_call(self, call: NewCall) -> CallResource:
        """Make a call.

        Raises:
            TwilioApiError: after ``timeout``, ``unreachable``, ``server_error`` and ``bad_answer`` the call
                may exist all the same: look for it before making another.
            ValueError: the call is not complete.
        """
        return _read_call(
            await self._request("POST", f"{self._calls_url}.json", call.form(), repeatable=False)
        )

    async def update_call(
        self,
        call_sid: str,
        *,
        url: str | None = None,
        twiml: str | None = None,
        status: Literal["completed", "canceled"] | None = None,
        status_callback: str | None = None,
        time_limit_s: int | None = None,
    ) -> CallResource:
        """Redirect a live call, or change its limits; new TwiML ends a media stream that is connected.

        Raises:
            TwilioApiError: among others with reason ``not_in_progress`` or ``not_found``.
        """
        fields = form(
            Url=url,
            Twiml=twiml,
            Status=status,
            StatusCallback=status_callback,
            TimeLimit=time_limit_s,
        )
        return _read_call(await self._request("POST", self._call_url(call_sid), fields, repeatable=True))

    async def fetch_call(self, call_sid: str) -> CallResource:
        """Read a call.

        Raises:
            TwilioApiError: among others with reason ``not_found``.
        """
        return _read_call(await self._request("GET", self._call_url(call_sid), None, repeatable=True))

    async def find_calls(self, to: str, from_number: str) -> list[CallResource]:
        """List the latest calls from a number to another, newest first; one made just now may be missing.

        Raises:
            TwilioApiError: Twilio did not say.
        """
        query = urlencode(form(To=to, From=from_number, PageSize=_MOST_LISTED))
        found = parse_calls(
            await self._request("GET", f"{self._calls_url}.json?{query}", None, repeatable=True)
        )
        if found is None:
            raise _failure("answered with something that is no list of calls", "bad_answer", 200)
        return found

    async def fetch_account(self) -> Account:
        """Read the account.

        Raises:
            TwilioApiError: among others with reason ``auth``.
        """
        found = parse_account(await self._request("GET", f"{self._account_url}.json", None, repeatable=True))
        if found is None:
            raise _failure("answered with something that is no account", "bad_answer", 200)
        return found

    async def list_numbers(self) -> list[OwnNumber]:
        """List the account's numbers, the first thousand of them.

        Raises:
            TwilioApiError: Twilio did not say.
        """
        numbers: list[OwnNumber] = []
        url = f"{self._account_url}/IncomingPhoneNumbers.json?PageSize={_NUMBERS_A_PAGE}"
        for _ in range(_MOST_PAGES):
            page = parse_numbers(await self._request("GET", url, None, repeatable=True))
            if page is None:
                raise _failure("answered with something that is no list of numbers", "bad_answer", 200)
            numbers += page[0]
            if not page[1].startswith("/"):
                break
            url = self._base_url + page[1]
        return numbers

    async def hang_up(self, call_sid: str) -> bool:
        """End a call; False when it was over already.

        Raises:
            TwilioApiError: Twilio could not be told.
        """
        try:
            await self._request("POST", self._call_url(call_sid), form(Status="completed"), repeatable=True)
        except TwilioApiError as error:
            if error.code not in (_NOT_IN_PROGRESS, _NOT_FOUND):
                raise
            return False
        return True

    def _call_url(self, call_sid: str) -> str:
        return f"{self._calls_url}/{quote(call_sid, safe='')}.json"

    async def _request(
        self, method: str, url: str, fields: list[tuple[str, str]] | None, *, repeatable: bool
    ) -> bytes:
        """Ask, and ask again where that is safe; two retries at most."""
        retries = 0
        while True:
            answer = await self._try(method, url, fields)
            if answer.error is None:
                return answer.body
            if retries == _MAX_RETRIES or not _may_retry(answer.error, repeatable):
                raise answer.error
            await asyncio.sleep(self._pause_s(retries, answer))
            retries += 1

    async def _try(self, method: str, url: str, fields: list[tuple[str, str]] | None) -> "_Answer":
        try:
            async with self._session.request(
                method,
                url,
                data=fields,
                headers=self._headers,
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                body = await _read(response)
                error = _refusal(response.status, body)
                # Twilio writes seconds.
                asked_s = retry_after_s(response.headers.get("Retry-After"), None)
                return _Answer(body or b"", error, asked_s)
        except TimeoutError:
            return _Answer(error=_failure("did not answer in time", "timeout"))
        except aiohttp.ClientError:
            return _Answer(error=_failure("could not be reached", "unreachable"))

    def _pause_s(self, retries: int, answer: "_Answer") -> float:
        asked_s = answer.retry_after_s
        if asked_s is None:
            asked_s = self._retry_pause_s * 2**retries
        return min(asked_s, self._retry_after_cap_s)


@dataclass(frozen=True, slots=True)
class _Answer:
    body: bytes = b""
    error: TwilioApiError | None = None
    retry_after_s: float | None = None


class _Fault(msgspec.Struct):
    """An error body; not every one names a code."""

    code: int | None = None


def _may_retry(error: TwilioApiError, repeatable: bool) -> bool:
    return error.reason == "rate_limited" or (repeatable and error.reason in ("server_error", "unreachable"))


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Read a body of at most 256 kB; None when it is longer."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def _refusal(status: int, body: bytes | None) -> TwilioApiError | None:
    """Name what an answer refuses. Twilio's own words may hold a number and are not passed on."""
    if body is None:
        return _failure("answered with more than 256 kB", "bad_answer", status)
    if 200 <= status < 300:
        return None
    if status < 400:
        return _failure(f"redirects (HTTP {status})", "bad_answer", status)
    code = _code(body)
    reason = _REASON_BY_CODE.get(code or 0) or _REASON_BY_STATUS.get(status)
    reason = reason or ("server_error" if status >= 500 else "bad_request")
    return _failure(f"refused with HTTP {status}, code {code}", reason, status, code)


def _code(body: bytes) -> int | None:
    try:
        return msgspec.json.decode(body, type=_Fault).code
    except (ValueError, RecursionError):
        return None


def _failure(what: str, reason: str, status: int = 0, code: int | None = None) -> TwilioApiError:
    return TwilioApiError(f"Twilio's REST API {what}", reason=reason, status=status, code=code)


def _read_call(body: bytes) -> CallResource:
    call = parse_call(body)
    if call is None:
        raise _failure("answered with something that is no call", "bad_answer", 200)
    return call
