"""The control API against Schemathesis: a short round in the suite, any longer one by its command."""

import pytest
import sqlalchemy as sa

from gateway.storage import schema
from gateway.storage.agents import Agents
from gateway.storage.queries import fetch_one
from gateway.storage.rows import Agent
from tests.contract.fuzzed_api import fuzz

pytestmark = pytest.mark.timeout(120)
SEED = ["--seed", "7"]
# Each phase looks elsewhere: one walks every rule of the description, the other from answer to answer.
ROUNDS = {
    "sqlite": ["--phases", "coverage"],
    "postgresql": ["--phases", "stateful", "--max-examples", "2"],
}


@pytest.mark.parametrize("database_url", ROUNDS, indirect=True)
async def test_nothing_to_find(
    database_url: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every check holds for two tenants and a person: no answer but described ones, no 500, no leak."""
    phases = ROUNDS["sqlite" if database_url.startswith("sqlite") else "postgresql"]
    status = await fuzz(database_url, [*phases, *SEED])
    said = capsys.readouterr().out

    assert status == 0, said[-6_000:]
    assert said.count("Test cases:") == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_leak_between_tenants_would_be_found(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With agents that anybody can read the same round fails, and names the leak."""

    async def leak(self: Agents, organization_id: str, agent_id: str) -> Agent | None:
        statement = sa.select(schema.agents).where(schema.agents.c.id == agent_id)
        async with self._database.reading() as connection:
            return await fetch_one(connection, Agent, statement)

    monkeypatch.setattr(Agents, "find", leak)
    status = await fuzz(
        database_url, ["--phases", "stateful", "--max-examples", "5", "--include-tag", "agents", *SEED]
    )

    assert status != 0
    assert "`rival` received the `AgentTold` that `acme` owns" in capsys.readouterr().out
