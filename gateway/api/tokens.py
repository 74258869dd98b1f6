"""Secrets that we hand out: API keys, session and invitation tokens, webhook secrets. Only hashes are stored.

An API key is ``va_<public id>_<secret>``. The public id finds its row; the secret, 256 random bits, is
compared by its SHA-256: so much chance needs no slow hash.
"""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

_KEY = re.compile(r"va_(?P<public_id>[0-9a-f]{16})_(?P<secret>[A-Za-z0-9_-]{43})")
_NO_HASH = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class KeyText:
    """An API key in its parts."""

    public_id: str
    secret: str = field(repr=False)

    def __str__(self) -> str:
        return f"va_{self.public_id}_{self.secret}"

    @property
    def secret_hash(self) -> str:
        """What is stored of the secret."""
        return hash_token(self.secret)


def new_key() -> KeyText:
    """Return a fresh API key."""
    return KeyText(secrets.token_hex(8), secrets.token_urlsafe(32))


def parse_key(text: str) -> KeyText | None:
    """Read an API key; None when it cannot be one."""
    found = _KEY.fullmatch(text)
    return None if found is None else KeyText(found["public_id"], found["secret"])


def matches(key: KeyText, secret_hash: str | None) -> bool:
    """Compare a key's secret with what is stored; with None, as long and without success."""
    return hmac.compare_digest(key.secret_hash, secret_hash or _NO_HASH) and secret_hash is not None


def new_token() -> str:
    """Return a fresh token: of a session, an invitation, an access to one call."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_webhook_secret() -> str:
    """Return a fresh secret as Standard Webhooks spells it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
