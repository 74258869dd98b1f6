"""One conversation on Vatel's voice socket: what was said in which state, which tool calls are open. PURE."""

from dataclasses import dataclass, field

from gateway.errors import AgentProtocolError
from gateway.vatel import messages
from gateway.vatel.messages import ServerMessage

MAX_BAD_MESSAGES = 50
"""So many bad messages mean that the peer speaks another protocol."""

MAX_TOOL_CALLS = 4096
"""Tool calls one session may make, so that its ledger stays bounded: one every 3.5 s for four hours."""


@dataclass(slots=True)
class AgentCounters:
    """Plain counters of one session, for its final snapshot.

    Attributes:
        messages: texts received, good or bad.
        audio_chunks: ``response_audio`` messages.
        audio_bytes: their PCM16 bytes (48 make a millisecond).
        tool_calls: calls asked, repetitions left out.
        unknown: messages of unknown types.
        duplicates: repeated tool calls and repeated ``session_started``.
        late: messages after ``session_ended``.
        bad_messages: messages refused, by reason.
    """

    messages: int = 0
    audio_chunks: int = 0
    audio_bytes: int = 0
    tool_calls: int = 0
    unknown: int = 0
    duplicates: int = 0
    late: int = 0
    bad_messages: dict[str, int] = field(default_factory=dict)


class AgentSession:
    """The ledger of one agent session: lives as long as its socket.

    Nothing is said about the order of messages (vatel.md 2.5), so none is insisted on before
    ``session_started``; after ``session_ended`` everything is late.

    Attributes:
        counters: what was received.
        session_id: the id ``session_started`` named, or None.
        started: whether it came.
        ended: whether ``session_ended`` came.
    """

    def __init__(self) -> None:
        self.counters = AgentCounters()
        self.session_id: str | None = None
        self.started = False
        self.ended = False
        # Insertion-ordered: True while open, False once answered.
        self._tool_calls: dict[str, bool] = {}
        self._bad = 0

    @property
    def failed(self) -> bool:
        """True after so many bad messages that going on makes no sense."""
        return self._bad >= MAX_BAD_MESSAGES

    @property
    def open_tool_calls(self) -> tuple[str, ...]:
        """Ids of the tool calls that wait for their output, oldest first."""
        return tuple(name for name, is_open in self._tool_calls.items() if is_open)

    def receive(self, text: str | bytes) -> ServerMessage | None:
        """Take a message of the server.

        Returns:
            The message, or None when there is nothing to act on: unknown, repeated or late; each counted.

        Raises:
            AgentProtocolError: it breaks the contract; counted by reason, the session goes on until
                `failed`.
        """
        self.counters.messages += 1
        if self.ended:
            self.counters.late += 1
            return None
        try:
            return self._take(messages.parse(text))
        except AgentProtocolError as error:
            self._bad += 1
            self.counters.bad_messages[error.reason] = self.counters.bad_messages.get(error.reason, 0) + 1
            raise

    def _take(self, message: ServerMessage) -> ServerMessage | None:
        match message:
            case messages.ResponseAudio(_, audio):
                self.counters.audio_chunks += 1
                self.counters.audio_bytes += len(audio)
            case messages.ToolCall():
                return self._ask(message)
            case messages.SessionStarted(session_id):
                return self._start(session_id, message)
            case messages.SessionEnded():
                self.ended = True
            case messages.Unknown():
                self.counters.unknown += 1
                return None
            case _:
                pass
        return message

    def _start(self, session_id: str, message: ServerMessage) -> ServerMessage | None:
        if self.started:
            self.counters.duplicates += 1
            return None
        self.started = True
        self.session_id = session_id or None
        return message

    def _ask(self, call: messages.ToolCall) -> ServerMessage | None:
        if call.id in self._tool_calls:
            self.counters.duplicates += 1
            return None
        if len(self._tool_calls) >= MAX_TOOL_CALLS:
            raise AgentProtocolError(
                f"more than {MAX_TOOL_CALLS} tool calls in one session", reason="too_many_tool_calls"
            )
        self._tool_calls[call.id] = True
        self.counters.tool_calls += 1
        return call

    def audio(self, pcm: bytes) -> str:
        """Return the message that carries caller speech (PCM16 24 kHz, whole samples)."""
        return messages.dump_input_audio(pcm)

    def answer(self, tool_call_id: str, output: str) -> str | None:
        """Return the message that answers a tool call.

        Returns:
            None when it was never asked, is answered already, or the session has ended.
        """
        if self.ended or not self._tool_calls.get(tool_call_id):
            return None
        self._tool_calls[tool_call_id] = False
        return messages.dump_tool_output(tool_call_id, output)
