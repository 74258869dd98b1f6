"""Scripts as TOML files: one ``[[step]]`` a step, ``do`` says which.

[[step]]
do = "wait_agent_quiet"
min_quiet_ms = 700

[[step]]
do = "say"
text = "A table for two, please."

[[step]]
do = "hang_up"
"""

import tomllib
from collections.abc import Callable
from dataclasses import replace

import msgspec

from gateway.errors import ConfigError
from gateway.simulator import script
from gateway.simulator.microphone import Frames

Speak = Callable[[str], Frames]


class _Line(msgspec.Struct, tag_field="do", forbid_unknown_fields=True):
    """One ``[[step]]``; ``timeout_s`` replaces the step's own deadline."""

    timeout_s: float | None = None


class WaitAgentQuiet(_Line, tag="wait_agent_quiet"):
    """Wait until the agent has spoken and is quiet, or for ``patience_ms`` if it does not begin to."""

    min_quiet_ms: int = 700
    patience_ms: int | None = None


class Say(_Line, tag="say", kw_only=True):
    """Say a text."""

    text: str


class Interrupt(_Line, tag="interrupt", kw_only=True):
    """Cut in with a text."""

    text: str
    after_ms: int = 1_000


class Dtmf(_Line, tag="dtmf", kw_only=True):
    """Press keys."""

    digits: str


class Pause(_Line, tag="pause", kw_only=True):
    """Do nothing."""

    pause_ms: int


class HangUp(_Line, tag="hang_up"):
    """Put the phone down."""


class WaitEnd(_Line, tag="wait_end"):
    """Stay until the other side ends the call."""


class _Screenplay(msgspec.Struct, forbid_unknown_fields=True):
    step: list[WaitAgentQuiet | Say | Interrupt | Dtmf | Pause | HangUp | WaitEnd]


def parse(text: str, speak: Speak) -> script.ScriptedCaller:
    """Read a script.

    Args:
        speak: makes frames of each text; see :func:`gateway.simulator.speech.say`.

    Raises:
        ConfigError: the file is not TOML, or a step is unknown or wrong; the message says where.
    """
    try:
        play = msgspec.convert(tomllib.loads(text), _Screenplay)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"the script is not TOML: {error}", reason="bad_script") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"the script has a step that is wrong: {error}", reason="bad_script") from None
    return script.ScriptedCaller(tuple(_step(line, speak) for line in play.step))


def _step(line: _Line, speak: Speak) -> script.AnyStep:
    step = _plain_step(line, speak)
    return step if line.timeout_s is None else replace(step, timeout_s=line.timeout_s)


def _plain_step(line: _Line, speak: Speak) -> script.AnyStep:
    match line:
        case WaitAgentQuiet():
            return script.WaitAgentQuiet(line.min_quiet_ms, line.patience_ms)
        case Say():
            return script.Say(speak(line.text), line.text)
        case Interrupt():
            return script.Interrupt(speak(line.text), line.after_ms, line.text)
        case Dtmf():
            return script.Dtmf(line.digits)
        case Pause():
            return script.Pause(line.pause_ms)
        case HangUp():
            return script.HangUp()
        case _:
            return script.WaitEnd()
