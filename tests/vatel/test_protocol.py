"""The ledger of a session: what is acted on, what is counted, and each tool call answered once."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from gateway.errors import AgentProtocolError
from gateway.vatel import messages
from gateway.vatel.messages import dump_server
from gateway.vatel.protocol import MAX_BAD_MESSAGES, MAX_TOOL_CALLS, AgentSession
from tests.vatel.golden_frames import BadTwin, bad_twins, server_messages


def tool_call(tool_call_id: str = "c-1") -> messages.ToolCall:
    """Return a call of a tool."""
    return messages.ToolCall(tool_call_id, "book_table")


def receive(session: AgentSession, *said: messages.ServerMessage) -> list[messages.ServerMessage | None]:
    """Let a session receive messages; return what it makes of them."""
    return [session.receive(dump_server(message)) for message in said]


def test_a_whole_conversation_passes_unchanged() -> None:
    """Messages in an ordinary order are all handed on."""
    said: list[messages.ServerMessage] = [
        messages.SessionStarted("s-1"),
        messages.ResponseText("t-1", "Good evening", False),
        messages.ResponseAudio("t-1", b"\1\0" * 480, False),
        messages.ResponseAudio("t-1", b"", True),
        messages.SpeechStarted(),
        messages.Interruption(),
        messages.SpeechStopped(),
        messages.InputTranscript("a table", None, True),
        tool_call(),
        messages.SessionEnded(),
    ]
    session = AgentSession()

    assert receive(session, *said) == said
    assert session.counters.messages == len(said)


def test_a_new_session_is_neither_started_nor_ended() -> None:
    """Nothing is known before anything was said."""
    session = AgentSession()

    assert not session.started
    assert not session.ended
    assert not session.failed
    assert session.session_id is None
    assert session.open_tool_calls == ()


def test_the_session_learns_its_id() -> None:
    """session_started names the session."""
    session = AgentSession()
    receive(session, messages.SessionStarted("s-1"))

    assert session.started
    assert session.session_id == "s-1"


def test_a_session_may_start_without_an_id() -> None:
    """session_started without data still starts the session."""
    session = AgentSession()

    assert session.receive('{"type":"session_started"}') == messages.SessionStarted("")
    assert session.started
    assert session.session_id is None


def test_a_second_start_is_counted_and_ignored() -> None:
    """One session has one id."""
    session = AgentSession()
    receive(session, messages.SessionStarted("s-1"))

    assert receive(session, messages.SessionStarted("s-2")) == [None]
    assert session.session_id == "s-1"
    assert session.counters.duplicates == 1


def test_audio_before_the_start_is_taken() -> None:
    """No order is documented, so none is insisted on."""
    session = AgentSession()
    audio = messages.ResponseAudio("t", b"\0\0", None)

    assert receive(session, audio) == [audio]


def test_audio_is_counted_in_chunks_and_bytes() -> None:
    """Counters say how much the agent spoke."""
    session = AgentSession()
    receive(session, messages.ResponseAudio("t", b"\0" * 960), messages.ResponseAudio("t", b"\0" * 11))

    assert session.counters.audio_chunks == 2
    assert session.counters.audio_bytes == 971


def test_unknown_types_are_counted_and_ignored() -> None:
    """What nobody knows is no reason to stop."""
    session = AgentSession()

    assert receive(session, messages.Unknown("news"), messages.Unknown("news")) == [None, None]
    assert session.counters.unknown == 2
    assert session.counters.bad_messages == {}


def test_a_tool_call_is_open_until_it_is_answered() -> None:
    """The ledger shows what the agent waits for, oldest first."""
    session = AgentSession()
    receive(session, tool_call("c-1"), tool_call("c-2"))
    asked = session.open_tool_calls
    session.answer("c-1", "ok")

    assert asked == ("c-1", "c-2")
    assert session.open_tool_calls == ("c-2",)


def test_a_tool_call_is_answered_once() -> None:
    """Exactly one output leaves for each id."""
    session = AgentSession()
    receive(session, tool_call())

    first = session.answer("c-1", '{"booked":true}')

    assert first is not None
    assert json.loads(first)["data"] == {"toolCallId": "c-1", "output": '{"booked":true}'}
    assert session.answer("c-1", "again") is None


def test_a_tool_call_nobody_made_is_not_answered() -> None:
    """An output without a question never leaves."""
    assert AgentSession().answer("c-1", "ok") is None


def test_a_repeated_tool_call_is_counted_and_ignored() -> None:
    """A call already asked is asked once, whether open or answered."""
    session = AgentSession()
    receive(session, tool_call())

    assert receive(session, tool_call()) == [None]
    session.answer("c-1", "ok")
    assert receive(session, tool_call()) == [None]
    assert session.open_tool_calls == ()
    assert session.counters.duplicates == 2
    assert session.counters.tool_calls == 1


def test_a_call_in_either_case_is_one_call() -> None:
    """The same id in snake_case is the same call."""
    session = AgentSession()
    receive(session, tool_call())
    again = dump_server(tool_call(), messages.Dialect(snake_case_tools=True))

    assert session.receive(again) is None


def test_the_ledger_of_tool_calls_is_bounded() -> None:
    """An agent that asks without end breaks the contract, and keeps what it has."""
    session = AgentSession()
    receive(session, *(tool_call(f"c-{number}") for number in range(MAX_TOOL_CALLS)))

    with pytest.raises(AgentProtocolError) as caught:
        receive(session, tool_call("one-more"))

    assert caught.value.reason == "too_many_tool_calls"
    assert session.counters.bad_messages == {"too_many_tool_calls": 1}
    assert len(session.open_tool_calls) == MAX_TOOL_CALLS


@pytest.mark.parametrize(
    "late",
    [
        messages.ResponseAudio("t", b"\0\0"),
        messages.SessionEnded(),
        messages.SessionStarted("s"),
        tool_call(),
        messages.Unknown("news"),
    ],
)
def test_what_comes_after_the_end_is_late(late: messages.ServerMessage) -> None:
    """After session_ended everything is counted and nothing acted on."""
    session = AgentSession()
    receive(session, messages.SessionEnded())

    assert receive(session, late) == [None]
    assert session.counters.late == 1
    assert session.counters.audio_chunks == 0
    assert session.counters.unknown == 0
    assert session.open_tool_calls == ()


def test_junk_after_the_end_is_late_too() -> None:
    """Nothing that comes after the end is an error any more."""
    session = AgentSession()
    receive(session, messages.SessionEnded())

    assert session.receive("junk") is None
    assert session.counters.late == 1
    assert session.counters.bad_messages == {}


def test_after_the_end_nothing_is_answered() -> None:
    """A tool that finishes too late keeps its answer."""
    session = AgentSession()
    receive(session, tool_call(), messages.SessionEnded())

    assert session.answer("c-1", "ok") is None


def test_bad_messages_are_counted_by_reason() -> None:
    """Each refusal is raised and counted; the session goes on."""
    session = AgentSession()
    for text in ["junk", "junk", '{"type":5}']:
        with pytest.raises(AgentProtocolError):
            session.receive(text)

    assert session.counters.bad_messages == {"bad_json": 2, "wrong_type": 1}
    assert session.counters.messages == 3
    assert receive(session, messages.Interruption()) == [messages.Interruption()]


def test_too_many_bad_messages_fail_the_session() -> None:
    """A peer that speaks another protocol is given up, not before the limit."""
    session = AgentSession()
    for count in range(1, MAX_BAD_MESSAGES + 1):
        assert not session.failed
        with pytest.raises(AgentProtocolError):
            session.receive("junk")
        assert sum(session.counters.bad_messages.values()) == count

    assert session.failed


@pytest.mark.parametrize("twin", bad_twins("server"), ids=str)
def test_a_bad_twin_is_counted_under_its_reason(twin: BadTwin) -> None:
    """Every kind of bad message has its own count."""
    session = AgentSession()
    with pytest.raises(AgentProtocolError):
        session.receive(twin.wire)

    assert session.counters.bad_messages == {twin.reason: 1}


def test_caller_audio_leaves_as_the_contract_has_it() -> None:
    """The session writes input_audio."""
    assert messages.parse_client(AgentSession().audio(b"\1\0")) == messages.InputAudio(b"\1\0")


@given(st.lists(server_messages))
def test_every_message_is_counted_once(said: list[messages.ServerMessage]) -> None:
    """What is not handed on is counted as unknown, duplicate or late."""
    session = AgentSession()
    handed_on = [message for message in receive(session, *said) if message is not None]
    counted = session.counters

    assert counted.messages == len(said)
    assert len(handed_on) == len(said) - counted.unknown - counted.duplicates - counted.late


class ToolLedger(RuleBasedStateMachine):
    """Tools asked and answered in any order."""

    asked: Bundle[str] = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self.session = AgentSession()
        self.open: dict[str, None] = {}
        self.answered: set[str] = set()

    @rule(target=asked, name=st.sampled_from("abcdef"))
    def ask(self, name: str) -> str:
        """The agent asks, perhaps again."""
        (message,) = receive(self.session, tool_call(name))
        assert (message is not None) == (name not in self.open and name not in self.answered)
        if message is not None:
            self.open[name] = None
        return name

    @rule(name=asked)
    def answer(self, name: str) -> None:
        """A tool answers, perhaps again."""
        assert (self.session.answer(name, "ok") is not None) == (name in self.open)
        self.open.pop(name, None)
        self.answered.add(name)

    @rule(name=st.sampled_from("uvw"))
    def answer_what_was_never_asked(self, name: str) -> None:
        """A tool nobody called answers."""
        assert self.session.answer(name, "ok") is None

    @invariant()
    def the_ledger_agrees(self) -> None:
        """Open is what was asked and not answered, in order."""
        assert self.session.open_tool_calls == tuple(self.open)


TestToolLedger = ToolLedger.TestCase
TestToolLedger.settings = settings(max_examples=30, stateful_step_count=30)
