"""People: users, their sign-ins, and invitations to become one."""

from datetime import datetime

import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import changed, fetch_all, fetch_one, values_of
from gateway.storage.rows import Invitation, Session, User

_users = schema.users
_sessions = schema.sessions
_invitations = schema.invitations
_memberships = schema.memberships


class Users:
    """Users and where they belong. Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, user_id: str) -> User | None:
        """Return one."""
        async with self._database.reading() as connection:
            return await fetch_one(connection, User, sa.select(_users).where(_users.c.id == user_id))

    async def find_by_email(self, email: str) -> User | None:
        """Return the one with that address, however it is capitalized."""
        statement = sa.select(_users).where(_users.c.email == email.lower())
        async with self._database.reading() as connection:
            return await fetch_one(connection, User, statement)

    async def list_of(self, organization_id: str) -> list[User]:
        """Return an organization's users, oldest membership first."""
        statement = (
            sa.select(_users)
            .join(_memberships, _memberships.c.user_id == _users.c.id)
            .where(_memberships.c.organization_id == organization_id)
            .order_by(_memberships.c.created_at, _users.c.id)
        )
        async with self._database.reading() as connection:
            return await fetch_all(connection, User, statement)

    async def belongs(self, user_id: str, organization_id: str) -> bool:
        """Tell whether a user is a member."""
        statement = sa.select(_memberships.c.user_id).where(
            _memberships.c.user_id == user_id, _memberships.c.organization_id == organization_id
        )
        async with self._database.reading() as connection:
            return (await connection.execute(statement)).first() is not None


class Sessions:
    """Sign-ins, known by the hash of their token. Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, session: Session) -> None:
        """Add one, and forget those that have expired."""
        async with self._database.writing() as connection:
            await connection.execute(sa.delete(_sessions).where(_sessions.c.expires_at <= session.created_at))
            await connection.execute(sa.insert(_sessions).values(values_of(session)))

    async def find(self, token_hash: str, now: datetime) -> Session | None:
        """Return one that has not expired."""
        statement = sa.select(_sessions).where(
            _sessions.c.token_hash == token_hash, _sessions.c.expires_at > now
        )
        async with self._database.reading() as connection:
            return await fetch_one(connection, Session, statement)

    async def move(self, token_hash: str, organization_id: str) -> bool:
        """Let a user work in another organization from now on."""
        statement = (
            sa.update(_sessions)
            .where(_sessions.c.token_hash == token_hash)
            .values(organization_id=organization_id)
        )
        async with self._database.writing() as connection:
            return await changed(connection, statement) == 1

    async def end(self, token_hash: str) -> bool:
        """Sign out."""
        async with self._database.writing() as connection:
            return (
                await changed(connection, sa.delete(_sessions).where(_sessions.c.token_hash == token_hash))
                == 1
            )


class Invitations:
    """Invitations, known by the hash of their token. Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, invitation: Invitation, token_hash: str) -> None:
        """Add one."""
        row = values_of(invitation) | {"token_hash": token_hash, "email": invitation.email.lower()}
        async with self._database.writing() as connection:
            await connection.execute(sa.insert(_invitations).values(row))

    async def find(self, token_hash: str, now: datetime) -> Invitation | None:
        """Return one that can still be accepted."""
        statement = sa.select(_invitations).where(
            _invitations.c.token_hash == token_hash,
            _invitations.c.expires_at > now,
            _invitations.c.accepted_at.is_(None),
        )
        async with self._database.reading() as connection:
            return await fetch_one(connection, Invitation, statement)

    async def accept(self, invitation: Invitation, user: User, now: datetime) -> str | None:
        """Make the invited person a member, as a new user where the address is not known.

        Returns:
            The member's id; None when the invitation was used meanwhile.
        """
        async with self._database.writing() as connection:
            taken = await changed(
                connection,
                sa.update(_invitations)
                .where(_invitations.c.id == invitation.id, _invitations.c.accepted_at.is_(None))
                .values(accepted_at=now),
            )
            if not taken:
                return None
            row = values_of(user) | {"email": invitation.email.lower()}
            await connection.execute(
                self._database.insert(_users).values(row).on_conflict_do_nothing(index_elements=["email"])
            )
            known = sa.select(_users.c.id).where(_users.c.email == row["email"])
            user_id = str((await connection.execute(known)).scalar_one())
            membership = {
                "organization_id": invitation.organization_id,
                "user_id": user_id,
                "created_at": now,
            }
            await connection.execute(
                self._database.insert(_memberships).values(membership).on_conflict_do_nothing()
            )
            return user_id
