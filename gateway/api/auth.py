"""Who asks: an API key in the Authorization header, or a signed-in user's cookie."""

from collections.abc import Collection
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from gateway.api.envelope import Refusal, forbidden
from gateway.api.operations import Who
from gateway.api.tokens import KeyText, hash_token, matches, parse_key
from gateway.errors import StorageError
from gateway.storage.api_keys import AccessTokens, ApiKeys
from gateway.storage.database import Database
from gateway.storage.users import Sessions, Users

log = structlog.get_logger()

SESSION_S = 12 * 3600.0
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_NOTE_USE_EVERY = timedelta(minutes=1)
_MOST_TOKEN_CHARACTERS = 200
_NO_KEY = KeyText("0" * 16, "0" * 43)


class Guard:
    """Recognizes who asks; lives as long as the process.

    Args:
        database: where keys and sessions are.
        public_url: the address of this gateway as browsers know it; https makes the cookie secure.
        origins: further origins from which pages may act for a signed-in user.
    """

    def __init__(
        self, database: Database, public_url: str | None = None, origins: Collection[str] = ()
    ) -> None:
        self._keys = ApiKeys(database)
        self._tokens = AccessTokens(database)
        self._sessions = Sessions(database)
        self._users = Users(database)
        self._secure = (public_url or "").startswith("https://")
        own = [] if public_url is None else ["{0.scheme}://{0.netloc}".format(urlsplit(public_url))]
        self._origins = frozenset([*own, *origins])

    @property
    def cookie(self) -> str:
        """The session cookie's name; over https browsers hold it to this host."""
        return "__Host-vatel_session" if self._secure else "vatel_session"

    async def key(self, request: web.Request, now: datetime) -> Who:
        """Recognize an API key.

        Raises:
            Refusal: 401, the same for every fault.
        """
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        key = parse_key(text) if scheme.lower() == "bearer" and len(text) <= _MOST_TOKEN_CHARACTERS else None
        # What cannot be a key is looked for as well: every refusal takes as long as any other.
        known = await self._keys.find_by_public_id((key or _NO_KEY).public_id)
        right = matches(key or _NO_KEY, None if known is None else known.secret_hash)
        if known is None or not right or known.revoked_at is not None:
            raise unauthorized()
        if known.last_used_at is None or now - known.last_used_at >= _NOTE_USE_EVERY:
            await self._note_use(known.id, now)
        return Who(known.organization_id, key_id=known.id, scopes=tuple(known.scopes))

    async def _note_use(self, key_id: str, now: datetime) -> None:
        try:
            await self._keys.note_use(key_id, now)
        except StorageError as error:  # who can still read must not be kept from it by a full disk
            log.warning("key_use_not_noted", reason=error.reason)

    async def link(self, request: web.Request, now: datetime) -> Who:
        """Recognize the token of a recording's link, or else an API key.

        Raises:
            Refusal: 403 for a token that is of no use here (any more); 401 without one, for a bad key.
        """
        token = request.query.get("token")
        if token is None:
            return await self.key(request, now)
        call_id = request.match_info["call_id"]
        known = await self._tokens.find(hash_token(token[:_MOST_TOKEN_CHARACTERS]), "recording", call_id, now)
        if known is None:
            raise forbidden("This link has expired, or is not for this recording.", "bad_link")
        return Who(known.organization_id, key_id=known.api_key_id, scopes=("read",))

    async def user(self, request: web.Request, now: datetime) -> Who:
        """Recognize a signed-in user, whose page is one of ours.

        Raises:
            Refusal: 401; 403 for an API key, and for a page that is not ours.
        """
        if "Authorization" in request.headers:
            await self.key(request, now)
            raise forbidden("API keys cannot manage keys, organizations or users: sign in.", "needs_session")
        token = request.cookies.get(self.cookie, "")
        if not token or len(token) > _MOST_TOKEN_CHARACTERS:
            raise unauthorized()
        session = await self._sessions.find(hash_token(token), now)
        if session is None or not await self._users.belongs(session.user_id, session.organization_id):
            raise unauthorized()
        self.check_page(request)
        return Who(session.organization_id, user_id=session.user_id, session_hash=session.token_hash)

    def check_page(self, request: web.Request) -> None:
        """Refuse a change that a foreign page makes a browser send (CSRF).

        Browsers name the page's origin in every such request; whoever names none must send a header that a
        form cannot.

        Raises:
            Refusal: 403.
        """
        if request.method in _SAFE_METHODS:
            return
        origin = request.headers.get("Origin")
        trusted = origin in self._origins if origin is not None else "X-Requested-With" in request.headers
        if not trusted:
            raise forbidden("Send X-Requested-With, or come from this gateway's own page.", "foreign_page")

    def set_cookie(self, token: str) -> str:
        """Return the header that signs a browser in."""
        return self._cookie(token, int(SESSION_S))

    def clear_cookie(self) -> str:
        """Return the header that signs a browser out."""
        return self._cookie("", 0)

    def _cookie(self, value: str, max_age_s: int) -> str:
        flags = "; Secure" if self._secure else ""
        return f"{self.cookie}={value}; Path=/; Max-Age={max_age_s}; HttpOnly; SameSite=Lax{flags}"


def unauthorized() -> Refusal:
    """Refuse who cannot be recognized, without saying why."""
    return Refusal(401, "A valid API key or sign-in is needed.", reason="unauthorized")
