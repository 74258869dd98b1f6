"""Scripts as TOML."""

import pytest

from gateway.errors import ConfigError
from gateway.simulator import script
from gateway.simulator.microphone import Frames, cut
from gateway.simulator.screenplay import parse

WHOLE = """
[[step]]
do = "wait_agent_quiet"
min_quiet_ms = 900
timeout_s = 10

[[step]]
do = "say"
text = "A table for two, please."

[[step]]
do = "interrupt"
text = "Stop."
after_ms = 500

[[step]]
do = "dtmf"
digits = "12#"

[[step]]
do = "pause"
pause_ms = 250

[[step]]
do = "wait_end"

[[step]]
do = "hang_up"
"""


def speak(text: str) -> Frames:
    """Stand in for a voice: the letters themselves."""
    return cut(text.encode())


class TestParse:
    """What is understood."""

    def test_every_step_is_read(self) -> None:
        """In order, texts spoken, deadlines replaced where given."""
        caller = parse(WHOLE, speak)

        assert caller.steps == (
            script.WaitAgentQuiet(900, timeout_s=10),
            script.Say(speak("A table for two, please."), "A table for two, please."),
            script.Interrupt(speak("Stop."), 500, "Stop."),
            script.Dtmf("12#"),
            script.Pause(250),
            script.WaitEnd(),
            script.HangUp(),
        )

    def test_defaults_are_the_steps_own(self) -> None:
        """Nothing is repeated in the file."""
        caller = parse('[[step]]\ndo = "wait_agent_quiet"', speak)

        assert caller.steps == (script.WaitAgentQuiet(),)


class TestFaults:
    """What is refused, and how."""

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("[[step", "not TOML"),
            ("", "missing required field `step`"),
            ("[[step]]\ndo = 'sing'", r"Invalid value 'sing' - at `\$\.step"),
            ("[[step]]\ntext = 'x'", "missing required field `do`"),
            ("[[step]]\ndo = 'say'", "missing required field `text`"),
            ("[[step]]\ndo = 'say'\ntext = 'x'\nloud = 1", "unknown field `loud`"),
            ("[[step]]\ndo = 'pause'\npause_ms = 'long'", "Expected `int`"),
            ("[caller]\n[[step]]\ndo = 'hang_up'", "unknown field `caller`"),
        ],
    )
    def test_a_bad_script_says_where(self, text: str, says: str) -> None:
        """It is the operator's to correct."""
        with pytest.raises(ConfigError, match=says) as caught:
            parse(text, speak)

        assert caught.value.reason == "bad_script"
