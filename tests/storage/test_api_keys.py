"""API keys and access tokens on both engines."""

from typing import Any

import pytest

from gateway.errors import StorageError
from gateway.storage.api_keys import AccessTokens, ApiKeys
from gateway.storage.rows import AccessToken, ApiKey
from tests.tenants import NOW, Tenant, after, an_id


def key(organization_id: str, **changes: Any) -> ApiKey:
    """Return a key."""
    plain: dict[str, Any] = {
        "id": an_id(),
        "organization_id": organization_id,
        "name": "CI",
        "public_id": an_id(),
        "secret_hash": "0" * 64,
        "scopes": ["read", "write"],
        "created_at": NOW,
        "last_used_at": None,
        "revoked_at": None,
    }
    return ApiKey(**(plain | changes))


async def test_key_is_found_by_its_public_id(acme: Tenant) -> None:
    """What goes in comes out; a public id is nobody else's."""
    keys = ApiKeys(acme.database)
    added = key(acme.id)
    await keys.add(added)

    assert await keys.find_by_public_id(added.public_id) == added
    assert await keys.find_by_public_id("absent") is None
    with pytest.raises(StorageError):
        await keys.add(key(acme.id, public_id=added.public_id))


async def test_keys_belong_to_their_organization(acme: Tenant, rival: Tenant) -> None:
    """A rival neither sees, lists, revokes nor regenerates one."""
    keys = ApiKeys(acme.database)
    added = key(acme.id)
    await keys.add(added)

    assert await keys.find(rival.id, added.id) is None
    assert (await keys.list_page(rival.id, 10, 0)).total == 0
    assert not await keys.revoke(rival.id, added.id, NOW)
    assert await keys.regenerate(rival.id, added.id, "p", "s") is None
    assert await keys.find(acme.id, added.id) == added
    assert (await keys.list_page(acme.id, 10, 0)).items == (added,)


async def test_revoked_key_stays_revoked(acme: Tenant) -> None:
    """Revoking works once, and a revoked key cannot come back with a new secret."""
    keys = ApiKeys(acme.database)
    added = key(acme.id)
    await keys.add(added)

    assert await keys.revoke(acme.id, added.id, after(1))
    assert not await keys.revoke(acme.id, added.id, after(2))
    assert await keys.regenerate(acme.id, added.id, "p", "s") is None
    found = await keys.find(acme.id, added.id)
    assert found is not None
    assert found.revoked_at == after(1)


async def test_regenerated_key_has_only_the_new_secret(acme: Tenant) -> None:
    """The old public id leads nowhere; the key keeps its id, name and scopes."""
    keys = ApiKeys(acme.database)
    added = key(acme.id)
    await keys.add(added)
    await keys.note_use(added.id, after(3))
    used = await keys.find(acme.id, added.id)
    fresh = await keys.regenerate(acme.id, added.id, "fresh", "1" * 64)

    assert used is not None
    assert used.last_used_at == after(3)
    assert fresh == key(acme.id, id=added.id, public_id="fresh", secret_hash="1" * 64)
    assert await keys.find_by_public_id(added.public_id) is None


async def test_access_token_is_for_one_call_and_purpose_for_a_while(acme: Tenant) -> None:
    """Every other call, purpose or later moment finds nothing."""
    tokens = AccessTokens(acme.database)
    token = AccessToken(
        organization_id=acme.id, call_id="c", purpose="live", api_key_id=None, expires_at=after(300)
    )
    await tokens.add(token, "hash", NOW)

    assert await tokens.find("hash", "live", "c", after(299)) == token
    for wrong in [
        ("other", "live", "c", NOW),
        ("hash", "recording", "c", NOW),
        ("hash", "live", "d", NOW),
        ("hash", "live", "c", after(300)),
    ]:
        assert await tokens.find(*wrong) is None


async def test_access_token_ends_with_its_key(acme: Tenant) -> None:
    """When the key that made it is revoked, the token is worth nothing."""
    tokens, keys = AccessTokens(acme.database), ApiKeys(acme.database)
    added = key(acme.id)
    await keys.add(added)
    token = AccessToken(
        organization_id=acme.id, call_id="c", purpose="live", api_key_id=added.id, expires_at=after(300)
    )
    await tokens.add(token, "hash", NOW)
    before = await tokens.find("hash", "live", "c", NOW)
    await keys.revoke(acme.id, added.id, NOW)

    assert before == token
    assert await tokens.find("hash", "live", "c", NOW) is None
