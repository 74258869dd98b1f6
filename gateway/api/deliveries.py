"""Event webhooks as they were delivered, and the list of numbers that must not be called."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from gateway.api.envelope import not_found
from gateway.api.fields import (
    Done,
    Given,
    Id,
    Line,
    Listing,
    Moment,
    PageQuery,
    PhoneNumber,
    Told,
    listing,
)
from gateway.api.operations import Ask, expose
from gateway.storage.database import Database
from gateway.storage.happenings import masked
from gateway.storage.outbox import Outbox
from gateway.storage.queries import new_id
from gateway.storage.rows import OutboxEvent, SuppressedNumber
from gateway.storage.suppression import SuppressionList

State = Literal["pending", "delivered", "dead", "disabled"]


class DeliveryQuery(PageQuery):
    """Which deliveries to list."""

    call_id: Id | None = None
    task_id: Id | None = None
    state: State | None = None


def _shown(body: dict[str, Any]) -> dict[str, Any]:
    """Return a body as it may be shown: what a caller dialled is told to its receiver alone."""
    data = body.get("data", {})
    return body | {"data": data | {"digits": masked(data["digits"])}} if "digits" in data else body


class DeliveryTold(Told):
    """An event webhook: ``id`` is its ``webhook-id``; dead is one whose tries are used up.

    Digits are masked here, though not in the body that is sent.
    """

    id: str
    call_id: str
    task_id: str | None
    event_type: str
    url: str
    body: Annotated[dict[str, Any], AfterValidator(_shown)]
    state: State
    attempts: int
    next_attempt_at: Moment
    delivered_at: Moment | None
    created_at: Moment


class AttemptTold(Told):
    """A try to deliver; ``status`` is null when there was no answer."""

    number: int
    at: Moment
    status: int | None
    error: str
    latency_ms: int


class DeliveryDetail(DeliveryTold):
    """A delivery with its tries."""

    attempts_made: list[AttemptTold]


class NewSuppressed(Given):
    """A number that must not be called."""

    number: PhoneNumber
    reason: Line = ""


class SuppressedTold(Told):
    """A number that must not be called."""

    id: str
    number: str
    reason: str
    created_at: Moment


class DeliveriesApi:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._outbox = Outbox(database)

    @expose("GET", "/webhook-deliveries", Listing[DeliveryTold], query=DeliveryQuery)
    async def list_deliveries(self, ask: Ask) -> Mapping[str, Any]:
        """List event webhooks."""
        query = ask.asked(DeliveryQuery)
        page = await self._outbox.list_page(
            ask.organization_id,
            query.limit,
            query.offset,
            call_id=query.call_id,
            task_id=query.task_id,
            state=query.state,
        )
        return listing(page, query)

    @expose("GET", "/webhook-deliveries/{delivery_id}", DeliveryDetail)
    async def get_delivery(self, ask: Ask) -> DeliveryDetail:
        """Get an event webhook with every try to deliver it."""
        event = await self._event(ask)
        attempts = await self._outbox.attempts_of(ask.organization_id, event.id)
        told = [AttemptTold.model_validate(attempt) for attempt in attempts]
        return DeliveryDetail(**DeliveryTold.model_validate(event).__dict__, attempts_made=told)

    @expose("POST", "/webhook-deliveries/{delivery_id}/redeliver", DeliveryTold)
    async def redeliver(self, ask: Ask) -> OutboxEvent:
        """Have an event webhook delivered once more, now, under the same id."""
        await self._outbox.redeliver(ask.organization_id, ask.id("delivery_id"), ask.now)
        return await self._event(ask)

    async def _event(self, ask: Ask) -> OutboxEvent:
        event = await self._outbox.find(ask.organization_id, ask.id("delivery_id"))
        if event is None:
            raise not_found("delivery")
        return event


class SuppressionApi:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._suppressed = SuppressionList(database)

    @expose("GET", "/suppression-list", Listing[SuppressedTold], query=PageQuery)
    async def list_suppressed(self, ask: Ask) -> Mapping[str, Any]:
        """List the numbers that must not be called."""
        query = ask.asked(PageQuery)
        page = await self._suppressed.list_page(ask.organization_id, query.limit, query.offset)
        return listing(page, query)

    @expose("POST", "/suppression-list", SuppressedTold, body=NewSuppressed, status=201)
    async def suppress_number(self, ask: Ask) -> SuppressedNumber:
        """Put a number on the list; one that is there stays as it is."""
        wanted = ask.given(NewSuppressed)
        entry = SuppressedNumber(
            id=new_id(),
            organization_id=ask.organization_id,
            number=wanted.number,
            reason=wanted.reason,
            created_at=ask.now,
        )
        return await self._suppressed.add(entry)

    @expose("DELETE", "/suppression-list/{entry_id}", Done)
    async def release_number(self, ask: Ask) -> Mapping[str, str]:
        """Take a number off the list."""
        if not await self._suppressed.remove(ask.organization_id, ask.id("entry_id")):
            raise not_found("entry")
        return {"message": "Number may be called again"}
