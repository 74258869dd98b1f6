"""Agents that ask for tools, and note when what comes back and how evenly the caller is heard."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.sandbox.stage import Agent, Stage
from gateway.vatel.messages import Argument, ToolCall

ASK_AFTER_S = 0.3
_LINGER_S = 0.3


@dataclass(slots=True)
class Session:
    """What one session of an agent saw; times are the loop's.

    Attributes:
        asked_at: by tool call.
        answers: tool call, output and time, in order of arrival.
        frames: when each message with the caller's audio came.
    """

    tools: tuple[str, ...]
    asked_at: dict[str, float] = field(default_factory=dict)
    answers: list[tuple[str, str, float]] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)

    @property
    def worst_gap_s(self) -> float:
        """The longest time between two frames of the caller."""
        return max(
            (later - earlier for earlier, later in zip(self.frames, self.frames[1:], strict=False)),
            default=0.0,
        )

    def latency_s(self, tool_call_id: str) -> float:
        """Return how long the first answer to a tool call took."""
        return next(at for one, _, at in self.answers if one == tool_call_id) - self.asked_at[tool_call_id]


@dataclass(slots=True)
class Asking:
    """Asks in each session for other tools, all at once, and ends when the last is answered.

    Lives as long as its town.

    Attributes:
        turns: the tools of each session, in order; the last ones again and again.
        sessions: what has been seen.
        ask_after_s: from the session's start.
    """

    turns: Sequence[tuple[str, ...]]
    sessions: list[Session] = field(default_factory=list)
    ask_after_s: float = ASK_AFTER_S
    arguments: tuple[Argument, ...] = ()

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of the next session."""
        session = Session(self.turns[min(len(self.sessions), len(self.turns) - 1)])
        self.sessions.append(session)
        return _Asker(stage, self, session)


class _Asker(Agent):
    def __init__(self, stage: Stage, script: Asking, session: Session) -> None:
        super().__init__(stage)
        self._script = script
        self._session = session
        self._now = asyncio.get_running_loop().time

    def on_start(self, now: float) -> None:
        self.stage.at(now + self._script.ask_after_s, self._ask)

    def _ask(self, _now: float) -> None:
        for number, tool in enumerate(self._session.tools):
            tool_call_id = f"{tool}-{number}"
            self._session.asked_at[tool_call_id] = self._now()
            self.stage.send(ToolCall(tool_call_id, tool, self._script.arguments))
            self.stage.send(ToolCall(tool_call_id, tool, self._script.arguments))  # said twice, as may be

    def on_audio(self, audio: bytes, now: float) -> None:
        self._session.frames.append(self._now())

    def on_tool_output(self, tool_call_id: str, output: str, now: float) -> None:
        self._session.answers.append((tool_call_id, output, self._now()))
        if {one for one, _, _ in self._session.answers} == set(self._session.asked_at):
            self.stage.at(now + _LINGER_S, lambda _now: self.stage.end())
