"""The calls that this process keeps the books of."""

from dataclasses import dataclass, field

from gateway.ledger.page import Page
from gateway.records import CallInfo


@dataclass(slots=True, eq=False)
class Held:
    """Lives from a call's first mention in this process until it is over and stored.

    Attributes:
        page: what is not stored yet.
        since_s: when it was first mentioned (seconds, monotonic).
        fence: under which the call's rows are written; None while this node does not hold the call.
        streamed: whether it has had a media stream here.
        due: whether it waits for its turn to be written.
        writing: whether it is being written.
        refused: how often in a row its rows were refused as another node's.
        lost: True once the call is not this node's to write: what happens in it here counts no more.
    """

    call: CallInfo
    since_s: float
    page: Page = field(init=False)
    fence: int | None = None
    streamed: bool = False
    due: bool = False
    writing: bool = False
    refused: int = 0
    lost: bool = False

    def __post_init__(self) -> None:
        self.page = Page(self.call)

    @property
    def ready(self) -> bool:
        """Whether something waits to be written, and nothing has to be found out first."""
        known = self.fence is not None and self.page.last_seq is not None and not self.refused
        return known and not self.due and not self.writing and len(self.page) > 0

    def holds(self, fence: int) -> None:
        """Write under a fence from now on, unless under a later one already."""
        self.fence = fence if self.fence is None else max(self.fence, fence)

    def lose(self) -> None:
        """Write nothing more of the call: it is not this node's."""
        self.lost, self.fence, self.page = True, None, Page(self.call)
