"""Leases on a server that forgets, dies, or expires them by its own clock."""

import pytest

from gateway.cluster.interface import Lease
from gateway.cluster.remote_leases import RemoteLeases
from gateway.cluster.server import Server
from gateway.errors import ClusterError
from tests.valkeys import Valkey, new_prefix


async def test_fences_grow_even_if_the_server_forgets(own_valkey: Valkey) -> None:
    """After everything was flushed the next fence is still higher than any before."""
    server = Server(own_valkey.url, new_prefix())
    leases = RemoteLeases(server, "a")
    fences = []
    for _ in range(3):
        lease = await leases.acquire("work")
        assert lease is not None
        fences.append(lease.fence)
        own_valkey.command("FLUSHALL")
        assert not await leases.renew(lease)
    for number in range(5):
        lease = await leases.acquire(f"work{number}")
        assert lease is not None
        fences.append(lease.fence)

    assert fences == sorted(set(fences))
    await server.close()


async def test_lease_expires_on_the_server(valkey: Valkey) -> None:
    """The time to live is the server's to count: in milliseconds, as given."""
    prefix = new_prefix()
    server = Server(valkey.url, prefix)
    lease = await RemoteLeases(server, "a").acquire("work", ttl_s=7.5)

    left_ms = valkey.command("PTTL", f"{prefix}:lease:work")
    assert isinstance(left_ms, int)
    assert 7_000 < left_ms <= 7_500
    assert lease is not None
    assert await RemoteLeases(server, "a").renew(lease, ttl_s=20.0)
    left_ms = valkey.command("PTTL", f"{prefix}:lease:work")
    assert isinstance(left_ms, int)
    assert left_ms > 19_000
    await server.close()


async def test_dead_server_is_not_a_lost_lease(own_valkey: Valkey) -> None:
    """Whether a lease is held cannot be known without the server; giving it back fails quietly."""
    server = Server(own_valkey.url, new_prefix())
    leases = RemoteLeases(server, "a")
    lease = await leases.acquire("work")
    assert lease is not None
    own_valkey.kill()

    await leases.release(lease)
    for attempt in (leases.acquire("other"), leases.renew(lease)):
        with pytest.raises(ClusterError) as caught:
            await attempt
        assert caught.value.reason == "unavailable"
    await server.close()


async def test_forged_fence_renews_and_releases_nothing(valkey: Valkey) -> None:
    """Only the holder's own fence moves a lease."""
    server = Server(valkey.url, new_prefix())
    leases = RemoteLeases(server, "a")
    lease = await leases.acquire("work")
    assert lease is not None
    forged = Lease("work", "b", lease.fence - 1)

    assert not await leases.renew(forged)
    await leases.release(forged)
    assert await leases.renew(lease)
    await server.close()
