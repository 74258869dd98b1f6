from datetime import UTC, datetime
from uuid import UUID

from gateway.audio import wav
from gateway.sandbox import seed
from gateway.sandbox.catalog import standard
from gateway.sandbox.documents import MAIN_ORGANIZATION
from gateway.sandbox.organizations import Organizations
from gateway.sandbox.store import Store, Tables

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def begin(tables: Tables) -> None:
    """Do what a sandbox does when it starts."""
    Organizations().add(tables, "Sandbox", "key", "2026-11-26", MAIN_ORGANIZATION)
    seed.plant(tables, tuple(standard()), NOW)


async def planted() -> Store:
    """Return a store right after a sandbox's first start."""
    store = Store()
    await store.open()
    await store.run(begin)
    return store


async def test_example_has_something_of_everything() -> None:
    """A new sandbox has agents with versions, numbers, a trunk with an agent on it, and finished calls."""
    store = await planted()

    def look(tables: Tables) -> None:
        agents = tables.of("agent", MAIN_ORGANIZATION)
        assert {agent["name"] for agent in agents} >= {"Vatel Bistro", "Front desk", "echo", "table_booking"}
        versions = tables.of("version", MAIN_ORGANIZATION)
        published = {version["id"] for version in versions if version["published_at"]}
        assert {agent["_active_version_id"] for agent in agents} == published
        assert sum(version["agent_id"] == seed.BISTRO for version in versions) == 2
        assert [number["id"] for number in tables.of("number")] == [seed.NUMBER, seed.SPARE_NUMBER]
        assert [trunk["id"] for trunk in tables.of("trunk")] == [seed.TRUNK]
        assert [each["agent_id"] for each in tables.of("assignment")] == [seed.BISTRO]
        calls = tables.of("call", MAIN_ORGANIZATION)
        assert {call["status"] for call in calls} == {"ended"}
        assert {call["source"] for call in calls} == {"twilio", "sip", "api"}
        size = tables.recording_bytes(calls[0]["id"]) or 0
        assert wav.read(tables.recording(calls[0]["id"], 0, size))[1] == 24_000

    await store.run(look)
    await store.close()


async def test_what_was_deleted_stays_deleted() -> None:
    """A second start plants nothing again, but for agents that are new to the program."""
    store = await planted()

    def drop(tables: Tables) -> None:
        tables.delete("agent", seed.BISTRO)
        tables.delete("agent", str(standard()[0].agent_id))
        organization = tables.get("organization", MAIN_ORGANIZATION) or {}
        known = [each for each in organization["_planted"] if each != str(standard()[1].agent_id)]
        tables.put("organization", {**organization, "_planted": known}, MAIN_ORGANIZATION)
        tables.delete("agent", str(standard()[1].agent_id))

    await store.run(drop)
    await store.run(begin)
    left = {agent["name"] for agent in await store.run(lambda tables: tables.of("agent"))}
    assert "Vatel Bistro" not in left
    assert "echo" not in left
    assert "tone" in left
    await store.close()


async def test_nothing_is_planted_for_nobody() -> None:
    """Without the sandbox's own organization there is nobody to own anything."""
    store = Store()
    await store.open()
    await store.run(lambda tables: seed.plant(tables, tuple(standard()), NOW))
    assert await store.run(lambda tables: tables.of("agent")) == []
    await store.close()


def test_versions_have_ids_of_their_own() -> None:
    """No two agents' versions share one, and each is a UUID."""
    agents = [seed.BISTRO, seed.FRONT_DESK, *(str(entry.agent_id) for entry in standard())]
    ids = [seed.version_id(agent, number) for agent in agents for number in (1, 2)]
    assert len(set(ids) | set(agents)) == 3 * len(agents)
    assert all(str(UUID(one)) == one for one in ids)
