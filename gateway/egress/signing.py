"""PURE. Standard Webhooks 1.0.0: how a request shows that it is ours, and how a receiver sees that it is.

The scheme is https://www.standardwebhooks.com: base64(HMAC-SHA256(secret, ``id.timestamp.body``)) behind
``v1,``, one for each live key, so that a receiver that has either the old or the new key can verify.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final

_PREFIX: Final = "whsec_"
_MIN_KEY_BYTES, _MAX_KEY_BYTES = 24, 64
# The parts of what is signed are divided by full stops, so an id must not have any.
_ID = re.compile(r"[!-\-/-~]{1,256}").fullmatch
_TIMESTAMP = re.compile(r"[0-9]{1,12}").fullmatch
_MAX_SIGNATURES: Final = 16


class SigningKey:
    """The secret that we share with a receiver. Lives as long as the configuration it is from.

    Nothing that is printed or logged of it shows the secret.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        if not _MIN_KEY_BYTES <= len(secret) <= _MAX_KEY_BYTES:
            raise ValueError(
                f"the signing key has {len(secret)} bytes: "
                f"use {_MIN_KEY_BYTES} to {_MAX_KEY_BYTES} random ones"
            )
        self._secret = secret

    def __repr__(self) -> str:
        return "SigningKey(***)"

    @classmethod
    def parse(cls, text: str) -> "SigningKey":
        """Read a key as it is handed around: ``whsec_`` and its bytes in base64, padded or not.

        Raises:
            ValueError: it is none; the message does not show it.
        """
        if not text.startswith(_PREFIX):
            raise ValueError(f"the signing key does not start with {_PREFIX}: write {_PREFIX} and base64")
        coded = text.removeprefix(_PREFIX)
        try:
            # ASCII alone, which b64decode would leave to its caller.
            secret = base64.b64decode(coded.encode("ascii") + b"=" * (-len(coded) % 4), validate=True)
        except ValueError:
            secret = None
        if secret is None:  # outside the handler: its error holds the key
            raise ValueError(f"the signing key is not base64 after {_PREFIX}: copy it whole")
        return cls(secret)

    def sign(self, message: bytes) -> str:
        """Return the signature of a message as it stands in the header."""
        digest = hmac.digest(self._secret, message, hashlib.sha256)
        return "v1," + base64.b64encode(digest).decode("ascii")


def sign(keys: Sequence[SigningKey], message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a request with every key, the first key's signature first.

    Args:
        keys: those that receivers may have; without any there is no signature.
        message_id: the same on every repeat of a message: the receiver's key for seeing repeats.
        timestamp: when this try is sent, in Unix seconds.
        body: the bytes exactly as they are sent.

    Raises:
        ValueError: the id could be confused with what follows it, or be no header; or the time is negative.
    """
    if not _ID(message_id):
        raise ValueError("the message id must be 1 to 256 visible ASCII characters without a full stop")
    if timestamp < 0:
        raise ValueError("the timestamp must not be negative")
    headers = {"webhook-id": message_id, "webhook-timestamp": str(timestamp)}
    if keys:
        message = _message(message_id, headers["webhook-timestamp"], body)
        headers["webhook-signature"] = " ".join(key.sign(message) for key in keys)
    return headers


def verify(
    keys: Sequence[SigningKey],
    headers: Mapping[str, str],
    body: bytes,
    now: int,
    tolerance_s: int = 300,
) -> str | None:
    """Return what is wrong with a signed request as it came; None when one of the keys signed it just now.

    Args:
        keys: any of them will do.
        headers: their names in any case.
        now: in Unix seconds.
        tolerance_s: how far the sender's clock, and the way here, may be off.
    """
    given = {name.lower(): value for name, value in headers.items()}
    message_id = given.get("webhook-id", "")
    timestamp = given.get("webhook-timestamp", "")
    if not _ID(message_id):
        return "the header webhook-id is missing, or is no message id"
    if not _TIMESTAMP(timestamp):
        return "the header webhook-timestamp is missing, or is no Unix time in seconds"
    if abs(int(timestamp) - now) > tolerance_s:
        return f"the request was signed more than {tolerance_s} seconds ago, or ahead of time"
    claimed = [one for one in given.get("webhook-signature", "").split(" ") if one.startswith("v1,")]
    if not claimed:
        return "the header webhook-signature is missing, or has no v1 signature"
    genuine = _matches(keys, _message(message_id, timestamp, body), claimed[:_MAX_SIGNATURES])
    return None if genuine else "no signature is that of a known key over this id, time and body"


def _message(message_id: str, timestamp: str, body: bytes) -> bytes:
    return f"{message_id}.{timestamp}.".encode("ascii") + body


def _matches(keys: Sequence[SigningKey], message: bytes, claimed: list[str]) -> bool:
    """Compare every claim with every key, always all of them, so that the time says nothing about any."""
    expected = [key.sign(message).encode("ascii") for key in keys]
    received = [one.encode("utf-8", "surrogatepass") for one in claimed]
    matches = [hmac.compare_digest(ours, theirs) for ours in expected for theirs in received]
    return any(matches)
