"""What the values that people paste must look like; a ValueError here never repeats the value."""

import base64
import binascii
import ipaddress
import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, SecretStr

from gateway.egress.addresses import Allowance

_ACCOUNT_SID = re.compile(r"AC[0-9a-fA-F]{32}")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_PLAIN_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_PHONE_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_PREFIX = re.compile(r"\+[0-9]{0,14}")
_CLOCK_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
_CLUSTER_SCHEMES = frozenset({"redis", "rediss", "valkey", "valkeys", "unix"})
_STORE_SCHEMES = frozenset({"", "file", "s3", "gs", "az"})


def is_loopback(host: str) -> bool:
    """Tell whether only this machine answers at that host name or address."""
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def url_host(url: str) -> str:
    """Return the host of a URL that one of these formats has accepted."""
    return urlsplit(url).hostname or ""


def _split(value: str) -> tuple[SplitResult, str]:
    if not value.isprintable() or " " in value or "\\" in value:
        raise ValueError("holds a space, a backslash or a control character")
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL: check its host, port and brackets") from None
    host = parts.hostname or ""
    if parts.scheme not in {"http", "https"}:
        raise ValueError("must begin with https:// (the media socket's wss:// address is derived from it)")
    if port == 0 or not (_HOST_NAME.fullmatch(host) or ":" in host):
        raise ValueError("needs a host after ://, as in https://voice.example.com")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("must hold no user name, password or #fragment")
    return parts, host


def _service_url(value: str) -> str:
    parts, host = _split(value)
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("must be https://; plain http:// is for loopback hosts only")
    if "?" in value:
        raise ValueError("must hold no query: only scheme, host, port and a path prefix")
    path = parts.path.rstrip("/")
    if not _PLAIN_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
        raise ValueError("has a path prefix with empty, dotted or escaped parts")
    return f"{parts.scheme}://{parts.netloc}{path}"


def _database_url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    scheme, separator, rest = text.partition("://")
    if not text.isprintable() or " " in text:
        raise ValueError("holds a space or a control character; was it pasted whole?")
    if scheme == "sqlite" and rest.strip("/") and not rest.endswith(":memory:"):
        return value
    if scheme in {"postgres", "postgresql"} and rest.partition("/")[2]:
        return value
    raise ValueError(
        f"{'must be' if separator else 'is no URL: it must be'} sqlite:///FILE or "
        "postgresql://USER:PASSWORD@HOST/NAME"
    )


def _cluster_url(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    scheme, _, rest = text.partition("://")
    if not text.isprintable() or " " in text or scheme not in _CLUSTER_SCHEMES or not rest:
        raise ValueError("must be redis://, rediss://, valkey://, valkeys:// or unix://, with a server")
    return value


def _store_url(value: str) -> str:
    if not value or not value.isprintable() or " " in value:
        raise ValueError("is empty, or holds a space or a control character")
    scheme, _, rest = value.rpartition("://")
    if scheme not in _STORE_SCHEMES or not rest.strip("/"):
        raise ValueError("must be a folder, file:///FOLDER, s3://BUCKET, gs://BUCKET or az://CONTAINER")
    if "@" in rest.partition("/")[0]:
        raise ValueError("must hold no user name or password: the vendor's own variables give the access")
    return value


def items(value: str) -> tuple[str, ...]:
    """Return the parts of a list that is written with commas."""
    return tuple(item.strip() for item in value.split(",") if item.strip())


def _origins(value: str) -> str:
    for origin in items(value):
        parts, _ = _split(origin)
        if f"{parts.scheme}://{parts.netloc}" != origin:
            raise ValueError("must hold origins: scheme, host and port, no path, no closing slash")
    return value


def _prefixes(value: str) -> str:
    found = items(value)
    if not found or not all(map(_PREFIX.fullmatch, found)):
        raise ValueError("must be what numbers may begin with, each with its +; a lone + allows them all")
    return value


def _networks(value: str) -> str:
    try:
        Allowance.parse(items(value))
    except ValueError:
        raise ValueError(
            "must be networks like 10.1.2.0/24 or fd12:3456::/32, each beginning where its prefix ends the "
            "host part, and none of them every address there is"
        ) from None
    return value


def _phone_number(value: str) -> str:
    if not _PHONE_NUMBER.fullmatch(value):
        raise ValueError("must be a number in E.164: + and country code, 7 to 15 digits")
    return value


def _clock_time(value: str) -> str:
    if not _CLOCK_TIME.fullmatch(value):
        raise ValueError("must be a time of day from 00:00 to 23:59")
    return value


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("must be the IANA name of a time zone")
    return value


def _recording_keys(value: SecretStr) -> SecretStr:
    for item in items(value.get_secret_value()) or ("",):
        name, _, key = item.partition(":")
        try:
            sound = _KEY_ID.fullmatch(name) and len(base64.b64decode(key, validate=True)) == 32
        except binascii.Error:
            sound = None
        if not sound:
            raise ValueError("must be NAME:KEY, each key 32 random bytes in base64 (openssl rand -base64 32)")
    return value


def _file_path(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError("is no path")
    return value


def _account_sid(value: str) -> str:
    if not _ACCOUNT_SID.fullmatch(value):
        raise ValueError("must be 'AC' and 32 hexadecimal digits (Twilio console, Account Info)")
    return value


def _agent_id(value: str) -> str:
    try:
        return str(UUID(value))
    except ValueError:
        raise ValueError("must be a UUID, as the address of the agent's page in Vatel shows it") from None


def _secret(value: SecretStr) -> SecretStr:
    text = value.get_secret_value()
    if not text:
        raise ValueError("is empty")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("holds a space, a line break or a character that no key has; was it pasted whole?")
    return value


ServiceUrl = Annotated[str, AfterValidator(_service_url)]
"""https (http on loopback hosts only), host, optional port and path prefix; kept without a closing slash."""

FilePath = Annotated[str, AfterValidator(_file_path)]
"""Path of a file; a relative one starts at the folder of the TOML file that names it, else where we run."""

DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
"""A SQLite file or a PostgreSQL database; a secret, since it may hold a password."""

AccountSid = Annotated[str, AfterValidator(_account_sid)]
AgentId = Annotated[str, AfterValidator(_agent_id)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]

ClusterUrl = Annotated[SecretStr, AfterValidator(_cluster_url)]
"""A Redis or Valkey server; a secret, since it may hold a password."""

RecordingKeys = Annotated[SecretStr, AfterValidator(_recording_keys)]
"""Keys of recordings, ``NAME:BASE64`` by commas; the first one seals."""

StoreUrl = Annotated[str, AfterValidator(_store_url)]
"""A folder, or a bucket of an object store."""

Origins = Annotated[str, AfterValidator(_origins)]
Networks = Annotated[str, AfterValidator(_networks)]
Prefixes = Annotated[str, AfterValidator(_prefixes)]
PhoneNumber = Annotated[str, AfterValidator(_phone_number)]
ClockTime = Annotated[str, AfterValidator(_clock_time)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
