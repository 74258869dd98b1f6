"""Who plays an agent: the script it came with, or, for one made by REST, a conversation of its own."""

from dataclasses import dataclass

from gateway.sandbox.catalog import Entry
from gateway.sandbox.documents import Document
from gateway.sandbox.stage import Script
from gateway.sandbox.talker import Talker, conversation


@dataclass(frozen=True, slots=True)
class Role:
    """What a session needs to know of its agent.

    Attributes:
        name: under which records know the agent.
        first_message: what it says first unless the token says otherwise; None leaves it to the script.
    """

    name: str
    script: Script
    first_message: str | None


def role_of(entry: Entry | None, agent: Document) -> Role:
    """Return who plays an agent.

    Args:
        entry: the agent's place in the catalogue, if it has one.
        agent: as REST knows it, which may have been changed there.
    """
    if entry is None:
        return Role(agent["name"], Talker(scenario=conversation()), agent["first_message"] or None)
    changed = agent["first_message"] != entry.first_message
    return Role(entry.name, entry.script, agent["first_message"] if changed else None)
