"""X-Twilio-Signature: whether a webhook or a media upgrade comes from Twilio.

The scheme is https://www.twilio.com/docs/usage/security: base64(HMAC-SHA1(auth token, URL + every parameter's
name and value, sorted by name)). It has no delimiters and signs a repeated pair once, so that forms which
differ can share a signature; ``check_form`` refuses the ones that Twilio never sends.

Verifying never raises: whatever cannot be checked is not genuine. URLs are the configured public one plus the
path that was asked for; the Host header has no say.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable
from urllib.parse import parse_qsl

_DEFAULT_PORTS = {"https": "443", "wss": "443", "http": "80", "ws": "80"}
# Twilio drops the port of https URLs when it signs for voice, and keeps that of http URLs.
_PORT_DROPPED = frozenset({"https", "wss"})
_URL = re.compile(
    r"(?P<scheme>https?|wss?)://(?:[^/?#@]*@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#@:\[\]\s]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?][^#]*)?"
).fullmatch
_SID = re.compile(r"[A-Za-z]{2}[0-9A-Fa-f]{32}").fullmatch
_MAX_SIGNATURE_CHARS = 64
_HIGHEST_PORT = 65_535


def sign(auth_token: str, url: str, params: Iterable[tuple[str, str]]) -> str:
    """Sign a request as Twilio does: names sorted, each with its distinct values sorted."""
    message = url + "".join(name + value for name, value in sorted(set(params)))
    digest = hmac.digest(auth_token.encode(), message.encode(), hashlib.sha1)
    return base64.b64encode(digest).decode("ascii")


def verify_webhook(
    auth_token: str,
    signature: str | None,
    url: str,
    params: list[tuple[str, str]],
    *,
    body: bytes | None = None,
) -> bool:
    """Tell whether Twilio signed a webhook.

    Args:
        url: the public URL that was asked for, with its query exactly as sent.
        params: the decoded form, blanks and repeats kept; empty for GET.
        body: the raw body when it is no form: the URL must then carry its SHA-256 once, and no form is there.
    """
    if not _body_is_bound(url, params, body):
        return False
    return _matches_any(auth_token, signature, _candidates(url), params)


def verify_upgrade(auth_token: str, signature: str | None, url: str) -> bool:
    """Tell whether Twilio signed the upgrade of a media socket.

    Args:
        url: its public URL without a query, as wss or https (ws or http on loopback). Twilio signs it as
            wss, with or without a trailing slash (https://www.twilio.com/docs/usage/webhooks/webhooks-security).
    """
    return _matches_any(auth_token, signature, _socket_candidates(url), [])


def check_form(params: list[tuple[str, str]], account_sid: str | None) -> str | None:
    """Name what makes a signed form doubtful, or None.

    Returns:
        ``repeated_parameter``, ``empty_name``, ``bad_call_sid``, ``bad_account_sid`` or ``wrong_account``.
        Without a configured ``account_sid`` every well-formed account will do.
    """
    if len(set(params)) != len(params):
        return "repeated_parameter"
    if not all(name for name, _ in params):
        return "empty_name"
    if _only_sid(params, "CallSid") is None:
        return "bad_call_sid"
    account = _only_sid(params, "AccountSid")
    if account is None:
        return "bad_account_sid"
    return "wrong_account" if account_sid and account != account_sid else None


def _only_sid(params: list[tuple[str, str]], wanted: str) -> str | None:
    values = [value for name, value in params if name == wanted]
    return values[0] if len(values) == 1 and _SID(values[0]) else None


def _body_is_bound(url: object, params: object, body: object) -> bool:
    """Check the hash that stands for a body which is no form; a form must not claim to have one."""
    if not isinstance(url, str):
        return False
    query = url.partition("?")[2]
    claimed = [value for name, value in parse_qsl(query, keep_blank_values=True) if name == "bodySHA256"]
    if body is None:
        return not claimed
    if params or len(claimed) != 1 or not isinstance(body, bytes):
        return False
    return _same(hashlib.sha256(body).hexdigest(), claimed[0])


def _socket_candidates(url: object) -> list[str]:
    if not isinstance(url, str) or "?" in url:
        return []
    socket_url = re.sub(r"\Ahttp", "ws", url).removesuffix("/")
    return _candidates(socket_url) + _candidates(socket_url + "/")


def _candidates(url: str) -> list[str]:
    """List the forms of one URL that Twilio may have signed: no user, the default port written or not."""
    parts = _URL(url)
    if parts is None or int(parts["port"] or 0) > _HIGHEST_PORT:
        return []
    scheme, host, port, rest = parts["scheme"], parts["host"], parts["port"], parts["rest"] or ""
    ports = {f":{port}" if port else ""}
    if port is None or port == _DEFAULT_PORTS[scheme]:
        ports = {"", ":" + _DEFAULT_PORTS[scheme]}
    elif scheme in _PORT_DROPPED:
        ports.add("")
    return [f"{scheme}://{host}{written}{rest}" for written in sorted(ports)]


def _matches_any(auth_token: str, signature: object, urls: list[str], params: list[tuple[str, str]]) -> bool:
    """Compare with every form of the URL, always all of them. Without a token nothing can be genuine."""
    if not auth_token or not isinstance(signature, str) or len(signature) > _MAX_SIGNATURE_CHARS:
        return False
    try:
        matches = [_same(sign(auth_token, url, params), signature) for url in urls]
    except (TypeError, ValueError, AttributeError):
        # Parameters that are no pairs of text, or text that is no Unicode: nothing Twilio could have signed.
        return False
    return any(matches)


def _same(expected: str, claimed: str) -> bool:
    return hmac.compare_digest(expected.encode(), claimed.encode("utf-8", "surrogatepass"))
