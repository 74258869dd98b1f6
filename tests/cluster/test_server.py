"""The server that answers, refuses, hangs or is not there: each question has its end."""

import asyncio
import time

import pytest

from gateway.cluster import server as server_module
from gateway.cluster.server import Server
from gateway.errors import ClusterError, ConfigError
from tests.valkeys import Valkey


async def unavailable(server: Server) -> str:
    """Ask a server that is away; return what is said."""
    with pytest.raises(ClusterError) as caught:
        await server.ask(lambda client: client.set("key", "value"))
    assert caught.value.reason == "unavailable"
    return str(caught.value)


async def test_question_is_answered(valkey: Valkey) -> None:
    """What the client returns comes back, and scripts run with keys and arguments."""
    server = Server(valkey.url, "prefix")

    assert await server.ask(lambda client: client.set("key", "value"))
    assert await server.script("return {KEYS[1], ARGV[1]}").run(["k"], [7]) == [b"k", b"7"]
    assert server.key("call", "id") == "prefix:call:id"
    await server.close()


async def test_many_questions_share_few_connections(valkey: Valkey) -> None:
    """A burst of questions waits for connections instead of opening hundreds."""
    server = Server(valkey.url)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(server.ask(lambda client: client.incr("burst"))) for _ in range(200)]

    assert sorted(task.result() for task in asked) == list(range(1, 201))
    clients = str(valkey.command("CLIENT", "LIST")).count(" addr=")
    assert clients <= server_module._CONNECTIONS + 2
    await server.close()


async def test_server_that_is_gone_costs_one_attempt(own_valkey: Valkey) -> None:
    """Gone, it is unavailable; for a moment nobody tries again; back, it answers."""
    server = Server(own_valkey.url)
    await server.ask(lambda client: client.ping())
    own_valkey.kill()

    assert "ConnectionError" in await unavailable(server)
    assert "is away" in await unavailable(server)

    own_valkey.start()
    await asyncio.sleep(server_module._REST_S)
    assert await server.ask(lambda client: client.set("key", "value"))
    await server.close()


async def test_server_that_hangs_costs_one_deadline(own_valkey: Valkey) -> None:
    """Frozen, the first question ends at its deadline and the next at once; thawed, it answers."""
    server = Server(own_valkey.url)
    await server.ask(lambda client: client.ping())
    own_valkey.freeze()
    began = time.monotonic()

    with pytest.raises(ClusterError):
        await server.ask(lambda client: client.ping(), within_s=0.2)
    await unavailable(server)

    assert time.monotonic() - began < 1.0
    own_valkey.thaw()
    await asyncio.sleep(server_module._REST_S)
    assert await server.ask(lambda client: client.set("key", "value"))
    await server.close()


async def test_refusal_is_told_by_its_code(own_valkey: Valkey) -> None:
    """A server that takes no writes, as a replica in a failover, is unavailable by name."""
    own_valkey.command("CONFIG", "SET", "min-replicas-to-write", "1")
    server = Server(own_valkey.url)

    assert "NOREPLICAS" in await unavailable(server)
    assert await server.ask(lambda client: client.ping())
    await server.close()


@pytest.mark.parametrize("url", ["http://canary@host", "canary", "redis://canary:x@host:notaport/"])
def test_url_that_cannot_be_used_is_not_shown(url: str) -> None:
    """A wrong URL is the operator's error, which does not show what may be a password."""
    with pytest.raises(ConfigError, match=r"cluster\.url") as caught:
        Server(url)

    assert "canary@" not in str(caught.value)
    assert "x@host" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["redis", "rediss", "valkey", "valkeys"])
async def test_all_names_of_the_servers_are_taken(scheme: str) -> None:
    """Redis and Valkey, with TLS or without, by either name; nothing is listening there."""
    server = Server(f"{scheme}://127.0.0.1:1/0")

    await unavailable(server)
    await server.close()
