from gateway.sandbox.scripted import Silent
from gateway.sandbox.stage import Agent, Exit, Opening
from tests.sandbox.rehearsal import Rehearsal


def test_agent_that_overrides_nothing_bears_everything() -> None:
    """The plain agent takes a start, audio and a tool output without a word."""
    stage = Rehearsal(Silent())
    agent = Agent(stage)
    agent.on_start(0.0)
    agent.on_audio(b"\x00\x01", 0.02)
    agent.on_tool_output("call-1", "done", 0.03)
    assert (stage.sent, stage.raw, stage.exits) == ([], [], [])


def test_opening_keeps_what_callers_brought_out_of_its_repr() -> None:
    """First message, prompt and variables may be personal: they are not printed."""
    opening = Opening(first_message="Hello Ada", prompt="secret", variables=(("phone", "+33"),))
    assert repr(opening) == "Opening()"


def test_plain_exit_is_an_orderly_close() -> None:
    """An exit without more to say closes with 1000."""
    assert Exit() == Exit(code=1000, reset=False)
