"""Agents, and the dialled numbers that they answer."""

from typing import Literal

import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.database import Database
from gateway.storage.queries import changed, fetch_one, fetch_page, values_of
from gateway.storage.rows import Agent, Number, Page

_agents = schema.agents
_numbers = schema.numbers
_tasks = schema.tasks
_organizations = schema.organizations

Removal = Literal["removed", "absent", "in_use"]


class Agents:
    """Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, agent: Agent) -> None:
        """Add one."""
        async with self._database.writing() as connection:
            await connection.execute(sa.insert(_agents).values(values_of(agent)))

    async def find(self, organization_id: str, agent_id: str) -> Agent | None:
        """Return one of an organization."""
        statement = sa.select(_agents).where(*_one(_agents, organization_id, agent_id))
        async with self._database.reading() as connection:
            return await fetch_one(connection, Agent, statement)

    async def list_page(
        self, organization_id: str, limit: int, offset: int, enabled: bool | None = None
    ) -> Page[Agent]:
        """Return an organization's agents, newest first."""
        conditions = [_agents.c.organization_id == organization_id]
        if enabled is not None:
            conditions.append(_agents.c.enabled.is_(enabled))
        async with self._database.reading() as connection:
            return await fetch_page(connection, Agent, _agents, conditions, limit, offset)

    async def update(self, organization_id: str, agent_id: str, **values: object) -> Agent | None:
        """Change fields; return it as it is now, None when there is no such agent."""
        statement = (
            sa.update(_agents)
            .where(*_one(_agents, organization_id, agent_id))
            .values(values)
            .returning(*_agents.c)
        )
        async with self._database.writing() as connection:
            return await fetch_one(connection, Agent, statement)

    async def remove(self, organization_id: str, agent_id: str) -> Removal:
        """Remove an agent, and its numbers' way to it, unless active tasks need it."""
        active = sa.select(sa.func.count()).where(
            _tasks.c.organization_id == organization_id,
            _tasks.c.agent_id == agent_id,
            _tasks.c.status.in_(("pending", "in_progress")),
        )
        async with self._database.writing() as connection:
            # The row is locked first: a task that is added meanwhile looks at it, and waits.
            statement = sa.select(_agents).where(*_one(_agents, organization_id, agent_id)).with_for_update()
            if await fetch_one(connection, Agent, statement) is None:
                return "absent"
            if (await connection.execute(active)).scalar_one():
                return "in_use"
            await connection.execute(sa.delete(_agents).where(_agents.c.id == agent_id))
            return "removed"


class Numbers:
    """Which agent answers which dialled number. Lives as long as the process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, number: Number) -> None:
        """Add one.

        Raises:
            StorageError: ``conflict`` when the number leads to an agent already, of whomever.
        """
        async with self._database.writing() as connection:
            await connection.execute(sa.insert(_numbers).values(values_of(number)))

    async def list_page(self, organization_id: str, limit: int, offset: int) -> Page[Number]:
        """Return an organization's numbers, newest first."""
        async with self._database.reading() as connection:
            return await fetch_page(
                connection, Number, _numbers, [_numbers.c.organization_id == organization_id], limit, offset
            )

    async def remove(self, organization_id: str, number_id: str) -> bool:
        """Remove one."""
        statement = sa.delete(_numbers).where(*_one(_numbers, organization_id, number_id))
        async with self._database.writing() as connection:
            return await changed(connection, statement) == 1

    async def find(self, dialled: str) -> Number | None:
        """Return the one that was dialled, whoever's it is, even if its agent is disabled."""
        async with self._database.reading() as connection:
            return await fetch_one(
                connection, Number, sa.select(_numbers).where(_numbers.c.number == dialled)
            )

    async def route(self, dialled: str) -> Agent | None:
        """Return the agent that answers a dialled number, of whatever organization.

        A number that leads to nobody is the default agent's, of the oldest organization that has one.

        Returns:
            None when there is none, or it is disabled.
        """
        named = (
            sa.select(_agents)
            .join(_numbers, _numbers.c.agent_id == _agents.c.id)
            .where(_numbers.c.number == dialled)
        )
        default = (
            sa.select(_agents)
            .join(
                _organizations,
                sa.and_(
                    _organizations.c.default_agent_id == _agents.c.id,
                    _organizations.c.id == _agents.c.organization_id,
                ),
            )
            .order_by(_organizations.c.created_at, _organizations.c.id)
            .limit(1)
        )
        async with self._database.reading() as connection:
            agent = await fetch_one(connection, Agent, named) or await fetch_one(connection, Agent, default)
        return agent if agent is not None and agent.enabled else None


def _one(table: sa.Table, organization_id: str, row_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    return table.c.organization_id == organization_id, table.c.id == row_id
