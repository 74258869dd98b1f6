"""People, sign-ins and invitations on both engines."""

import asyncio

from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from gateway.storage.rows import Invitation, Session, User
from gateway.storage.users import Invitations, Sessions, Users
from tests.tenants import NOW, Tenant, after, an_id, organization


def person(email: str = "ada@example.com") -> User:
    """Return a user."""
    return User(id=an_id(), email=email, name="Ada", password_hash="$argon2", created_at=NOW)


def invitation(organization_id: str, email: str = "Ada@Example.com") -> Invitation:
    """Return an invitation for an hour."""
    return Invitation(
        id=an_id(),
        organization_id=organization_id,
        email=email,
        created_at=NOW,
        expires_at=after(3600),
        accepted_at=None,
    )


async def join(database: Database, organization_id: str, user: User) -> str:
    """Invite a person who accepts; return the member's id."""
    asked = invitation(organization_id, user.email)
    await Invitations(database).add(asked, asked.id)
    member = await Invitations(database).accept(asked, user, NOW)
    assert member is not None
    return member


async def test_invited_person_becomes_a_member(acme: Tenant, rival: Tenant) -> None:
    """Who accepts is a user of that organization and no other, found however the address is written."""
    users = Users(acme.database)
    ada = person()

    assert await join(acme.database, acme.id, ada) == ada.id
    assert await users.find_by_email("ADA@example.com") == ada
    assert await users.find(ada.id) == ada
    assert await users.list_of(acme.id) == [ada]
    assert await users.list_of(rival.id) == []
    assert await users.belongs(ada.id, acme.id)
    assert not await users.belongs(ada.id, rival.id)
    assert [one.id for one in await Organizations(acme.database).list_of(ada.id)] == [acme.id]


async def test_known_person_joins_a_second_organization(acme: Tenant, rival: Tenant) -> None:
    """An address that is known stays one user with its password, who then belongs to both."""
    ada = person()
    await join(acme.database, acme.id, ada)
    again = await join(acme.database, rival.id, person())

    assert again == ada.id
    assert await Users(acme.database).find(ada.id) == ada
    assert len(await Organizations(acme.database).list_of(ada.id)) == 2


async def test_invitation_is_good_once_and_for_a_while(acme: Tenant) -> None:
    """It is found until it expires or was accepted; of two who race, one becomes a member."""
    invitations = Invitations(acme.database)
    asked = invitation(acme.id)
    await invitations.add(asked, "hash")
    found = await invitations.find("hash", after(3599))
    late = await invitations.find("hash", after(3600))
    async with asyncio.TaskGroup() as group:
        races = [group.create_task(invitations.accept(asked, person(), NOW)) for _ in range(5)]

    assert found is not None
    assert found.email == "ada@example.com"
    assert late is None
    assert sum(race.result() is not None for race in races) == 1
    assert await invitations.find("hash", NOW) is None


async def test_session_lives_until_it_expires_or_ends(acme: Tenant) -> None:
    """A sign-in is found by its token's hash until its time is over or it is ended."""
    sessions = Sessions(acme.database)
    user_id = await join(acme.database, acme.id, person())
    begun = [
        Session(
            token_hash=name, user_id=user_id, organization_id=acme.id, created_at=NOW, expires_at=after(60)
        )
        for name in ("a", "b")
    ]
    for one in begun:
        await sessions.begin(one)

    assert await sessions.find("a", after(59)) == begun[0]
    assert await sessions.find("a", after(60)) is None
    assert await sessions.end("a")
    assert not await sessions.end("a")
    assert await sessions.find("a", NOW) is None
    assert await sessions.find("b", NOW) == begun[1]


async def test_session_moves_to_another_organization(acme: Tenant, rival: Tenant) -> None:
    """A user who belongs to several works in one at a time."""
    sessions = Sessions(acme.database)
    user_id = await join(acme.database, acme.id, person())
    begun = Session(
        token_hash="a", user_id=user_id, organization_id=acme.id, created_at=NOW, expires_at=after(60)
    )
    await sessions.begin(begun)

    assert await sessions.move("a", rival.id)
    assert not await sessions.move("absent", rival.id)
    moved = await sessions.find("a", NOW)
    assert moved is not None
    assert moved.organization_id == rival.id


async def test_first_owner_belongs_at_once(acme: Tenant) -> None:
    """Whoever makes an organization is its first member."""
    ada = await join(acme.database, acme.id, person())
    mine = organization("Mine")
    await Organizations(acme.database).add(mine, owner_id=ada)

    assert await Users(acme.database).belongs(ada, mine.id)
