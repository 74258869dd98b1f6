"""What the gateway's own tools may do to the call that asks for them. PURE: the bridge has the deeds."""

from typing import Protocol


class CallControls(Protocol):
    """One call, as a built-in tool sees it. Lives as long as its call."""

    def end(self) -> None:
        """End the call once the agent's goodbye, if one follows, has been heard."""

    async def heard_all(self, limit_s: float) -> None:
        """Wait until the caller has heard all that the agent has said so far, at most so long."""

    async def transfer(self, number: str, ring_timeout_s: int) -> None:
        """Put the caller through to another number, once they have heard the agent out.

        Raises:
            ToolError: the carrier refused, or there is no carrier to ask; the call goes on here.
        """

    def press(self, digits: str) -> None:
        """Send keys as tones in the call's audio, behind what the agent is saying.

        Raises:
            ValueError: a character is no key.
        """

    def hold(self, seconds: float) -> None:
        """Let the caller hear the hold tone until the agent speaks again, at most so long."""

    def facts(self) -> dict[str, object]:
        """Return what is known of the call as it runs: its duration, for one."""
