"""Who may watch a call live: an API key or a session token in the query, from a page that is ours."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import urlsplit

from aiohttp import web

from gateway.api.auth import unauthorized
from gateway.api.envelope import forbidden, not_found
from gateway.api.tokens import hash_token, matches, parse_key
from gateway.storage.api_keys import AccessTokens, ApiKeys
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import AccessToken, ApiKey, Call

Revoked = Literal["token_expired", "key_revoked"]

_MOST_TOKEN_CHARACTERS = 200
_NOTE_USE_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Pass:
    """The right to watch one call. Lives as long as the socket that was opened with it.

    Attributes:
        key_id: of the key that gives the right, by itself or by a token made with it.
        public_id: of the key that was shown; None for a token, which a regenerated key leaves alone.
        expires_at: of a token; None for a key.
    """

    organization_id: str
    key_id: str | None
    public_id: str | None = None
    expires_at: datetime | None = None


class LiveGuard:
    """Lives as long as the process.

    Args:
        public_url: the address of this gateway as browsers know it.
        origins: further origins whose pages may watch.
    """

    def __init__(self, database: Database, public_url: str | None, origins: Collection[str] = ()) -> None:
        self._keys = ApiKeys(database)
        self._tokens = AccessTokens(database)
        self._calls = Calls(database)
        own = [] if public_url is None else ["{0.scheme}://{0.netloc}".format(urlsplit(public_url))]
        self._origins = frozenset([*own, *origins])

    def check_page(self, request: web.Request) -> None:
        """Refuse a page that is not ours; who is no page names no origin.

        Raises:
            Refusal: 403.
        """
        origin = request.headers.get("Origin")
        if origin is not None and origin not in self._origins:
            raise forbidden("Pages of this origin may not watch calls (setting api.origins).", "foreign_page")

    async def recognize(self, request: web.Request, call_id: str, now: datetime) -> Pass:
        """Recognize who asks, by the query: ``session_token``, else ``api_key``; a header serves as well.

        Raises:
            Refusal: 401, the same for every fault; 403 for a key that may not read.
        """
        token = request.query.get("session_token")
        if token is not None:
            known = await self._tokens.find(hash_token(token[:_MOST_TOKEN_CHARACTERS]), "live", call_id, now)
            if known is None:
                raise unauthorized()
            return _pass_of(known)
        scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
        text = request.query.get("api_key") or (shown if scheme.lower() == "bearer" else "")
        key = await self._key(text)
        if key is None:
            raise unauthorized()
        if "read" not in key.scopes:
            raise forbidden("This key lacks the scope 'read'.", "scope", scope="read")
        if key.last_used_at is None or now - key.last_used_at >= _NOTE_USE_EVERY:
            await self._keys.note_use(key.id, now)
        return Pass(key.organization_id, key.id, key.public_id)

    async def _key(self, text: str) -> ApiKey | None:
        shown = parse_key(text) if len(text) <= _MOST_TOKEN_CHARACTERS else None
        known = None if shown is None else await self._keys.find_by_public_id(shown.public_id)
        if shown is None or known is None or known.revoked_at is not None:
            return None
        return known if matches(shown, known.secret_hash) else None

    async def call(self, organization_id: str, call_id: str) -> Call:
        """Return the call that is to be watched.

        Raises:
            Refusal: 404.
        """
        call = await self._calls.find(organization_id, call_id)
        if call is None:
            raise not_found("call")
        return call

    async def still_good(self, shown: Pass) -> bool:
        """Whether the key behind a pass still gives that right."""
        if shown.key_id is None:
            return True
        key = await self._keys.find(shown.organization_id, shown.key_id)
        if key is None or key.revoked_at is not None:
            return False
        return shown.public_id in (None, key.public_id)


def _pass_of(token: AccessToken) -> Pass:
    return Pass(token.organization_id, token.api_key_id, expires_at=token.expires_at)
