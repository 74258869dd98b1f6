"""Bodies of Vatel's REST answers into models, with the server's history in mind. PURE."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from gateway.vatel.models import Agent

T = TypeVar("T")

# The first Go types and the JS aliases (vatel.md 1.2): the server's casing changed once.
_TIMEOUT_NAMES = {
    "defaultTimeout": "default_timeout",
    "timeoutAction": "timeout_action",
    "transferNumber": "transfer_number",
    "transferMessage": "transfer_message",
    "silenceCounter": "silence_counter",
    "silenceTimeoutAction": "silence_timeout_action",
    "silenceTransferNumber": "silence_transfer_number",
    "silenceTransferMessage": "silence_transfer_message",
}
_VAD_NAMES = {"starting_secs": "start_secs", "stopping_secs": "stop_secs"}


def reader(kind: type[T]) -> Callable[[bytes], T]:
    """Return a function that decodes a body as `decode` does."""
    return lambda body: decode(body, kind)


def decode(body: bytes, kind: type[T]) -> T:
    """Decode a body; where it does not fit, once more with null fields taken for absent ones.

    A Go server writes null for an empty list; a body of null is an empty list or object.

    Raises:
        ValueError: no JSON, or not of this shape.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError:
        return _convert(_present(_loads(body)), kind)
    except RecursionError:
        raise ValueError("nests too deep") from None


def decode_agent(body: bytes) -> Agent:
    """Decode an agent, older names of its fields included.

    Raises:
        ValueError: no JSON, or no agent.
    """
    return _agent(_present(_loads(body)))


def decode_agents(body: bytes) -> tuple[Agent, ...]:
    """Decode a list of agents, bare or as ``{"agents": [...]}``.

    Raises:
        ValueError: no JSON, or no such list.
    """
    listed = _present(_loads(body))
    if listed is None:
        return ()
    if isinstance(listed, dict):
        listed = listed.get("agents", [])
    if not isinstance(listed, list):
        raise ValueError("expected a list of agents")
    return tuple(_agent(agent) for agent in listed)


def _loads(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except RecursionError:
        raise ValueError("nests too deep") from None


def _convert(value: object, kind: type[T]) -> T:
    if value is None:
        value = () if getattr(kind, "__origin__", kind) is tuple else {}
    return msgspec.convert(value, kind)


def _present(value: object) -> object:
    """Take null fields out, at every depth (which the decoder has bounded)."""
    if isinstance(value, dict):
        return {name: _present(field) for name, field in value.items() if field is not None}
    if isinstance(value, list):
        return [_present(item) for item in value]
    return value


def _agent(value: object) -> Agent:
    if not isinstance(value, dict):
        raise ValueError("expected an agent")
    agent = dict(value)
    _rename(agent, "timeout_settings", _TIMEOUT_NAMES)
    _rename(agent, "vad_settings", _VAD_NAMES)
    provider = agent.pop("tts_strategy", None)
    if provider is not None:
        agent["voice_settings"] = {"provider": provider, **agent.get("voice_settings", {})}
    return msgspec.convert(agent, Agent)


def _rename(agent: dict[str, object], name: str, names: dict[str, str]) -> None:
    settings = agent.get(name)
    if isinstance(settings, dict):
        # Present names last: where both are there, they win.
        old = {names[key]: value for key, value in settings.items() if key in names}
        agent[name] = {**old, **settings}
