"""One catalogue at work, and how long it has to be."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.tools.callback import Callbacks
from gateway.tools.catalog import Catalog
from gateway.tools.runner import Runner


@dataclass(slots=True)
class Generation:
    """Lives until another catalogue is current and the last that holds this one has let go.

    Attributes:
        on_unused: called when nobody holds it any more; whoever makes one holds it.
    """

    catalog: Catalog
    runner: Runner
    callbacks: Callbacks
    on_unused: Callable[[], object]
    holders: int = 1

    def hold(self) -> None:
        """Keep it."""
        self.holders += 1

    def release(self) -> None:
        """Let go of it."""
        self.holders -= 1
        if not self.holders:
            self.on_unused()
