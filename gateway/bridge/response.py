"""How long the caller waits for the agent. PURE: what happens and the time in, milliseconds out."""

from gateway.bridge import events as on


class ResponseClock:
    """Lives as long as its call's stream. Times are seconds, monotonic.

    A wait begins where the caller's turn ends: at the reported end of speech, or, where only words show that
    they spoke, at the last of those. It is over with the first audio of the agent that leaves for the caller.
    """

    def __init__(self) -> None:
        self._talking = False
        self._since: float | None = None
        self._sent_before: int | None = None

    def notice(self, event: on.Event, now: float) -> None:
        """Take from an event whether the caller talks."""
        match event:
            case on.SpeechStarted():
                self._talking, self._since, self._sent_before = True, None, None
            case on.SpeechStopped():
                self._talking, self._since = False, now
            case _:
                pass

    def caller_said(self, now: float, *, final: bool) -> None:
        """Note words of the caller; final ones end a turn whose end nothing else tells of."""
        if final and self._talking:
            self._talking, self._since = False, now

    def agent_sounded(self, pieces_sent: int) -> None:
        """Note audio of the agent, and how many pieces had left for the caller before it."""
        if self._since is not None and self._sent_before is None:
            self._sent_before = pieces_sent

    def responded(self, pieces_sent: int, now: float) -> int | None:
        """Return how long the caller waited, in ms, when the agent's audio has left; else None."""
        if self._since is None or self._sent_before is None or pieces_sent <= self._sent_before:
            return None
        latency_ms = round((now - self._since) * 1000)
        self._since = self._sent_before = None
        return latency_ms
