"""Session tokens: shaped as a JWT, good for one connection, for a while.

PURE. Vatel publishes neither algorithm nor claims beyond ``scopes``; clients must take the token as opaque.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from gateway.sandbox.documents import MAIN_ORGANIZATION
from gateway.sandbox.stage import Opening
from gateway.sandbox.switches import Switches

Refusal = Literal["invalid", "expired", "used"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token lets its bearer do.

    Attributes:
        organization_id: whose token it is.
        version_id: the agent's version; None for the active one.
        chat_id: the chat that the session goes on with.
        switches: how the session will behave; drawn when the token was.
    """

    agent_id: UUID
    scopes: tuple[str, ...] = ("voice",)
    opening: Opening = field(default_factory=Opening)
    organization_id: str = MAIN_ORGANIZATION
    version_id: str | None = None
    chat_id: str | None = None
    switches: Switches = field(default_factory=Switches)

    @property
    def claims(self) -> dict[str, object]:
        """What people may read in the token."""
        parameters = {
            "chat_id": self.chat_id,
            "first_message": self.opening.first_message,
            "prompt": self.opening.prompt,
            "variables": dict(self.opening.variables) or None,
        }
        claims: dict[str, object] = {
            "agent_id": str(self.agent_id),
            "organization_id": self.organization_id,
            "scopes": list(self.scopes),
            "parameters": {name: value for name, value in parameters.items() if value is not None},
        }
        return claims if self.version_id is None else {**claims, "version_id": self.version_id}


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Tokens:
    """Mints tokens and takes each back once. Lives as long as the sandbox.

    Args:
        secret: signs the tokens.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._serial = 0
        self._open: dict[str, tuple[float, Grant]] = {}
        self._spent: dict[str, float] = {}

    def mint(self, grant: Grant, now: float, issued_at: int, ttl_s: float = 60.0) -> str:
        """Return a token for a grant.

        Args:
            now: seconds, monotonic: what expiry goes by.
            issued_at: seconds since 1970, for the claims people read.
            ttl_s: how long the token is good for.
        """
        self._forget(now)
        self._serial += 1
        claims = {
            "jti": str(self._serial),
            **grant.claims,
            "iat": issued_at,
            "exp": issued_at + int(ttl_s),
        }
        token = self.sign(claims)
        self._open[token] = (now + ttl_s, grant)
        return token

    def sign(self, claims: dict[str, object]) -> str:
        """Return claims as a signed JWT."""
        parts = ({"alg": "HS256", "typ": "JWT"}, claims)
        body = ".".join(_encode(json.dumps(part, separators=(",", ":")).encode()) for part in parts)
        signature = hmac.new(self._secret, body.encode(), hashlib.sha256).digest()
        return f"{body}.{_encode(signature)}"

    def claim(self, token: str, now: float) -> Grant | Refusal:
        """Take a token back: the grant, the first time; else why not."""
        expires_at, grant = self._open.pop(token, (0.0, None))
        if grant is None:
            return "used" if token in self._spent else "invalid"
        if now >= expires_at:
            return "expired"
        self._spent[token] = expires_at
        return grant

    def _forget(self, now: float) -> None:
        """Drop what can no longer be claimed, oldest first."""
        while self._open and now >= self._open[oldest := next(iter(self._open))][0]:
            del self._open[oldest]
        while self._spent and now >= self._spent[oldest := next(iter(self._spent))]:
            del self._spent[oldest]
