"""The first start on both engines."""

import asyncio

from gateway.api.first_start import create_key, first_start, invite, new_organization
from gateway.api.tokens import hash_token, matches, parse_key
from gateway.storage.api_keys import ApiKeys
from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from gateway.storage.users import Invitations
from tests.tenants import NOW, Tenant, after


async def test_key_is_shown_once(database: Database) -> None:
    """The first start of several nodes makes one organization and shows one key; later starts none."""
    async with asyncio.TaskGroup() as group:
        starts = [group.create_task(first_start(database, NOW)) for _ in range(5)]
    [first] = [start.result() for start in starts if start.result() is not None]

    assert first is not None
    assert first.key not in repr(first)
    assert await Organizations(database).list_all() == [first.organization]
    text = parse_key(first.key)
    assert text is not None
    stored = await ApiKeys(database).find_by_public_id(text.public_id)
    assert stored is not None
    assert matches(text, stored.secret_hash)
    assert stored.scopes == ["read", "write", "calls"]
    assert await first_start(database, NOW) is None


async def test_database_in_use_has_had_its_first_start(acme: Tenant) -> None:
    """Where there is any organization nothing is made."""
    assert await first_start(acme.database, NOW) is None
    assert await Organizations(acme.database).list_all() == [acme.organization]


async def test_created_key_is_its_organizations(acme: Tenant) -> None:
    """It has the name and scopes asked for, and only its hash is kept."""
    key, text = await create_key(acme.database, acme.id, "CI", ["read"], NOW)
    [listed] = (await ApiKeys(acme.database).list_page(acme.id, 10, 0)).items

    assert listed == key
    assert (key.name, key.scopes) == ("CI", ["read"])
    assert str(parse_key(text)) == text


async def test_invitation_is_found_by_its_token(acme: Tenant) -> None:
    """It is good for a week, for the address in lower case."""
    invitation, token = await invite(acme.database, acme.id, "Ada@Example.com", NOW)
    invitations = Invitations(acme.database)

    assert await invitations.find(hash_token(token), after(7 * 86_400 - 1)) == invitation
    assert await invitations.find(hash_token(token), after(7 * 86_400)) is None
    assert invitation.email == "ada@example.com"


def test_organizations_have_secrets_of_their_own() -> None:
    """No two sign their webhooks alike."""
    made = [new_organization("x", NOW) for _ in range(2)]

    assert made[0].webhook_secret != made[1].webhook_secret
    assert made[0].id != made[1].id
