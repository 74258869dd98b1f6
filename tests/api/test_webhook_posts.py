"""Event webhooks as they leave: signed for the stock package, sent where they may go."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

from gateway.api.tokens import new_webhook_secret
from gateway.api.webhook_posts import PREVIOUS_SIGNS_S, WebhookPosts
from gateway.egress.addresses import Allowance
from gateway.egress.client import Egress
from gateway.egress.destinations import Policy
from gateway.errors import EgressError, StorageError
from gateway.storage.organizations import Organizations
from gateway.storage.rows import OutboxEvent
from tests.egress.peers import OK, Peer, peer
from tests.tenants import NOW, Tenant, an_id

BODY = b'{"event_type":"call_completed"}'
LOOPBACK = Policy(Allowance.parse(["127.0.0.0/8"]), allow_http=True)


def event(organization_id: str) -> OutboxEvent:
    """Return an event of an organization."""
    values: dict[str, Any] = dict.fromkeys(OutboxEvent.__dataclass_fields__)
    return OutboxEvent(**(values | {"id": an_id(), "organization_id": organization_id}))


def now() -> datetime:
    """Return the wall clock's time, which the stock package compares with."""
    return datetime.now(UTC)


async def change_secret(tenant: Tenant, at: datetime) -> tuple[str, str]:
    """Change the tenant's secret twice; return the one before and the one now."""
    organizations, secrets = Organizations(tenant.database), (new_webhook_secret(), new_webhook_secret())
    for secret in secrets:
        await organizations.change_webhook_secret(tenant.id, secret, at)
    return secrets


def verifies(secret: str, headers: Any) -> bool:
    """Whether the stock package takes a request with a secret."""
    try:
        return Webhook(secret).verify(BODY, dict(headers)) is not None
    except WebhookVerificationError:
        return False


async def test_stock_package_takes_the_signature(acme: Tenant) -> None:
    """The organization's secret verifies what is sent; the event's id is the deduplication key."""
    happened, posts = event(acme.id), WebhookPosts(acme.database, Egress(LOOPBACK))
    _, secret = await change_secret(acme, now() - timedelta(days=2))
    headers = await posts.sign(happened, int(now().timestamp()), BODY)

    assert headers["webhook-id"] == happened.id
    assert verifies(secret, headers)
    assert not verifies(new_webhook_secret(), headers)


@pytest.mark.parametrize(
    ("age_s", "both"), [(0, True), (PREVIOUS_SIGNS_S - 60, True), (PREVIOUS_SIGNS_S + 2, False)]
)
async def test_previous_secret_signs_for_a_day(acme: Tenant, age_s: float, both: bool) -> None:
    """Receivers have a day to change the secret on their side."""
    posts = WebhookPosts(acme.database, Egress(LOOPBACK))
    before, after = await change_secret(acme, now() - timedelta(seconds=age_s))
    headers = await posts.sign(event(acme.id), int(now().timestamp()), BODY)

    assert verifies(after, headers)
    assert verifies(before, headers) is both


async def test_event_of_nobody_is_not_signed(acme: Tenant) -> None:
    """Without an organization there is no key."""
    posts = WebhookPosts(acme.database, Egress(LOOPBACK))

    with pytest.raises(StorageError, match="gone"):
        await posts.sign(event(an_id()), int(NOW.timestamp()), BODY)


async def test_body_is_posted_as_it_was_signed(acme: Tenant) -> None:
    """The receiver gets the very bytes, and its answer comes back."""

    async def answer(_: Peer, __: Any, writer: Any) -> None:
        writer.write(OK)

    egress = Egress(LOOPBACK)
    async with peer(answer) as receiver:
        told = await WebhookPosts(acme.database, egress).send(receiver.url(), {"webhook-id": "1"}, BODY)
        await egress.close()

    (request,) = receiver.requests
    assert told.status == 200
    assert request.line == "POST /hook HTTP/1.1"
    assert (request.body, request.headers["webhook-id"]) == (BODY, "1")


async def test_private_addresses_are_not_reached(acme: Tenant) -> None:
    """A webhook's address that leads into our own network is refused."""
    egress = Egress(Policy(Allowance()))
    with pytest.raises(EgressError):
        await WebhookPosts(acme.database, egress).send("https://127.0.0.1/hook", {}, BODY)
    await egress.close()
