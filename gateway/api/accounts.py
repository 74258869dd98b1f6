"""API keys and organizations, managed by signed-in users."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from gateway.api.envelope import not_found
from gateway.api.fields import (
    Done,
    Given,
    Id,
    Listing,
    Moment,
    Name,
    PageQuery,
    Scope,
    Told,
    left_out,
    listing,
)
from gateway.api.first_start import ALL_SCOPES, create_key, new_organization
from gateway.api.operations import Ask, expose
from gateway.api.tokens import new_key, new_webhook_secret
from gateway.storage.agents import Agents
from gateway.storage.api_keys import ApiKeys
from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from gateway.storage.rows import ApiKey, Organization
from gateway.storage.users import Users

Scopes = Annotated[list[Scope], Field(min_length=1, max_length=3)]


class NewKey(Given):
    """An API key to create."""

    name: Name
    scopes: Scopes = Field(default_factory=lambda: list(ALL_SCOPES))


class KeyTold(Told):
    """An API key, by the part of it that is no secret."""

    id: str
    name: str
    public_id: str
    scopes: list[Scope]
    created_at: Moment
    last_used_at: Moment | None
    revoked_at: Moment | None


class KeyShown(KeyTold):
    """An API key with its text, shown this once."""

    key: str


class NewOrganization(Given):
    """An organization to create."""

    name: Name


class OrganizationChange(Given):
    """Fields of an organization to change; those left out stay."""

    name: Name = left_out()
    default_agent_id: Id | None = left_out()


class OrganizationTold(Told):
    """An organization; its default agent answers numbers that lead to nobody."""

    id: str
    name: str
    default_agent_id: str | None
    created_at: Moment


class WebhookSecrets(Told):
    """What signs an organization's event webhooks; the previous one signs too, for a day."""

    webhook_secret: str
    previous_webhook_secret: str | None
    changed_at: Moment | None


class KeysApi:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = ApiKeys(database)

    @expose("GET", "/api-keys", Listing[KeyTold], query=PageQuery, access="session")
    async def list_keys(self, ask: Ask) -> Mapping[str, Any]:
        """List API keys, revoked ones too."""
        query = ask.asked(PageQuery)
        return listing(await self._keys.list_page(ask.organization_id, query.limit, query.offset), query)

    @expose("POST", "/api-keys", KeyShown, body=NewKey, access="session", status=201)
    async def create_key(self, ask: Ask) -> KeyShown:
        """Create an API key; its text is shown in this answer and never again."""
        wanted = ask.given(NewKey)
        scopes = [scope for scope in ALL_SCOPES if scope in wanted.scopes]
        key, text = await create_key(self._database, ask.organization_id, wanted.name, scopes, ask.now)
        return _shown(key, text)

    @expose("DELETE", "/api-keys/{key_id}", Done, access="session")
    async def revoke_key(self, ask: Ask) -> Mapping[str, str]:
        """Revoke an API key; what is open with it is closed."""
        if not await self._keys.revoke(ask.organization_id, ask.id("key_id"), ask.now):
            raise not_found("active key")
        return {"message": "API key revoked"}

    @expose("POST", "/api-keys/{key_id}/regenerate", KeyShown, access="session")
    async def regenerate_key(self, ask: Ask) -> KeyShown:
        """Give an API key a new secret, shown this once; the old one stops working."""
        text = new_key()
        key = await self._keys.regenerate(
            ask.organization_id, ask.id("key_id"), text.public_id, text.secret_hash
        )
        if key is None:
            raise not_found("active key")
        return _shown(key, str(text))


class OrganizationsApi:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._organizations = Organizations(database)
        self._users = Users(database)
        self._agents = Agents(database)

    @expose("GET", "/organizations", list[OrganizationTold], access="session")
    async def list_organizations(self, ask: Ask) -> list[Organization]:
        """List the organizations that you belong to."""
        return await self._organizations.list_of(str(ask.who.user_id))

    @expose("POST", "/organizations", OrganizationTold, body=NewOrganization, access="session", status=201)
    async def create_organization(self, ask: Ask) -> Organization:
        """Create an organization, with you as its first member."""
        made = new_organization(ask.given(NewOrganization).name, ask.now)
        await self._organizations.add(made, owner_id=ask.who.user_id)
        return made

    @expose(
        "PATCH",
        "/organizations/{organization_id}",
        OrganizationTold,
        body=OrganizationChange,
        access="session",
    )
    async def change_organization(self, ask: Ask) -> Organization:
        """Change an organization that you belong to."""
        mine = await self._mine(ask)
        changes = ask.given(OrganizationChange).model_dump(exclude_unset=True)
        agent_id = changes.get("default_agent_id")
        if agent_id is not None and await self._agents.find(mine.id, agent_id) is None:
            raise not_found("agent")
        return await self._organizations.update(mine.id, **changes) or mine if changes else mine

    @expose("GET", "/organizations/{organization_id}/webhook-secret", WebhookSecrets, access="session")
    async def get_webhook_secret(self, ask: Ask) -> WebhookSecrets:
        """Get what signs an organization's event webhooks (Standard Webhooks)."""
        return _secrets(await self._mine(ask))

    @expose("POST", "/organizations/{organization_id}/webhook-secret", WebhookSecrets, access="session")
    async def change_webhook_secret(self, ask: Ask) -> WebhookSecrets:
        """Change what signs an organization's event webhooks; the old secret signs too, for a day."""
        mine = await self._mine(ask)
        await self._organizations.change_webhook_secret(mine.id, new_webhook_secret(), ask.now)
        return _secrets(await self._organizations.find(mine.id) or mine)

    async def _mine(self, ask: Ask) -> Organization:
        wanted = ask.id("organization_id")
        found = await self._organizations.find(wanted)
        if found is None or not await self._users.belongs(str(ask.who.user_id), wanted):
            raise not_found("organization")
        return found


def _shown(key: ApiKey, text: str) -> KeyShown:
    return KeyShown(**KeyTold.model_validate(key).__dict__, key=text)


def _secrets(organization: Organization) -> WebhookSecrets:
    return WebhookSecrets(
        webhook_secret=organization.webhook_secret,
        previous_webhook_secret=organization.previous_webhook_secret,
        changed_at=organization.webhook_secret_changed_at,
    )
