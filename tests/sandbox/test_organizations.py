from gateway.sandbox.documents import MAIN_ORGANIZATION, Document
from gateway.sandbox.organizations import Organizations, main_key
from gateway.sandbox.store import Store

AT = "2026-11-26T00:00:00.000000Z"


async def test_key_tells_whose_it_is(store: Store) -> None:
    """Each key is one organization's; a wrong one is nobody's, nor is one that is no text."""
    organizations = Organizations()
    ours = await store.run(lambda tables: organizations.add(tables, "Ours", "one", AT))
    theirs = await store.run(lambda tables: organizations.add(tables, "Theirs", "two", AT))
    assert organizations.of_key("one") == ours["id"]
    assert organizations.of_key("two") == theirs["id"]
    assert [organizations.of_key(key) for key in ("", "on", "one ", "\udcff")] == [None] * 4
    assert [organizations.is_taken(key) for key in ("one", "three")] == [True, False]


async def test_keys_are_learned_from_the_database(store: Store) -> None:
    """After a restart the same keys are good."""
    made = await store.run(lambda tables: Organizations().add(tables, "Ours", "one", AT))
    later = Organizations()
    await store.run(later.load)
    assert later.of_key("one") == made["id"]


async def test_new_key_of_a_known_organization_takes_the_old_ones_place(store: Store) -> None:
    """Name and age stay, the old key is worth nothing."""
    organizations = Organizations()
    assert await store.run(main_key) is None
    made: Document = {}
    for key in ("one", "two"):
        made = await store.run(
            lambda tables, key=key: organizations.add(tables, "Sandbox", key, AT, MAIN_ORGANIZATION)  # type: ignore[misc]
        )
    assert (made["id"], made["name"], made["created_at"]) == (MAIN_ORGANIZATION, "Sandbox", AT)
    assert organizations.of_key("one") is None
    assert organizations.of_key("two") == MAIN_ORGANIZATION
    assert await store.run(main_key) == "two"
