"""Erase what was said in a call and who it was with; keep that there was one, and when."""

from datetime import datetime

import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import fetch_one
from gateway.storage.rows import LIVE, Call

_calls = schema.calls
_outbox = schema.outbox


async def erase_call(database: Database, organization_id: str, call_id: str, now: datetime) -> Call | None:
    """Erase a call that is over: events, report, recording row, and what its webhooks said.

    Undelivered webhooks still go out, without the excerpts. The audio itself is the caller's to delete first.

    Returns:
        The tombstone; None when there is no such call, or it is live.
    """
    statement = (
        sa.update(_calls)
        .where(
            _calls.c.organization_id == organization_id,
            _calls.c.id == call_id,
            _calls.c.status.not_in(LIVE),
        )
        .values(
            from_number="",
            to_number="",
            call_sid=None,
            vatel_session_id=None,
            answered_by=None,
            counters={},
            erased_at=sa.func.coalesce(_calls.c.erased_at, sa.literal(now, _calls.c.erased_at.type)),
        )
        .returning(*_calls.c)
    )
    async with database.writing() as connection:
        call = await fetch_one(connection, Call, statement)
        if call is None:
            return None
        for table in (schema.call_events, schema.reports, schema.recordings, schema.access_tokens):
            await connection.execute(sa.delete(table).where(table.c.call_id == call_id))
        told = await connection.execute(
            sa.select(_outbox.c.id, _outbox.c.body).where(_outbox.c.call_id == call_id)
        )
        for event_id, body in told.all():
            bare = body | {"data": {}}
            await connection.execute(sa.update(_outbox).where(_outbox.c.id == event_id).values(body=bare))
        return call
