"""Addresses: every kind that is not public, on every Python alike, and what a list lifts."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.egress.addresses import Allowance

NOTHING = Allowance()
METADATA = "the address of a cloud's metadata service"
REFUSED = [
    ("127.0.0.1", "a loopback address"),
    ("127.255.255.254", "a loopback address"),
    ("::1", "a loopback address"),
    ("0.0.0.0", "the unspecified address of this host"),
    ("0.1.2.3", "the unspecified address of this host"),
    ("::", "the unspecified address of this host"),
    ("10.0.0.1", "a private address"),
    ("10.255.255.255", "a private address"),
    ("172.16.0.1", "a private address"),
    ("172.31.255.255", "a private address"),
    ("192.168.1.1", "a private address"),
    ("fc00::1", "a private address"),
    ("fdff:ffff::1", "a private address"),
    ("100.64.0.1", "a carrier's shared address"),
    ("100.127.255.255", "a carrier's shared address"),
    ("169.254.0.1", "a link-local address"),
    ("fe80::1", "a link-local address"),
    ("fe80::1%eth0", "a link-local address"),
    ("febf::1%2", "a link-local address"),
    ("169.254.169.254", METADATA),
    ("168.63.129.16", METADATA),
    ("100.100.100.200", METADATA),
    ("fd00:ec2::254", METADATA),
    ("192.0.0.8", "an address of a network protocol"),
    ("192.0.0.192", "an address of a network protocol"),
    ("2001:1::1", "an address of a network protocol"),
    ("2001:2::1", "an address of a network protocol"),
    ("2001:20::1", "an address of a network protocol"),
    ("192.0.2.1", "an address for documentation"),
    ("198.51.100.7", "an address for documentation"),
    ("203.0.113.9", "an address for documentation"),
    ("2001:db8::1", "an address for documentation"),
    ("3fff::1", "an address for documentation"),
    ("198.18.0.1", "an address for benchmarks"),
    ("198.19.255.255", "an address for benchmarks"),
    ("192.88.99.1", "a 6to4 relay"),
    ("224.0.0.1", "a multicast address"),
    ("239.255.255.250", "a multicast address"),
    ("ff02::1", "a multicast address"),
    ("ff0e::1", "a multicast address"),
    ("240.0.0.1", "a reserved address"),
    ("255.255.255.255", "the broadcast address"),
    ("fec0::1", "a site-local address"),
    ("100::1", "a reserved address"),
    ("5f00::1", "a reserved address"),
    ("4000::1", "a reserved address"),
    ("e000::1", "a reserved address"),
    ("::7f00:1", "an IPv4-compatible address"),
    ("::808:808", "an IPv4-compatible address"),
    ("::ffff:0:7f00:1", "an IPv4-translated address"),
    ("64:ff9b::a9fe:a9fe", "an IPv4 address behind a NAT64 gateway"),
    ("64:ff9b::808:808", "an IPv4 address behind a NAT64 gateway"),
    ("64:ff9b:1::1", "an IPv4 address behind a NAT64 gateway"),
    ("2002:a9fe:a9fe::1", "a 6to4 address"),
    ("2002:808:808::1", "a 6to4 address"),
    ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "a Teredo address"),
    ("::ffff:169.254.169.254", METADATA),
    ("::ffff:127.0.0.1", "a loopback address"),
    ("::ffff:10.0.0.1", "a private address"),
    ("::ffff:0.0.0.0", "the unspecified address of this host"),
]
PUBLIC = [
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "192.169.0.1",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2001:4860:4860::8888",
    "2001:200::1",
    "2606:4700:4700::1111",
    "2a00:1450::1",
]
IPV6_INTERNET = IPv6Network("2000::/3")
v4_addresses = st.ip_addresses(v=4).map(IPv4Address)
v6_addresses = st.ip_addresses(v=6).map(IPv6Address)


@pytest.mark.parametrize(("address", "kind"), REFUSED)
def test_address_that_is_not_public_is_refused_by_kind(address: str, kind: str) -> None:
    """Whatever is_global says on this Python, the table names what the address is."""
    assert NOTHING.refusal(address) == kind


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_may_be_reached(address: str) -> None:
    """The neighbours of every refused network pass."""
    assert NOTHING.refusal(address) is None


@pytest.mark.parametrize(
    "address", ["", "host.example", "127.1", "2130706433", "0x7f000001", "[::1]", "1.1.1.1:80"]
)
def test_what_is_no_plain_address_is_refused(address: str) -> None:
    """A socket address never looks like that, so nothing is guessed."""
    assert NOTHING.refusal(address) == "not an IP address"


@given(v4_addresses)
def test_ipv4_that_python_calls_not_global_is_refused(address: IPv4Address) -> None:
    """The table may refuse more than is_global, never less."""
    if not address.is_global or address.is_multicast:
        assert NOTHING.refusal(str(address)) is not None


@given(v6_addresses)
def test_ipv6_that_python_calls_not_global_is_refused(address: IPv6Address) -> None:
    """No IPv6 address passes but a global one in the range that the Internet has."""
    if address.ipv4_mapped is None and (not address.is_global or address not in IPV6_INTERNET):
        assert NOTHING.refusal(str(address)) is not None


@given(v4_addresses)
def test_mapped_form_is_judged_as_the_ipv4_address(address: IPv4Address) -> None:
    """One address in two spellings gets one judgement."""
    assert NOTHING.refusal(f"::ffff:{address}") == NOTHING.refusal(str(address))


@given(st.one_of(v4_addresses, v6_addresses), st.text(max_size=8))
def test_scope_id_changes_nothing(address: IPv4Address | IPv6Address, scope: str) -> None:
    """What stands after the percent sign names an interface, not another address."""
    assert NOTHING.refusal(f"{address}%{scope}") == NOTHING.refusal(str(address))


@given(st.text().filter(lambda text: not {":", "."} & set(text)))
def test_any_other_text_is_refused(text: str) -> None:
    """Whatever a resolver hands over, there is a judgement and no error."""
    assert NOTHING.refusal(text) == "not an IP address"


@pytest.mark.parametrize(
    ("cidr", "address", "reached"),
    [
        ("10.1.0.0/16", "10.1.2.3", True),
        ("10.1.0.0/16", "::ffff:10.1.2.3", True),
        ("10.1.0.0/16", "10.2.0.1", False),
        ("10.1.0.0/16", "127.0.0.1", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.4", False),
        ("10.0.0.0/255.0.0.0", "10.200.0.1", True),
        ("127.0.0.0/8", "127.0.0.1", True),
        ("127.0.0.0/8", "::1", False),
        ("::1/128", "::1", True),
        ("::1/128", "127.0.0.1", False),
        ("::/128", "::", True),
        ("169.254.169.254/32", "169.254.169.254", True),
        ("169.254.169.254/32", "169.254.169.253", False),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "fc12::1", False),
        ("fe80::/10", "fe80::1%eth0", True),
    ],
)
def test_listed_network_lifts_its_own_refusal_only(cidr: str, address: str, reached: bool) -> None:
    """An entry opens its addresses, in the mapped form too, and none beside them."""
    assert (Allowance.parse([cidr]).refusal(address) is None) is reached


@pytest.mark.parametrize(
    ("network", "carrier", "inner"),
    [
        ("64:ff9b::/96", "64:ff9b::{}", True),
        ("64:ff9b:1::/48", "64:ff9b:1::{}", True),
        ("::/96", "::{}", True),
        ("::ffff:0:0:0/96", "::ffff:0:{}", True),
        ("2002::/16", "2002:{}::1", True),
        ("2001::/32", "2001:0:{}::f7f7:f7f7", True),  # the server's address; the client's is 8.8.8.8
        ("2001::/32", "2001:0:808:808::{}", False),  # the client's, its bits turned round: 8.8.8.8
    ],
)
def test_carried_ipv4_address_is_judged_although_its_carrier_is_allowed(
    network: str, carrier: str, inner: bool
) -> None:
    """A gateway that may be used leads to public addresses, not to the metadata service."""
    allowance = Allowance.parse([network])
    public, metadata = ("808:808", "a9fe:a9fe") if inner else ("f7f7:f7f7", "5601:5601")

    assert NOTHING.refusal(carrier.format(public)) is not None
    assert allowance.refusal(carrier.format(public)) is None
    assert allowance.refusal(carrier.format(metadata)) == METADATA
    assert Allowance.parse([network, "169.254.0.0/16"]).refusal(carrier.format(metadata)) is None


def test_several_networks_each_lift_theirs() -> None:
    """The list is a union, IPv4 and IPv6 side by side."""
    allowance = Allowance.parse(["10.0.0.0/8", "::1", "192.168.0.0/16"])

    assert [allowance.refusal(one) for one in ("10.0.0.1", "::1", "192.168.3.4", "8.8.8.8")] == [None] * 4
    assert allowance.refusal("172.16.0.1") == "a private address"


@pytest.mark.parametrize(
    ("cidr", "said"),
    [
        ("", "no network: write one like 10.0.0.0/8 or fd00::/8"),
        ("localhost", "no network"),
        ("10.0.0.0/33", "no network"),
        ("10.0.0.0/8 ", "no network"),
        ("10.1.2", "no network"),
        ("10.0.0.1/8", "goes beyond its prefix: write 10.0.0.0/8"),
        ("fd00::1/8", "goes beyond its prefix: write fd00::/8"),
        ("0.0.0.0/0", "every address there is: write the networks that are meant"),
        ("::/0", "every address there is"),
        ("::ffff:10.0.0.0/104", "a network of IPv4 addresses: write it as one"),
    ],
)
def test_entry_that_makes_no_sense_is_named_with_its_fix(cidr: str, said: str) -> None:
    """The operator reads which entry is wrong and what to write instead."""
    with pytest.raises(ValueError, match=said) as caught:
        Allowance.parse(["10.0.0.0/8", cidr])

    assert str(caught.value).startswith(repr(cidr))


@given(st.text(max_size=20))
def test_no_entry_raises_anything_else(cidr: str) -> None:
    """An entry is read, or refused by name."""
    said = repr(cidr)
    try:
        Allowance.parse([cidr])
    except ValueError as error:
        said = str(error)

    assert said.startswith(repr(cidr))
