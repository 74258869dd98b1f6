"""What placing and answering calls has to know of this gateway. PURE."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.storage.dial_policy import DialPolicy

Fill = Callable[[str, Mapping[str, Any]], str]
"""Puts the values of a context into the places of a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialConfig:
    """Lives as long as the process.

    Attributes:
        public_url: how Twilio reaches this gateway; no trailing slash.
        fill: puts a task's context into prompts and first messages.
        from_number: our number that called parties see; None: no calls are placed.
        ring_timeout_s: how long a placed call may ring.
        policy: what every placed call must keep to, asked again when it is dialled.
        calls_per_second: how many scheduled calls this process places.
        max_active: how many placed calls may be live before scheduled ones wait, over all nodes.
        default_vatel_agent_id: who talks where an agent names no Vatel agent.
        with_variables: offer a task's context to the session as variables too; older agent platforms refuse.
    """

    public_url: str
    fill: Fill
    from_number: str | None = None
    ring_timeout_s: int = 60
    policy: DialPolicy = field(default_factory=DialPolicy)
    calls_per_second: float = 1.0
    max_active: int = 50
    default_vatel_agent_id: str | None = None
    with_variables: bool = False
