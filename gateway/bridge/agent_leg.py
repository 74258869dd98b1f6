"""The agent's leg: one Vatel session, from minting its token to its close. A shell, no decisions."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass
from typing import Protocol

from gateway.bridge import events as on
from gateway.bridge.guarded import guarded
from gateway.errors import AgentConnectError, AgentProtocolError, VatelApiError
from gateway.telemetry.log import get_logger
from gateway.vatel import messages as vatel
from gateway.vatel.inbox import Take
from gateway.vatel.protocol import AgentSession
from gateway.vatel.socket import SocketClosed, close_meaning

log = get_logger(__name__)

# A socket above its high-water mark for so long is dead (reference: fault matrix, agent stalls).
_STALLED_S = 5.0
# Callers whose agents are lost together do not come back together.
_BACK_OFF_S = (0.2, 0.6)
_PERMANENT = frozenset({"bad_request", "unauthorized", "forbidden", "not_found", "tls"})


class AgentSocket(Protocol):
    """What the leg needs of its socket."""

    @property
    def binary_frames(self) -> int:
        """Binary messages skipped; the contract has none."""

    def listen(self, take: Take) -> None:
        """Have every text message taken, in order, the short ones as they come, and at last the end."""

    def send(self, text: str, *, force: bool = False) -> bool:
        """Write a message at once; False when it was dropped because the peer reads too slowly."""

    async def close(self, code: int = 1000) -> None:
        """Close; returns within its own deadline."""


Dial = Callable[[str], Awaitable[AgentSocket]]
"""Mint a token and open a socket, given the conversation so far (empty at the start of a call)."""


Spawn = Callable[[Coroutine[None, None, None]], asyncio.Task[None]]
"""Start a task in the call's group."""


class AgentListener(Protocol):
    """Who is told what the agent's leg brings."""

    def agent_said(self, message: vatel.ServerMessage) -> None:
        """Take a message of the session."""

    def happened(self, event: on.Event) -> None:
        """Take an event for the machine."""


class AgentLeg:
    """Lives as long as one agent session; a call that loses its agent gets another leg.

    Args:
        dial: how to reach the agent.
        listener: who is told.
        now: the clock.

    Attributes:
        dropped: caller frames not sent because the agent read too slowly.
        session: the protocol's ledger and counters.
    """

    def __init__(self, dial: Dial, listener: AgentListener, now: Callable[[], float]) -> None:
        self._dial = dial
        self._listener = listener
        self._now = now
        self._socket: AgentSocket | None = None
        self._opened: AgentSocket | None = None  # the same, but not forgotten at the end
        self._ready = False
        self._over: asyncio.Future[on.Event] = asyncio.get_running_loop().create_future()
        self._stalled_since: float | None = None
        self.session = AgentSession()
        self.dropped = 0

    async def run(self, so_far: str, after_s: float) -> None:
        """Connect, then listen until the session ends; every way it ends is reported as one event."""
        await asyncio.sleep(after_s)
        try:
            socket = await self._dial(so_far)
        except (VatelApiError, AgentConnectError) as error:
            log.warning("agent_connect_failed", reason=error.reason)
            retryable = error.reason not in _PERMANENT
            after_s = getattr(error, "retry_after_s", None) or random.uniform(*_BACK_OFF_S)
            self._listener.happened(on.AgentFailed(error.reason, retryable, after_s))
            return
        self._socket = self._opened = socket
        try:
            self._listener.happened(on.AgentConnected())
            socket.listen(guarded(self._hear, self._broke))
            self._listener.happened(await self._over)
        finally:
            self._socket = None
            await socket.close()

    def _broke(self, bug: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(bug)

    def _hear(self, received: str | SocketClosed) -> None:
        """Take one message of the session, or its end, to completion."""
        if self._over.done():
            return
        if isinstance(received, SocketClosed):
            ended = close_meaning(received.code) == "ended"
            self._over.set_result(on.AgentEnded() if ended else on.AgentLost(f"close_{received.code}"))
            return
        try:
            message = self.session.receive(received)
        except AgentProtocolError:
            if self.session.failed:
                self._over.set_result(on.AgentLost("too_many_errors"))
            return
        if isinstance(message, vatel.SessionEnded):
            self._over.set_result(on.AgentEnded())
        elif message is not None:
            self._take(message)

    def _take(self, message: vatel.ServerMessage) -> None:
        if not self._ready:
            self._ready = True
            self._listener.happened(on.AgentReady())
        self._listener.agent_said(message)

    @property
    def bad_messages(self) -> dict[str, int]:
        """What the agent sent and nobody could read: how often, by reason."""
        binary = self._opened.binary_frames if self._opened is not None else 0
        return self.session.counters.bad_messages | ({"binary": binary} if binary else {})

    @property
    def open(self) -> bool:
        """True while the session's socket is open."""
        return self._socket is not None

    def send_audio(self, audio: bytes) -> None:
        """Send caller audio (PCM16, 24 kHz), or drop and count it while the socket is full."""
        if self._socket is None or not audio:
            return
        if self._socket.send(self.session.audio(audio)):
            self._stalled_since = None
        else:
            self._dropped_one()

    def _dropped_one(self) -> None:
        self.dropped += 1
        now = self._now()
        if self._stalled_since is None:
            self._stalled_since = now
        elif now - self._stalled_since >= _STALLED_S:
            self._socket = None
            self._listener.happened(on.AgentLost("stalled"))

    def answer(self, tool_call_id: str, output: str) -> bool:
        """Give the one answer to a tool call.

        Returns:
            False when this session did not ask, was answered already, or is gone.
        """
        if self._socket is None:
            return False
        text = self.session.answer(tool_call_id, output)
        return text is not None and self._socket.send(text, force=True)


@dataclass(slots=True)
class LineCounters:
    """Plain counters over all sessions of one call; read once, at its end."""

    sessions: int = 0
    unsent_frames: int = 0
    dropped_frames: int = 0
    messages: int = 0
    ignored: int = 0
    bad_messages: int = 0


class AgentLine:
    """The call's line to its agent: the present session, and the one that replaces it when it is lost.

    Lives as long as its call.

    Args:
        dial: how to reach the agent.
        listener: who is told.
        now: the clock.
        spawn: starts a task in the call's group.

    Attributes:
        counters: of the sessions that were left.
    """

    def __init__(self, dial: Dial, listener: AgentListener, now: Callable[[], float], spawn: Spawn) -> None:
        self._dial = dial
        self._listener = listener
        self._now = now
        self._spawn = spawn
        self._leg: AgentLeg | None = None
        self._task: asyncio.Task[None] | None = None
        self._former = 0  # sessions that said something and were left
        self._bad: Counter[str] = Counter()  # by reason
        self.counters = LineCounters()

    @property
    def leg(self) -> AgentLeg | None:
        """The present session; None when it was left."""
        return self._leg

    def connect(self, so_far: str, after_s: float) -> None:
        """Begin to open a session; the one before, if any, is left."""
        self.leave()
        self.counters.sessions += 1
        self._leg = AgentLeg(self._dial, self._listener, self._now)
        self._task = self._spawn(self._leg.run(so_far, after_s))

    def leave(self) -> None:
        """Close the session, whether open or still opening."""
        if self._leg is not None:
            self._book(self._leg)
            self._leg = None
        # A session that reports its own end is on its way out already.
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self._task = None

    def send_audio(self, audio: bytes) -> None:
        """Send caller audio; counted as early while no session is open."""
        if self._leg is None or not self._leg.open:
            self.counters.unsent_frames += 1
        else:
            self._leg.send_audio(audio)

    def turn(self, turn_id: str) -> str:
        """Return a turn's name within the call: a session that takes over may count from one again."""
        return f"{self._former + 1}/{turn_id}" if self._former and turn_id else turn_id

    def _book(self, leg: AgentLeg) -> None:
        counted = leg.session.counters
        self._former += counted.messages > 0
        self.counters.dropped_frames += leg.dropped
        self.counters.messages += counted.messages
        self.counters.bad_messages += sum(leg.bad_messages.values())
        self._bad.update(leg.bad_messages)
        self.counters.ignored += counted.unknown + counted.duplicates

    def snapshot(self) -> dict[str, int]:
        """Return the counters by name, bad messages by their reason as well."""
        return asdict(self.counters) | {f"bad_messages.{reason}": n for reason, n in self._bad.items()}
