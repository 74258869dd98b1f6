"""PURE. What is wrong with a URL that a user configures, told when it is saved and again before it is asked.

The URL is read by the parser that the client uses, so that no second reading of it can lead elsewhere. A name
is judged here by its spelling only: what it resolves to is checked when the client connects.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Final

from yarl import URL

from gateway.egress.addresses import Allowance

MAX_URL_CHARS: Final = 2048
LOOPBACK: Final = ("127.0.0.1", "::1")
"""What ``localhost`` and every name below it stand for (RFC 6761), whatever a resolver may say."""

_TEMPLATE = re.compile(r"\{\{[^{}]*\}\}|\{%[^{}]*%\}")
_BLANKED = "{}"
_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,19})://([^/?#]*)([^#]*)(#?).*", re.DOTALL).fullmatch
_NAME = re.compile(r"(?!.{254})[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?").fullmatch
# A host whose last label is a number is an IPv4 address or nothing (https://url.spec.whatwg.org/#ends-in-a-number-checker).
_ENDS_IN_NUMBER = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)\.?").fullmatch
_SERVICES: Final = {
    20: "FTP",
    21: "FTP",
    22: "SSH",
    23: "Telnet",
    25: "mail",
    53: "DNS",
    110: "mail",
    111: "RPC",
    119: "news",
    135: "Windows RPC",
    137: "NetBIOS",
    139: "NetBIOS",
    143: "mail",
    161: "SNMP",
    179: "BGP",
    389: "LDAP",
    445: "SMB",
    465: "mail",
    514: "syslog",
    587: "mail",
    636: "LDAP",
    873: "rsync",
    993: "mail",
    995: "mail",
    1433: "SQL Server",
    1521: "Oracle",
    2049: "NFS",
    2181: "ZooKeeper",
    2375: "Docker",
    2376: "Docker",
    2379: "etcd",
    2380: "etcd",
    3306: "MySQL",
    3389: "Remote Desktop",
    5060: "SIP",
    5061: "SIP",
    5432: "PostgreSQL",
    5672: "AMQP",
    5900: "VNC",
    6379: "Redis",
    9042: "Cassandra",
    9092: "Kafka",
    10250: "the kubelet",
    11211: "memcached",
    27017: "MongoDB",
}
"""Ports of well-known services that are no webhooks."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Where requests to configured addresses may go. A value: lives as long as the configuration it is from.

    Attributes:
        allowed: the addresses that may be reached although they are not public.
        allow_http: whether ``http`` will do as well as ``https``.
        table: where the operator sets both, for what is said of a URL that is refused.
    """

    allowed: Allowance
    allow_http: bool = False
    table: str = "egress"


def fault(url: str, policy: Policy) -> str | None:
    """Return the first of the :func:`faults` of a URL; None when it will do."""
    return next(iter(faults(url, policy)), None)


def faults(url: str, policy: Policy) -> list[str]:
    """Return everything that is wrong with a URL, and what to write instead.

    It never repeats a part of the URL in which a secret could stand. A template (``{{ … }}`` or ``{% … %}``)
    may stand in path and query, where it is passed over; nowhere before them.
    """
    if len(url) > MAX_URL_CHARS:
        return [f"the URL is longer than {MAX_URL_CHARS} characters: shorten it"]
    blanked = _TEMPLATE.sub(_BLANKED, url)
    if " " in blanked or "\\" in blanked or not blanked.isprintable():
        return ["the URL has a space, a backslash or a control character: write it percent-encoded"]
    parts = _PARTS(blanked)
    if parts is None:
        return ["the URL is not whole: write one like https://host.example/path"]
    scheme, authority, rest, fragment = parts.groups()
    found = ["the URL has a fragment, which is never sent: remove it from the # on"] if fragment else []
    found += filter(None, [_scheme_fault(scheme.lower(), policy)])
    return [*found, *_authority_faults(scheme, authority, rest, policy)]


def is_loopback_name(host: str) -> bool:
    """Tell whether a host name is ``localhost`` or below it."""
    name = host.lower().removesuffix(".")
    return name == "localhost" or name.endswith(".localhost")


def _scheme_fault(scheme: str, policy: Policy) -> str | None:
    if scheme == "https" or (scheme == "http" and policy.allow_http):
        return None
    if scheme == "http":
        return (
            f"the URL is http, which anybody on the way can read: use https, or set {policy.table}.allow_http"
        )
    return f"the scheme {scheme} is not supported: use https"


def _authority_faults(scheme: str, authority: str, rest: str, policy: Policy) -> Iterator[str]:
    place = authority.rpartition("@")[2]
    if place != authority:
        yield "the URL has a user or a password: put them into the auth setting"
    if "{" in place or "}" in place:
        yield "the host or the port is a template: write it out, a template may stand in path and query only"
        return
    try:
        parsed = URL(f"{scheme}://{place}{rest}")
        host, port = parsed.raw_host, parsed.explicit_port
    except ValueError:
        yield "the URL has no valid host or port: write it like https://host.example:8443/path"
        return
    yield from filter(None, (_host_fault(host or "", place, policy), _port_fault(port)))


def _port_fault(port: int | None) -> str | None:
    if port is None:
        return None
    if not port:
        return "the URL has port 0: write the port of a web server, or none"
    service = _SERVICES.get(port)
    return service and f"port {port} is for {service}: use the port of a web server"


@lru_cache(maxsize=1_024)
def _host_fault(host: str, authority: str, policy: Policy) -> str | None:
    """Judge a host as the client's parser spells it: lower case, ASCII, no brackets around an address."""
    if authority.startswith("["):
        return _address_fault(host, policy)
    if not _NAME(host):
        return "the host is no valid host name: write it like host.example, or an IPv6 address in brackets"
    if is_loopback_name(host):
        faults = [_address_fault(address, policy) for address in LOOPBACK]
        return None if None in faults else faults[0]
    return _number_fault(host, policy) if _ENDS_IN_NUMBER(host) else None


def _number_fault(host: str, policy: Policy) -> str | None:
    """Judge what the system would take for an IPv4 address; only its plain spelling can pass."""
    address = _inet_aton(host)
    if address is None:
        return "the host ends in a number, but is no IPv4 address: write one like 192.0.2.1, or a host name"
    found = _address_fault(str(address), policy)
    if found is None and host != str(address):
        return f"the host is a number that stands for an address: write {address}"
    return found


def _address_fault(address: str, policy: Policy) -> str | None:
    refusal = "no plain address" if "%" in address else policy.allowed.refusal(address)
    return refusal and f"the host is {refusal}: use a public one, or add it to {policy.table}.allow_private"


def _inet_aton(host: str) -> IPv4Address | None:
    """Read an IPv4 address in all the spellings of inet_aton(3): one to four parts, decimal, octal or hex."""
    try:
        *high, last = (_number(part) for part in host.removesuffix(".").split("."))
    except ValueError:
        return None
    if len(high) > 3 or any(part > 255 for part in high) or last >= 256 ** (4 - len(high)):
        return None
    return IPv4Address(sum(part << (24 - 8 * place) for place, part in enumerate(high)) + last)


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8 if part.startswith("0") else 10)
