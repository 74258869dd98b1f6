"""Nodes around a server: who is there, and what is left when one goes."""

import asyncio

import pytest

from gateway.cluster import valkey as valkey_module
from tests.valkeys import Valkey, new_prefix, node, until


async def test_nodes_that_leave_are_no_longer_counted(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node is counted as long as it says that it is there."""
    monkeypatch.setattr(valkey_module, "RENEW_S", 0.02)
    monkeypatch.setattr(valkey_module, "LEASE_S", 0.2)
    prefix = new_prefix()
    async with node(valkey, "a", prefix) as a:
        async with node(valkey, "b", prefix) as b:
            await until(lambda: a.nodes == b.nodes == 2)
        await until(lambda: a.nodes == 1)
        assert not b.connected


async def test_number_of_nodes_is_remembered_while_the_server_is_away(
    own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a server the last count stands; when it is back the node is counted again."""
    monkeypatch.setattr(valkey_module, "RENEW_S", 0.02)
    prefix = new_prefix()
    async with node(own_valkey, "a", prefix) as a, node(own_valkey, "b", prefix):
        await until(lambda: a.nodes == 2)
        own_valkey.kill()
        await until(lambda: not a.connected)
        await asyncio.sleep(0.05)
        assert a.nodes == 2
        own_valkey.start()
        await until(lambda: a.connected)
        await until(lambda: own_valkey.command("ZCARD", f"{prefix}:nodes") == 2)


async def test_prefixes_keep_gateways_apart(valkey: Valkey) -> None:
    """Two gateways on one server, with prefixes of their own, do not see each other."""
    async with node(valkey, "a", new_prefix()) as a, node(valkey, "a", new_prefix()) as other:
        assert await a.leases.acquire("work") is not None
        assert await other.leases.acquire("work") is not None
        assert a.nodes == other.nodes == 1


async def test_nothing_is_left_when_a_node_ends(valkey: Valkey) -> None:
    """All connections are closed, in whatever state the node was."""
    before = str(valkey.command("CLIENT", "LIST")).count(" addr=")
    async with node(valkey, "a", new_prefix()) as a:
        await a.limits.hit("key", limit=1)
        await a.leases.acquire("work")
        async with a.events.watch("call"):
            await asyncio.sleep(0.02)
    await until(lambda: str(valkey.command("CLIENT", "LIST")).count(" addr=") == before)
