"""Where a name lives: asked anew, remembered for when nobody answers. On virtual time."""

import asyncio
import socket

import pytest

from gateway.errors import AgentConnectError
from gateway.vatel.addresses import Addresses, AddressResolver, system_resolver
from tests.virtual_time import on_virtual_time


class Dns:
    """A resolver that answers, fails or hangs as told, and counts."""

    def __init__(self, *found: str) -> None:
        self.found = list(found)
        self.error: Exception | None = None
        self.delay_s = 0.0
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        """Look up."""
        self.asked.append((host, port))
        await asyncio.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        return self.found


FAILURES = [socket.gaierror("no such name"), OSError("no resolver"), UnicodeError("label too long")]


@on_virtual_time
async def test_a_name_is_looked_up_each_time() -> None:
    """A good answer is taken as it is, in its order, and asked for again."""
    dns = Dns("192.0.2.1", "2001:db8::1")
    addresses = Addresses(resolve=dns)

    assert await addresses.lookup("agent.test", 443) == ["192.0.2.1", "2001:db8::1"]
    dns.found = ["192.0.2.2"]
    assert await addresses.lookup("agent.test", 443) == ["192.0.2.2"]
    assert dns.asked == [("agent.test", 443)] * 2


@pytest.mark.parametrize("literal", ["127.0.0.1", "::1", "192.0.2.7"])
def test_an_address_is_its_own_answer(literal: str) -> None:
    """Nobody is asked about a literal."""
    dns = Dns()

    assert asyncio.run(Addresses(resolve=dns).lookup(literal, 443)) == [literal]
    assert dns.asked == []


@pytest.mark.parametrize("error", FAILURES, ids=repr)
def test_a_failure_without_memory_is_named(error: Exception) -> None:
    """The first lookup must work; the name itself is not repeated."""
    dns = Dns()
    dns.error = error

    with pytest.raises(AgentConnectError) as caught:
        asyncio.run(Addresses(resolve=dns).lookup("agent.test", 443))

    assert caught.value.reason == "dns"
    assert "agent.test" not in str(caught.value)


@on_virtual_time
async def test_a_failure_falls_back_on_the_last_good_answer() -> None:
    """For five minutes the gateway goes on where the name lived last (fault matrix row 4)."""
    dns = Dns("192.0.2.1")
    addresses = Addresses(resolve=dns)
    await addresses.lookup("agent.test", 443)

    for error in FAILURES:
        dns.error = error
        await asyncio.sleep(99)
        assert await addresses.lookup("agent.test", 443) == ["192.0.2.1"]
    await asyncio.sleep(4)
    with pytest.raises(AgentConnectError):
        await addresses.lookup("agent.test", 443)


@on_virtual_time
async def test_an_empty_answer_is_a_failure() -> None:
    """Nothing found is not remembered as good."""
    dns = Dns("192.0.2.1")
    addresses = Addresses(resolve=dns)
    await addresses.lookup("agent.test", 443)
    dns.found = []

    assert await addresses.lookup("agent.test", 443) == ["192.0.2.1"]


@on_virtual_time
async def test_a_lookup_that_hangs_has_its_own_deadline() -> None:
    """DNS may not eat the time of the whole attempt."""
    dns = Dns("192.0.2.1")
    dns.delay_s = 3600
    began = asyncio.get_running_loop().time()

    with pytest.raises(AgentConnectError) as caught:
        await Addresses(timeout_s=1.0, resolve=dns).lookup("agent.test", 443)

    assert caught.value.reason == "dns"
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.0)


@on_virtual_time
async def test_names_are_remembered_apart() -> None:
    """One name's answer says nothing of another's, nor of another port's."""
    dns = Dns("192.0.2.1")
    addresses = Addresses(resolve=dns)
    await addresses.lookup("agent.test", 443)
    dns.error = OSError()

    for host, port in (("other.test", 443), ("agent.test", 80)):
        with pytest.raises(AgentConnectError):
            await addresses.lookup(host, port)


@on_virtual_time
async def test_giving_up_is_not_taken_for_a_failure() -> None:
    """A cancelled lookup is cancelled, memory or not."""
    dns = Dns("192.0.2.1")
    addresses = Addresses(resolve=dns)
    await addresses.lookup("agent.test", 443)
    dns.delay_s = 3600
    async with asyncio.TaskGroup() as group:
        looking = group.create_task(addresses.lookup("agent.test", 443))
        await asyncio.sleep(0.5)
        looking.cancel()

    assert looking.cancelled()


async def test_the_system_knows_localhost() -> None:
    """The real resolver answers, each address once."""
    found = await system_resolver("localhost", 80)

    assert {"127.0.0.1", "::1"} & set(found)
    assert len(found) == len(set(found))


async def test_http_session_outlives_a_dns_failure() -> None:
    """An HTTP session that resolves through us uses the last good answer when DNS fails."""
    answers: list[list[str]] = [["127.0.0.1", "::1"], []]

    async def resolve(host: str, port: int) -> list[str]:
        if found := answers.pop(0):
            return found
        raise OSError("no answer")

    resolver = AddressResolver(Addresses(resolve=resolve))
    first = await resolver.resolve("vatel.example", 443)
    again = await resolver.resolve("vatel.example", 443)

    assert [(each["host"], each["port"], each["family"]) for each in first] == [
        ("127.0.0.1", 443, socket.AF_INET),
        ("::1", 443, socket.AF_INET6),
    ]
    assert again == first
    await resolver.close()


async def test_http_session_is_told_when_there_is_no_answer() -> None:
    """A name that was never resolved is an OSError, which aiohttp turns into a failed connection."""

    async def resolve(host: str, port: int) -> list[str]:
        raise OSError("no answer")

    with pytest.raises(OSError, match="no address"):
        await AddressResolver(Addresses(resolve=resolve)).resolve("vatel.example", 443)
