"""How the agent's socket ended, as data, and what that means. PURE."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SocketClosed:
    """The end of a socket: expected, so a value and not an exception.

    Attributes:
        code: the peer's close code; 1005 when its close frame named none; 1006 when there was no close
            frame; our own verdict (1002, 1007, 1009) when the peer broke the protocol.
        reason: the peer's words, or ours for 1006 and our own verdicts.
    """

    code: int
    reason: str = ""


def close_meaning(code: int) -> Literal["ended", "lost"]:
    """Tell whether a close code says that the agent is done, or that the line to it broke.

    Vatel documents no codes (vatel.md 2.5): a normal close, and a close without a code, count as the
    agent's own end; anything else, going away (1001) included, is a loss that may be mended.
    """
    return "ended" if code in (1000, 1005) else "lost"
