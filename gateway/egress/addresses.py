"""PURE. Which IP addresses a request may go to: public unicast, and what the operator allows on top.

``ipaddress.is_global`` alone is no guard: it is True for NAT64 forms of private addresses, for multicast, for
site-local ones and for Azure's metadata service, and it says different things on different Pythons. So the
table below decides, on every Python alike, and ``is_global`` may only refuse more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_RESERVED: Final = "a reserved address"
_METADATA: Final = "the address of a cloud's metadata service"
_DOCUMENTATION: Final = "an address for documentation"
_PROTOCOLS: Final = "an address of a network protocol"
_NAT64: Final = "an IPv4 address behind a NAT64 gateway"
# The first network that holds an address names its kind.
_V4_KINDS: Final = tuple(
    (IPv4Network(cidr), kind)
    for cidr, kind in (
        ("0.0.0.0/8", "the unspecified address of this host"),
        ("10.0.0.0/8", "a private address"),
        ("100.100.100.200/32", _METADATA),
        ("100.64.0.0/10", "a carrier's shared address"),
        ("127.0.0.0/8", "a loopback address"),
        ("168.63.129.16/32", _METADATA),
        ("169.254.169.254/32", _METADATA),
        ("169.254.0.0/16", "a link-local address"),
        ("172.16.0.0/12", "a private address"),
        ("192.0.0.0/24", _PROTOCOLS),
        ("192.0.2.0/24", _DOCUMENTATION),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "a private address"),
        ("198.18.0.0/15", "an address for benchmarks"),
        ("198.51.100.0/24", _DOCUMENTATION),
        ("203.0.113.0/24", _DOCUMENTATION),
        ("224.0.0.0/4", "a multicast address"),
        ("255.255.255.255/32", "the broadcast address"),
        ("240.0.0.0/4", _RESERVED),
    )
)
_V6_KINDS: Final = tuple(
    (IPv6Network(cidr), kind)
    for cidr, kind in (
        ("::/128", "the unspecified address of this host"),
        ("::1/128", "a loopback address"),
        ("::/96", "an IPv4-compatible address"),
        ("::ffff:0:0:0/96", "an IPv4-translated address"),
        ("64:ff9b::/96", _NAT64),
        ("64:ff9b:1::/48", _NAT64),
        ("2001::/32", "a Teredo address"),
        ("2001::/23", _PROTOCOLS),
        ("2001:db8::/32", _DOCUMENTATION),
        ("2002::/16", "a 6to4 address"),
        ("3fff::/20", _DOCUMENTATION),
        ("2000::/3", None),
        ("fd00:ec2::254/128", _METADATA),
        ("fc00::/7", "a private address"),
        ("fe80::/10", "a link-local address"),
        ("fec0::/10", "a site-local address"),
        ("ff00::/8", "a multicast address"),
        # Nothing is allocated for unicast on the Internet outside 2000::/3.
        ("::/0", _RESERVED),
    )
)
_SITTING_LAST: Final = tuple(
    IPv6Network(cidr) for cidr in ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
"""Networks whose addresses carry an IPv4 address in their last 32 bits."""

_LOWEST_COMPATIBLE: Final = IPv6Address("::2")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may be reached although it is not public. A value: lives as long as whoever holds it.

    Attributes:
        networks: what `parse` made of the operator's list.
    """

    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, cidrs: Iterable[str]) -> "Allowance":
        """Read a list of networks such as ``10.1.0.0/16`` or ``fd00::/8``, or of single addresses.

        Raises:
            ValueError: an entry is none; it says which, why, and what to write instead.
        """
        return cls(tuple(_network(cidr) for cidr in cidrs))

    def refusal(self, address: str) -> str | None:
        """Return what speaks against reaching an IP address, such as ``a private address``; None if nothing.

        An address that carries an IPv4 address (NAT64, 6to4, Teredo, ...) must pass with both. The mapped
        form ``::ffff:a.b.c.d`` is the IPv4 address itself.

        Args:
            address: the host of a socket address; a scope id is left out of account.
        """
        try:
            parsed = ip_address(address.partition("%")[0])
        except ValueError:
            return "not an IP address"
        mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
        return self._refusal(mapped or parsed)

    def _refusal(self, address: Address) -> str | None:
        allowed = any(address in network for network in self.networks)
        refusals = [None if allowed else _kind(address), *map(self._refusal, _carried(address))]
        return next((refusal for refusal in refusals if refusal is not None), None)


def _kind(address: Address) -> str | None:
    """Name the kind of an address that is not public; None for one that is."""
    kinds = _V4_KINDS if isinstance(address, IPv4Address) else _V6_KINDS
    kind = next((kind for network, kind in kinds if address in network), None)
    return kind or (None if address.is_global else _RESERVED)


def _carried(address: Address) -> tuple[IPv4Address, ...]:
    """Return the IPv4 addresses, besides a mapped one, that an IPv6 address stands for."""
    if isinstance(address, IPv4Address) or address < _LOWEST_COMPATIBLE:
        return ()
    if any(address in network for network in _SITTING_LAST):
        return (IPv4Address(address.packed[-4:]),)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    return address.teredo or ()


def _network(cidr: str) -> Network:
    try:
        network = ip_network(cidr, strict=False)
        first = ip_address(cidr.partition("/")[0])
    except ValueError:
        raise ValueError(f"{cidr!r} is no network: write one like 10.0.0.0/8 or fd00::/8") from None
    if first != network.network_address:
        raise ValueError(f"{cidr!r} has an address that goes beyond its prefix: write {network}")
    if network.prefixlen == 0:
        raise ValueError(f"{cidr!r} is every address there is: write the networks that are meant")
    if isinstance(network, IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError(f"{cidr!r} is a network of IPv4 addresses: write it as one, like 10.0.0.0/8")
    return network
