"""What a gateway begins with: an organization and its API key; and invitations for people to join."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import get_args

from gateway.api.tokens import hash_token, new_key, new_token, new_webhook_secret
from gateway.storage.api_keys import ApiKeys
from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from gateway.storage.queries import new_id
from gateway.storage.rows import ApiKey, Invitation, Organization, Scope
from gateway.storage.users import Invitations

FIRST_ORGANIZATION_ID = "00000000-0000-4000-8000-000000000001"
INVITATION_DAYS = 7
ALL_SCOPES: list[Scope] = list(get_args(Scope))


@dataclass(frozen=True, slots=True)
class FirstStart:
    """What is to be shown to the operator, once."""

    organization: Organization
    key: str = field(repr=False)


async def first_start(database: Database, now: datetime, name: str = "Default") -> FirstStart | None:
    """Create the first organization and its key on an empty database.

    Returns:
        What to show; None when there is an organization already, on whichever node.
    """
    organization = new_organization(name, now, FIRST_ORGANIZATION_ID)
    if not await Organizations(database).add_first(organization):
        return None
    key = await create_key(database, organization.id, "first", ALL_SCOPES, now)
    return FirstStart(organization, key[1])


def new_organization(name: str, now: datetime, organization_id: str | None = None) -> Organization:
    """Return a fresh organization with a webhook secret of its own."""
    return Organization(
        id=organization_id or new_id(),
        name=name,
        default_agent_id=None,
        webhook_secret=new_webhook_secret(),
        previous_webhook_secret=None,
        webhook_secret_changed_at=None,
        created_at=now,
    )


async def create_key(
    database: Database, organization_id: str, name: str, scopes: list[Scope], now: datetime
) -> tuple[ApiKey, str]:
    """Create an API key; return it with its text, which nobody can show again."""
    text = new_key()
    key = ApiKey(
        id=new_id(),
        organization_id=organization_id,
        name=name,
        public_id=text.public_id,
        secret_hash=text.secret_hash,
        scopes=scopes,
        created_at=now,
        last_used_at=None,
        revoked_at=None,
    )
    await ApiKeys(database).add(key)
    return key, str(text)


async def invite(
    database: Database, organization_id: str, email: str, now: datetime
) -> tuple[Invitation, str]:
    """Invite a person; return the invitation with the token that accepts it, which nobody can show again."""
    token = new_token()
    invitation = Invitation(
        id=new_id(),
        organization_id=organization_id,
        email=email.lower(),
        created_at=now,
        expires_at=now + timedelta(days=INVITATION_DAYS),
        accepted_at=None,
    )
    await Invitations(database).add(invitation, hash_token(token))
    return invitation, token
