from dataclasses import replace
from uuid import UUID

import pytest

from gateway.errors import ConfigError
from gateway.sandbox.catalog import standard
from gateway.sandbox.roster import Roster
from gateway.sandbox.scripted import Silent
from gateway.sandbox.switches import Switches

ECHO = UUID("00000000-0000-4000-8000-000000000001")
REST = UUID("11111111-2222-4333-8444-555555555555")


def roster() -> Roster:
    """Return a roster of the agents that a sandbox comes with."""
    return Roster(standard())


def drawn(of: Roster, agent_id: UUID, sessions: int) -> list[int]:
    """Return the chunk sizes of so many sessions."""
    return [of.draw(agent_id).chunk_ms for _ in range(sessions)]


def test_agents_are_found_by_id_and_by_name() -> None:
    """An unknown name is answered with those there are."""
    agents = roster()
    entry = agents.get(ECHO)
    assert entry is not None
    assert agents.named("echo") == entry
    assert agents.get(REST) is None
    with pytest.raises(ConfigError, match="no agent 'ekho'; it has echo, tone"):
        agents.named("ekho")


def test_new_name_gets_an_id_and_an_old_one_keeps_its_own() -> None:
    """Whoever takes an agent's name takes its place."""
    agents = roster()
    assert agents.add("mine", Silent(), Switches()).agent_id.int & 0xFFFF == 0x12
    assert agents.add("echo", Silent(), Switches()).agent_id == ECHO
    assert agents.named("echo").script == Silent()


@pytest.mark.parametrize("agent_id", [ECHO, REST])
def test_switches_are_for_every_agent(agent_id: UUID) -> None:
    """Agents with a script have them, and those made by REST."""
    agents = roster()
    agents.set(agent_id, Switches(chunk_ms=20))
    assert agents.switches(agent_id).chunk_ms == 20
    assert drawn(agents, agent_id, 2) == [20, 20]


def test_switch_for_all_is_for_those_to_come_too() -> None:
    """An agent that REST will make is switched as the others, and keeps what it has of its own."""
    agents = roster()
    agents.set(REST, Switches(pace=1.0))
    agents.switch_all("chunk_ms=20")
    another = UUID(int=7)
    assert (agents.switches(REST).chunk_ms, agents.switches(REST).pace) == (20, 1.0)
    assert agents.switches(another).chunk_ms == agents.switches(ECHO).chunk_ms == 20


def test_next_sessions_alone_are_odd() -> None:
    """After so many sessions an agent is itself again."""
    agents = roster()
    agents.set_next(ECHO, Switches(chunk_ms=20), 2)
    agents.set_next(ECHO, Switches(chunk_ms=40), 1)
    assert drawn(agents, ECHO, 4) == [20, 20, 40, 100]


def test_share_of_sessions_is_odd_by_seed() -> None:
    """About that share, the same ones each time, others by another seed; nobody and everybody at the ends."""

    def odd(share: float, seed: int) -> list[bool]:
        agents = roster()
        agents.set(ECHO, Switches(chunk_ms=20, share=share, seed=seed))
        return [size == 20 for size in drawn(agents, ECHO, 400)]

    assert odd(0.3, 1) == odd(0.3, 1) != odd(0.3, 2)
    assert 90 < sum(odd(0.3, 1)) < 150
    assert (sum(odd(0.0, 1)), sum(odd(1.0, 1))) == (0, 400)


def test_each_session_has_a_seed_of_its_own_that_repeats() -> None:
    """What is left to chance within a session differs from session to session, and not from run to run."""
    seeds = [[agents.draw(ECHO).seed for _ in range(3)] for agents in (roster(), roster())]
    assert seeds[0] == seeds[1]
    assert len(set(seeds[0])) == 3


def test_reset_takes_everything_back() -> None:
    """Switches are gone, waiting ones too, and sessions are counted anew."""
    agents = roster()
    first = agents.draw(ECHO)
    agents.set(ECHO, Switches(chunk_ms=20))
    agents.set(REST, Switches(chunk_ms=20))
    agents.set_next(ECHO, Switches(chunk_ms=40), 5)
    agents.switch_all("pace=1")
    agents.reset()
    assert agents.draw(ECHO) == first
    assert replace(agents.draw(REST), seed=0) == Switches()
    assert agents.switches(UUID(int=7)) == Switches()
