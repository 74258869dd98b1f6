"""How long the caller waits for the agent. PURE: what happens and the time in, milliseconds out."""

from collections.abc import Callable

from gateway.bridge import events as on
from gateway.bridge.talk import TalkClock


class ResponseClock:
    """Lives as long as its call's stream. Times are seconds, monotonic.

    A wait begins where the caller's turn ends: at the reported end of speech, or, where only words show that
    they spoke, at the last of those. It is over with the first audio of the agent that leaves for the caller.

    Attributes:
        tell: is told how long the caller waited (ms), each time.
        talk: how long the caller talked.
    """

    def __init__(self) -> None:
        self.talk = TalkClock()
        self._talking = False
        self._since: float | None = None
        self._sent_before: int | None = None
        self.tell: Callable[[int], None] = lambda latency_ms: None

    def notice(self, event: on.Event, now: float) -> None:
        """Take from an event whether the caller talks."""
        match event:
            case on.SpeechStarted():
                self._talking, self._since, self._sent_before = True, None, None
                self.talk.caller_started(now)
            case on.SpeechStopped():
                self._stopped(now)
            case _:
                pass

    def caller_said(self, now: float, *, final: bool) -> None:
        """Note words of the caller; final ones end a turn whose end nothing else tells of."""
        if final and self._talking:
            self._stopped(now)

    def _stopped(self, now: float) -> None:
        self._talking, self._since = False, now
        self.talk.caller_stopped(now)

    def agent_sounded(self, pieces_sent: int) -> None:
        """Note audio of the agent, and how many pieces had left for the caller before it."""
        if self._since is not None and self._sent_before is None:
            self._sent_before = pieces_sent

    def sent(self, pieces: int, now: float) -> None:
        """Note how many pieces have left for the caller by now."""
        if self._since is None or self._sent_before is None or pieces <= self._sent_before:
            return
        latency_ms = round((now - self._since) * 1000)
        self._since = self._sent_before = None
        self.tell(latency_ms)
