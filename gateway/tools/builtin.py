"""The tools that the gateway answers itself: each is there only where the catalogue names it."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from gateway.errors import ToolError
from gateway.tools.catalog import Builtin
from gateway.tools.controls import CallControls
from gateway.tools.question import Question, call_facts
from gateway.tools.request import dump

_HOLD_S, _LONGEST_HOLD_S = 60.0, 600.0
_KEYS = re.compile(r"[0-9*#A-Da-dwW]{1,32}")


async def run(tool: Builtin, question: Question, controls: CallControls) -> str:
    """Do what a built-in tool does; return the output for the agent.

    Raises:
        ToolError: it cannot be done; the message is meant for the agent.
    """
    done = await _TOOLS[tool.spec.builtin](tool, question, controls)
    return dump(done).decode()


async def _end_call(tool: Builtin, question: Question, controls: CallControls) -> Mapping[str, object]:
    controls.end()
    return {"status": "ending", "note": "Say goodbye now; the call ends when it has been heard."}


async def _transfer_call(tool: Builtin, question: Question, controls: CallControls) -> Mapping[str, object]:
    number = _allowed(tool.spec.numbers, _text(question, "to"))
    await controls.transfer(number, tool.spec.ring_timeout_s)
    return {"status": "transferring"}


def _allowed(numbers: Mapping[str, str], wanted: str) -> str:
    """Return the number of a name, or a number that is on the list itself; never any other."""
    by_name = {name.casefold(): number for name, number in numbers.items()}
    digits = re.sub(r"[\s().-]", "", wanted)
    number = by_name.get(wanted.strip().casefold()) or (digits if digits in numbers.values() else None)
    if number is None:
        names = ", ".join(numbers)
        raise ToolError(f"The argument `to` must be one of: {names}.", reason="bad_arguments")
    return number


async def _send_dtmf(tool: Builtin, question: Question, controls: CallControls) -> Mapping[str, object]:
    digits = _text(question, "digits")
    if not _KEYS.fullmatch(digits):
        raise ToolError(
            "The argument `digits` must be 1 to 32 of 0-9 * # A-D, or w for a pause.", reason="bad_arguments"
        )
    controls.press(digits)
    return {"status": "sent", "keys": len(digits)}


async def _press_hold(tool: Builtin, question: Question, controls: CallControls) -> Mapping[str, object]:
    seconds = question.arguments.get("seconds", _HOLD_S)
    if (
        isinstance(seconds, bool)
        or not isinstance(seconds, int | float)
        or not 0 < seconds <= _LONGEST_HOLD_S
    ):
        raise ToolError(
            f"The argument `seconds` must be a number from 1 to {_LONGEST_HOLD_S:g}.", reason="bad_arguments"
        )
    controls.hold(float(seconds))
    return {"status": "holding", "until": "you speak again", "at_most_s": seconds}


async def _get_call_info(tool: Builtin, question: Question, controls: CallControls) -> Mapping[str, object]:
    return call_facts(question.call) | controls.facts()


async def _schedule_callback(
    tool: Builtin, question: Question, controls: CallControls
) -> Mapping[str, object]:
    raise ToolError(
        "Callbacks cannot be scheduled here; tell the caller, or take their number down.",
        reason="unavailable",
    )


def _text(question: Question, name: str) -> str:
    value = question.arguments.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ToolError(f"The argument `{name}` is missing; it must be text.", reason="bad_arguments")
    return value


_Run = Callable[[Builtin, Question, CallControls], Awaitable[Mapping[str, object]]]

_TOOLS: Final[Mapping[str, _Run]] = {
    "end_call": _end_call,
    "transfer_call": _transfer_call,
    "send_dtmf": _send_dtmf,
    "press_hold": _press_hold,
    "get_call_info": _get_call_info,
    "schedule_callback": _schedule_callback,
}
