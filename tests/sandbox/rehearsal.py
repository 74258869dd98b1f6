"""A stage without a socket: runs agents on a clock that jumps from one moment asked for to the next."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from gateway.sandbox.stage import Agent, Exit, Opening, Script
from gateway.sandbox.switches import Switches
from gateway.vatel.messages import ServerMessage

T = TypeVar("T")
M = TypeVar("M")


class Cue:
    """A moment an agent asked for."""

    def __init__(self, act: Callable[[float], None]) -> None:
        self.act = act
        self.cancelled = False

    def cancel(self) -> None:
        """Ask no more for it."""
        self.cancelled = True


class Notebook:
    """What an agent wrote into the record of its call. Lives as long as the session."""

    def __init__(self) -> None:
        self.extracted: dict[str, object] = {}
        self.tags: list[str] = []

    def extract(self, name: str, value: object, rationale: str) -> None:
        """Note a variable."""
        self.extracted[name] = value

    def tag(self, tag: str) -> None:
        """Note a tag."""
        self.tags.append(tag)


class Rehearsal:
    """Carries one agent through a session in no time. Jobs are done at once."""

    def __init__(
        self, script: Script, switches: Switches | None = None, opening: Opening | None = None
    ) -> None:
        self.switches = switches or Switches()
        self.opening = opening or Opening()
        self.now = 0.0
        self.sent: list[tuple[float, ServerMessage]] = []
        self.raw: list[bytes] = []
        self.exits: list[Exit | None] = []
        self.notes = Notebook()
        self._order = count()
        self._cues: list[tuple[float, int, Cue]] = []
        self.agent: Agent = script.cast(self)

    def start(self) -> "Rehearsal":
        """Start the session at time 0."""
        self.agent.on_start(self.now)
        return self

    def send(self, message: ServerMessage) -> None:
        """Note a message."""
        self.sent.append((self.now, message))

    def send_raw(self, frame: bytes) -> None:
        """Note raw bytes."""
        self.raw.append(frame)

    def at(self, when: float, act: Callable[[float], None]) -> Cue:
        """Note a moment asked for."""
        cue = Cue(act)
        heapq.heappush(self._cues, (when, next(self._order), cue))
        return cue

    def work(self, job: Callable[[], T], then: Callable[[T, float], None]) -> None:
        """Do a job, on the spot."""
        result = job()
        self.at(self.now, lambda now: then(result, now))

    def end(self, how: Exit | None = None) -> None:
        """Note the end."""
        self.exits.append(how)

    def run_until(self, when: float) -> "Rehearsal":
        """Let time pass."""
        while self._cues and self._cues[0][0] <= when and not self.exits:
            due, _, cue = heapq.heappop(self._cues)
            self.now = max(self.now, due)
            if not cue.cancelled:
                cue.act(self.now)
        self.now = max(self.now, when)
        return self

    def hear(self, audio: bytes, frame_bytes: int = 960) -> "Rehearsal":
        """Let the agent hear audio in real time, a frame of 20 ms at a time."""
        for start in range(0, len(audio), frame_bytes):
            self.run_until(self.now + 0.02)
            if not self.exits:
                self.agent.on_audio(audio[start : start + frame_bytes], self.now)
        return self

    def of(self, kind: type[M]) -> list[M]:
        """Return the messages of one kind, in order."""
        return [message for _, message in self.sent if isinstance(message, kind)]

    def times_of(self, kind: type[M]) -> list[float]:
        """Return when the messages of one kind were sent."""
        return [when for when, message in self.sent if isinstance(message, kind)]
