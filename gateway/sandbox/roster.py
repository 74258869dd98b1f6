"""Who can be called, and how oddly each behaves: for good, in its next sessions, or in a share of them.

PURE.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID
from zlib import crc32

from gateway.errors import ConfigError
from gateway.sandbox.catalog import Entry, numbered_id
from gateway.sandbox.stage import Script
from gateway.sandbox.switches import Switches, with_switch


class Roster:
    """The agents with a script, and the switches of all agents. Lives as long as the sandbox."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = {entry.agent_id: entry for entry in entries}
        self._switches: dict[UUID, Switches] = {}
        self._next: dict[UUID, deque[Switches]] = {}
        self._drawn: dict[UUID, int] = {}
        self._everybody = Switches()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The agents with a script."""
        return tuple(self._entries.values())

    def get(self, agent_id: UUID) -> Entry | None:
        """Return an agent with a script."""
        return self._entries.get(agent_id)

    def named(self, name: str) -> Entry:
        """Return the agent of a name.

        Raises:
            ConfigError: there is none.
        """
        for entry in self.entries:
            if entry.name == name:
                return entry
        names = ", ".join(entry.name for entry in self.entries)
        raise ConfigError(f"the sandbox has no agent {name!r}; it has {names}", reason="unknown_agent")

    def add(self, name: str, script: Script, switches: Switches) -> Entry:
        """Offer an agent, in place of one of the same name."""
        agent_id = next(
            (entry.agent_id for entry in self.entries if entry.name == name),
            numbered_id(len(self._entries) + 1),
        )
        entry = Entry(agent_id, name, script, switches)
        self._entries[agent_id] = entry
        return entry

    def switches(self, agent_id: UUID) -> Switches:
        """Return the switches of an agent, with a script or not."""
        entry = self._entries.get(agent_id)
        return self._switches.get(agent_id, self._everybody) if entry is None else entry.switches

    def set(self, agent_id: UUID, switches: Switches) -> None:
        """Set an agent's switches, for sessions from now on."""
        entry = self._entries.get(agent_id)
        if entry is None:
            self._switches[agent_id] = switches
        else:
            self._entries[agent_id] = replace(entry, switches=switches)

    def set_next(self, agent_id: UUID, switches: Switches, sessions: int) -> None:
        """Set an agent's switches for its next sessions only."""
        self._next.setdefault(agent_id, deque(maxlen=1_000)).extend([switches] * sessions)

    def switch_all(self, assignment: str) -> None:
        """Set a switch of every agent, those to come included.

        Raises:
            ConfigError: no such switch, or a value that does not fit.
        """
        self._everybody = with_switch(self._everybody, assignment)
        for entry in self.entries:
            self.set(entry.agent_id, with_switch(entry.switches, assignment))
        for agent_id, switches in self._switches.items():
            self._switches[agent_id] = with_switch(switches, assignment)

    def reset(self) -> None:
        """Take all switches back, of every agent and of sessions to come; sessions are counted anew."""
        self._everybody = Switches()
        self._switches.clear()
        self._next.clear()
        self._drawn.clear()
        for entry in self.entries:
            self.set(entry.agent_id, Switches())

    def draw(self, agent_id: UUID) -> Switches:
        """Return the switches of an agent's next session: the same for the same seed and number of session.

        The seed in them is the session's own.
        """
        number = self._drawn[agent_id] = self._drawn.get(agent_id, 0) + 1
        waiting = self._next.get(agent_id)
        switches = waiting.popleft() if waiting else self.switches(agent_id)
        chance = crc32(f"{switches.seed}/{agent_id}/{number}".encode())
        if chance >= switches.share * 2**32:
            switches = Switches()
        return replace(switches, seed=chance)
