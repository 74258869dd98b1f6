"""The oddities of Vatel's socket, one switch each: what a gateway must bear, on demand.

PURE. Every default is what the live service evidently does (reference: vatel.md 2.1 and 5).
"""

from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from gateway.errors import ConfigError
from gateway.vatel.messages import Dialect


@dataclass(frozen=True, slots=True)
class Switches:
    """How a sandbox agent's session departs from the plain contract.

    Attributes:
        empty: payload of the messages that carry nothing.
        omit_is_final: leave ``is_final`` out, as servers before 2026-05 did.
        snake_case_tools: write ``tool_call_id`` and ``tool_name``.
        interim: send texts and transcripts while they may still change.
        transcript_turn_ids: name the turn in the caller's transcripts.
        emulated: say of each ``speech_started`` that the VAD missed it.
        chunk_ms: audio in one ``response_audio``.
        pace: audio is sent this many times faster than it plays; 0 sends a turn at once.
        odd_chunks: cut audio between the two bytes of a sample.
        empty_final: end a turn with a ``response_audio`` without audio.
        unknown_types: send a type that no contract knows after ``session_started`` and with every turn.
        binary_frame: send a binary frame after ``session_started``.
        duplicate_tool_calls: send every ``tool_call`` twice.
        ended_message: send ``session_ended`` before the end.
        close_code: how the socket ends; 1006 drops the connection without a close frame.
        never_end: the agent's own end is ignored: only the client ends the session.
        started_delay_s: wait before ``session_started``.
        upgrade_delay_s: wait before the upgrade is answered.
        upgrade_status: refuse the upgrade with this status; 0 accepts it.
        token_delay_s: wait before a token is answered.
        token_status: refuse tokens with this status; 0 mints them.
        refuse_variables: answer 400 to ``variables``, as deployments before them do.
    """

    empty: Literal["null", "object", "absent"] = "null"
    omit_is_final: bool = False
    snake_case_tools: bool = False
    interim: bool = True
    transcript_turn_ids: bool = False
    emulated: bool = False
    chunk_ms: int = 100
    pace: float = 4.0
    odd_chunks: bool = False
    empty_final: bool = False
    unknown_types: bool = False
    binary_frame: bool = False
    duplicate_tool_calls: bool = False
    ended_message: bool = True
    close_code: int = 1000
    never_end: bool = False
    started_delay_s: float = 0.0
    upgrade_delay_s: float = 0.0
    upgrade_status: int = 0
    token_delay_s: float = 0.0
    token_status: int = 0
    refuse_variables: bool = False

    def __post_init__(self) -> None:
        if self.chunk_ms < 1:
            raise ConfigError(f"switch chunk_ms must be at least 1, not {self.chunk_ms}", reason="bad_switch")
        if self.pace < 0:
            raise ConfigError(f"switch pace must not be negative: {self.pace}", reason="bad_switch")

    @property
    def dialect(self) -> Dialect:
        """Return how messages are written."""
        return Dialect(
            empty=self.empty, snake_case_tools=self.snake_case_tools, omit_is_final=self.omit_is_final
        )


_TYPES: dict[str, Any] = get_type_hints(Switches)
_BOOLEANS = {"true": True, "on": True, "yes": True, "1": True}
_BOOLEANS |= {"false": False, "off": False, "no": False, "0": False}


def with_switch(switches: Switches, assignment: str) -> Switches:
    """Return the switches with one of them set.

    Args:
        assignment: ``name=value``, the value as a person writes it.

    Raises:
        ConfigError: there is no such switch, or the value does not fit it.
    """
    name, _, text = assignment.partition("=")
    known = [field.name for field in fields(Switches)]
    if name not in known:
        raise ConfigError(f"no switch {name!r}; there are: {', '.join(known)}", reason="bad_switch")
    try:
        changes: dict[str, Any] = {name: _value(_TYPES[name], text.strip())}
    except (KeyError, ValueError):
        raise ConfigError(f"switch {name}: {text!r} is no {_described(name)}", reason="bad_switch") from None
    return replace(switches, **changes)


def _value(kind: Any, text: str) -> object:
    if get_origin(kind) is Literal:
        return {choice: choice for choice in get_args(kind)}[text]
    return _BOOLEANS[text.lower()] if kind is bool else kind(text)


def _described(name: str) -> str:
    kind = _TYPES[name]
    if get_origin(kind) is Literal:
        return "value of " + ", ".join(get_args(kind))
    return {bool: "true or false", int: "whole number", float: "number"}[kind]
