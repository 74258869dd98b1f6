"""From name to socket: both checks of an address, each on its own, and look-ups that hold up nobody."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from gateway.egress.addresses import Allowance
from gateway.egress.connecting import (
    AddressInfo,
    GuardedResolver,
    RefusedAddress,
    Resolve,
    SystemLookup,
    guarded_socket,
)

NOTHING = Allowance()
CLOSED = [
    "127.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.88.99.1",
    "192.168.0.1",
    "168.63.129.16",
    "224.0.0.1",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%lo",
    "fec0::1",
    "ff02::1",
]


def answering(*addresses: str) -> Resolve:
    """Resolve every name to these addresses."""

    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


def info(address: str) -> AddressInfo:
    """Return an address as it is handed over for a socket to be made."""
    if ":" in address:
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 443, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 443))


# --- the answer of DNS


@pytest.mark.parametrize("address", CLOSED)
@pytest.mark.parametrize("others", [[], ["93.184.216.34"], ["2606:4700::1111", "93.184.216.34"]])
async def test_answer_with_a_closed_address_is_refused_as_a_whole(address: str, others: list[str]) -> None:
    """A public A record beside a private AAAA record makes the name no better, in either order."""
    for answer in ([*others, address], [address, *others]):
        with pytest.raises(RefusedAddress) as caught:
            await GuardedResolver(answering(*answer), NOTHING).resolve("rebind.test", 443)

        assert str(caught.value) == NOTHING.refusal(address)
        assert address not in str(caught.value)


async def test_public_answer_is_passed_on_in_its_order() -> None:
    """What may be reached is tried as the resolver would have it."""
    resolver = GuardedResolver(answering("2606:4700::1111", "93.184.216.34"), NOTHING)
    found = await resolver.resolve("hooks.test", 8443)
    await resolver.close()

    assert [(one["hostname"], one["host"], one["port"], one["family"]) for one in found] == [
        ("hooks.test", "2606:4700::1111", 8443, socket.AF_INET6),
        ("hooks.test", "93.184.216.34", 8443, socket.AF_INET),
    ]
    assert {one["flags"] for one in found} == {socket.AI_NUMERICHOST}


async def test_allowed_private_answer_is_passed_on() -> None:
    """An operator's own hosts resolve to what they allowed."""
    resolver = GuardedResolver(answering("10.1.2.3"), Allowance.parse(["10.1.0.0/16"]))

    assert [one["host"] for one in await resolver.resolve("crm.internal", 443)] == ["10.1.2.3"]
    with pytest.raises(RefusedAddress):
        await GuardedResolver(answering("10.2.2.3"), Allowance.parse(["10.1.0.0/16"])).resolve("x.internal")


async def test_answer_that_names_nothing_is_no_address() -> None:
    """An empty answer is a failed look-up, and not a refusal."""
    with pytest.raises(OSError, match="the host name has no address") as caught:
        await GuardedResolver(answering(), NOTHING).resolve("hooks.test", 443)

    assert not isinstance(caught.value, RefusedAddress)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST.", "api.localhost"])
@pytest.mark.parametrize(
    ("cidrs", "found"),
    [
        (["127.0.0.0/8"], ["127.0.0.1"]),
        (["::1"], ["::1"]),
        (["127.0.0.1", "::1"], ["127.0.0.1", "::1"]),
    ],
)
async def test_loopback_name_is_what_of_loopback_is_allowed(
    name: str, cidrs: list[str], found: list[str]
) -> None:
    """Nobody is asked, so nobody can answer otherwise."""
    resolver = GuardedResolver(answering("93.184.216.34"), Allowance.parse(cidrs))

    assert [one["host"] for one in await resolver.resolve(name, 80)] == found


async def test_loopback_name_is_refused_when_nothing_of_loopback_is_allowed() -> None:
    """A hosts file that sends localhost elsewhere changes nothing."""
    with pytest.raises(RefusedAddress, match="a loopback address"):
        await GuardedResolver(answering("93.184.216.34"), NOTHING).resolve("localhost", 80)


# --- the socket address


@pytest.mark.parametrize("address", CLOSED)
def test_no_socket_is_made_for_a_closed_address(address: str) -> None:
    """Wherever the address came from, here it ends."""
    with pytest.raises(RefusedAddress) as caught:
        guarded_socket(NOTHING, info(address))

    assert str(caught.value) == NOTHING.refusal(address)


@pytest.mark.parametrize("address", ["not.an.address", "127.1", ""])
def test_no_socket_is_made_for_what_is_no_address(address: str) -> None:
    """The system might read it as one."""
    with pytest.raises(RefusedAddress, match="not an IP address"):
        guarded_socket(NOTHING, info(address))


@pytest.mark.parametrize(
    ("address", "family"), [("93.184.216.34", socket.AF_INET), ("2606:4700::1111", socket.AF_INET6)]
)
def test_socket_for_an_open_address_is_as_asked_for(address: str, family: socket.AddressFamily) -> None:
    """It is made, not connected."""
    with guarded_socket(NOTHING, info(address)) as made:
        assert (made.family, made.type) == (family, socket.SOCK_STREAM)
        assert made.getsockname()[1] == 0


def test_socket_takes_in_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood is handed over in pieces that are parsed in a few milliseconds."""
    monkeypatch.setattr("gateway.egress.connecting.RECEIVE_BUFFER_BYTES", 10_000)
    with guarded_socket(NOTHING, info("93.184.216.34")) as made:
        # Linux doubles what was asked for, to count its own share.
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) in (10_000, 20_000)


# --- looking up


@pytest.fixture
def lookup() -> Iterator[SystemLookup]:
    """Yield a look-up by the system."""
    made = SystemLookup()
    yield made
    made.close()


async def test_system_knows_a_literal(lookup: SystemLookup) -> None:
    """Numbers need no name server; an address is named once."""
    assert await lookup("127.0.0.1", 80) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "\ud800.test", "a..test"])
async def test_name_that_cannot_be_looked_up_is_an_error_of_the_system(
    lookup: SystemLookup, host: str
) -> None:
    """Too long, empty or no text: the same kind of error as an unknown one."""
    with pytest.raises(OSError, match="the host name cannot be looked up"):
        await lookup(host, 80)


async def test_lookups_have_threads_of_their_own(
    lookup: SystemLookup, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name servers that hang take none of the threads that others look up with, and not the loop's."""
    go, names = threading.Event(), []

    def hang(*arguments: object, **more: object) -> list[object]:
        names.append(threading.current_thread().name)
        go.wait(10)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", 80))]

    monkeypatch.setattr("gateway.egress.connecting.socket.getaddrinfo", hang)
    async with asyncio.TaskGroup() as group:
        hanging = [group.create_task(lookup(f"slow{number}.test", 80)) for number in range(20)]
        assert await asyncio.to_thread(lambda: "free") == "free"
        go.set()

    assert [task.result() for task in hanging] == [["93.184.216.34"]] * 20
    assert len(names) == 20
    assert all(name.startswith("egress-dns") for name in names)
    assert len(set(names)) <= 8


async def test_closed_lookup_begins_no_more() -> None:
    """Whoever asks after the end is told."""
    lookup = SystemLookup()
    lookup.close()

    with pytest.raises(RuntimeError):
        await lookup("127.0.0.1", 80)
