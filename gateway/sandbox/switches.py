"""The oddities of Vatel's socket, one switch each: what a gateway must bear, on demand.

PURE. Every default is what the live service evidently does (reference: vatel.md 2.1 and 5).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from gateway.errors import ConfigError
from gateway.vatel.messages import Dialect

_STATUS = ((0, 0), (100, 599))
_DELAY_S = ((0, 600),)
_RANGES: dict[str, tuple[tuple[float, float], ...]] = {
    "chunk_ms": ((1, 60_000),),
    "pace": ((0, 1_000),),
    "close_code": ((1000, 1003), (1005, 1014), (3000, 4999)),
    "started_delay_s": _DELAY_S,
    "upgrade_delay_s": _DELAY_S,
    "upgrade_status": _STATUS,
    "token_delay_s": _DELAY_S,
    "token_status": _STATUS,
    "token_ttl_s": _DELAY_S,
    "retry_after_s": ((0, 86_400),),
    "leave_after_s": _DELAY_S,
    "stall_after_s": _DELAY_S,
    "stall_s": _DELAY_S,
    "share": ((0, 1),),
    "seed": ((0, 2**32 - 1),),
}
"""What each number may be, ends included."""


@dataclass(frozen=True, slots=True)
class Switches:
    """How a sandbox agent's session departs from the plain contract.

    A value outside its range raises ConfigError.

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
        ragged_chunks: cut audio anywhere, into pieces of one byte up to ``chunk_ms``, by ``seed``.
        empty_final: end a turn with a ``response_audio`` without audio.
        unknown_types: send a type that no contract knows after ``session_started`` and with every turn.
        binary_frame: send a binary frame after ``session_started``.
        duplicate_tool_calls: send every ``tool_call`` twice.
        ended_message: send ``session_ended`` before the end.
        close_code: how the socket ends; 1005 (or ``none``) closes without a code, 1006 drops the connection
            without a close frame.
        never_end: the agent's own end is ignored: only the client ends the session.
        leave_after_s: end so long after the start, whatever is going on; 0 never does.
        stall_after_s: with ``stall_s``: when, from the start, the socket is no longer read.
        stall_s: for how long it is not.
        started_delay_s: wait before ``session_started``.
        upgrade_delay_s: wait before the upgrade is answered.
        upgrade_status: refuse the upgrade with this status; 0 accepts it.
        token_delay_s: wait before a token is answered.
        token_status: refuse tokens with this status; 0 mints them.
        token_ttl_s: how long a token is good for; 0 hands out expired ones.
        used_token: hand out tokens that are used up already.
        retry_after_s: with a refused token or upgrade: the Retry-After that is sent along; 0 leaves it out.
        refuse_variables: answer 400 to ``variables``, as deployments before them do.
        share: of the agent's sessions, chosen by ``seed``, that these switches apply to; others are plain.
        seed: decides all that is left to chance; the same one, the same sessions.
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
    ragged_chunks: bool = False
    empty_final: bool = False
    unknown_types: bool = False
    binary_frame: bool = False
    duplicate_tool_calls: bool = False
    ended_message: bool = True
    close_code: int = 1000
    never_end: bool = False
    leave_after_s: float = 0.0
    stall_after_s: float = 0.0
    stall_s: float = 0.0
    started_delay_s: float = 0.0
    upgrade_delay_s: float = 0.0
    upgrade_status: int = 0
    token_delay_s: float = 0.0
    token_status: int = 0
    token_ttl_s: float = 60.0
    used_token: bool = False
    retry_after_s: int = 0
    refuse_variables: bool = False
    share: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, ranges in _RANGES.items():
            value = getattr(self, name)
            if not any(low <= value <= high for low, high in ranges):  # NaN is in no range
                raise _unfit(name, f"{value} is out of range")

    @property
    def dialect(self) -> Dialect:
        """Return how messages are written."""
        return Dialect(
            empty=self.empty, snake_case_tools=self.snake_case_tools, omit_is_final=self.omit_is_final
        )


_NO_CLOSE_CODE = 1005
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
    name, given, text = (part.strip() for part in assignment.partition("="))
    known = [field.name for field in fields(Switches)]
    if name not in known:
        raise ConfigError(f"no switch {name!r}; there are: {', '.join(known)}", reason="bad_switch")
    if not given:
        raise _unfit(name, "has no value")
    try:
        changes: dict[str, Any] = {name: _value(name, text)}
    except (KeyError, ValueError):
        raise _unfit(name, f"{text!r} is not what it takes") from None
    return replace(switches, **changes)


def with_switches(switches: Switches, values: Mapping[str, object]) -> Switches:
    """Return the switches with some of them set, by values as JSON has them.

    Raises:
        ConfigError: as for :func:`with_switch`.
    """
    for name, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        switches = with_switch(switches, f"{name}={text}")
    return switches


def _value(name: str, text: str) -> object:
    kind = _TYPES[name]
    if get_origin(kind) is Literal:
        return {choice: choice for choice in get_args(kind)}[text]
    if kind is bool:
        return _BOOLEANS[text.lower()]
    return _NO_CLOSE_CODE if name == "close_code" and text == "none" else kind(text)


def _unfit(name: str, fault: str) -> ConfigError:
    return ConfigError(f"switch {name}: {fault}; give {_described(name)}", reason="bad_switch")


def _described(name: str) -> str:
    kind = _TYPES[name]
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if kind is bool:
        return "true or false"
    ranges = [f"{low} to {high}" if low != high else f"{low}" for low, high in _RANGES[name]]
    extra = " or none" if name == "close_code" else ""
    return ("a whole number, " if kind is int else "a number, ") + ", ".join(ranges) + extra
