"""Run a statement on a connection and read its rows as values."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.storage.rows import Page, Row, read

_TOTAL = "total_of_page"


def new_id() -> str:
    """Return a fresh id."""
    return str(uuid4())


def values_of(row: Any) -> dict[str, Any]:
    """Return a dataclass as the columns of its table, without looking into its values."""
    return {one.name: getattr(row, one.name) for one in fields(row)}


async def fetch_one(
    connection: AsyncConnection, kind: type[Row], statement: sa.Executable, **parameters: Any
) -> Row | None:
    """Return the one row of a statement, None when there is none."""
    row = (await connection.execute(statement, parameters)).mappings().one_or_none()
    return None if row is None else read(kind, row)


async def fetch_all(
    connection: AsyncConnection, kind: type[Row], statement: sa.Executable, **parameters: Any
) -> list[Row]:
    """Return every row of a statement."""
    return [read(kind, row) for row in (await connection.execute(statement, parameters)).mappings()]


async def fetch_page(
    connection: AsyncConnection,
    kind: type[Row],
    table: sa.Table,
    conditions: Sequence[sa.ColumnElement[bool]],
    limit: int,
    offset: int,
    order: Sequence[sa.ColumnElement[Any]] = (),
) -> Page[Row]:
    """Return the rows that meet all conditions, newest first if not told otherwise; and their number."""
    count = sa.select(sa.func.count()).select_from(table).where(*conditions)
    part = (
        sa.select(table, count.scalar_subquery().label(_TOTAL))
        .where(*conditions)
        .order_by(*(order or (table.c.created_at.desc(), table.c.id.desc())))
        .limit(limit)
        .offset(offset)
    )
    rows = (await connection.execute(part)).mappings().all()
    if rows:
        total = int(rows[0][_TOTAL])
    else:  # of which none can tell how many there are
        total = int((await connection.execute(count)).scalar_one())
        if limit:
            total = min(total, offset)  # what has come meanwhile would be on this page
    return Page(tuple(read(kind, row) for row in rows), total)


async def changed(connection: AsyncConnection, statement: sa.Update | sa.Delete) -> int:
    """Run an update or delete; return how many rows it met."""
    return (await connection.execute(statement)).rowcount
