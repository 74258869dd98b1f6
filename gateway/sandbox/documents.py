"""Resources as the API shows them, and how the sandbox's own agents become some.

PURE.
"""

from typing import Any, Literal

Kind = Literal["organization", "agent", "version", "number", "trunk", "assignment", "call"]
Document = dict[str, Any]
"""A resource; names that begin with an underscore are the sandbox's own and never shown."""

MAIN_ORGANIZATION = "00000000-0000-4000-9000-000000000001"
"""The organization that the sandbox's own key belongs to."""

_AGENT_DEFAULTS: Document = {
    "phone_number_id": "",
    "llm": "openai/gpt-4.1-mini",
    "fallback_llm": "anthropic/claude-haiku-4-5",
    "status": "active",
    "prompt": "You are a helpful assistant on the phone.",
    "first_message": "Hello, how can I help you?",
    "first_message_interruption_time": 0.0,
    "default_language": "en",
    "summarize_calls": True,
    "noise_cancel_settings": {"enabled": False, "level": 50.0},
    "vad_settings": {"start_secs": 0.1, "stop_secs": 0.6, "silence_timeout_secs": 10.0},
    "enable_first_message_outbound": True,
    "voice_settings": {"id": "sandbox-ada", "provider": "elevenlabs"},
    "timeout_settings": {"default_timeout": 1800.0, "timeout_action": "end_call", "silence_counter": 3},
    "keyterms": [],
}
_MERGED = ("vad_settings",)
"""Settings of which a change replaces only what it names."""


def shown(document: Document) -> Document:
    """Return what the API shows of a document."""
    return {name: value for name, value in document.items() if not name.startswith("_")}


def agent(agent_id: str, fields: Document, at: str, version_id: str | None = None) -> Document:
    """Return a new agent: what is given over the server's defaults.

    Args:
        at: when it is made.
        version_id: the active version; None for none yet.
    """
    made = {"id": agent_id, "created_at": at, **_AGENT_DEFAULTS, "_active_version_id": version_id}
    return changed(made, fields, at)


def changed(document: Document, fields: Document, at: str) -> Document:
    """Return an agent with fields changed; a number that is null is taken away."""
    merged = {name: {**document[name], **fields[name]} for name in _MERGED if name in fields}
    number = {"phone_number_id": fields["phone_number_id"] or ""} if "phone_number_id" in fields else {}
    return {**document, **fields, **merged, **number, "updated_at": at}


def version(version_id: str, agent_id: str, at: str, tag: str, published_at: str | None = None) -> Document:
    """Return a version of an agent."""
    return {
        "id": version_id,
        "agent_id": agent_id,
        "created_at": at,
        "published_at": published_at,
        "tag": tag,
    }


def nodes(agent_document: Document) -> list[Document]:
    """Return the conversation graph of an agent, whose shape the contract leaves open."""
    opening = {"id": "first_message", "type": "first_message", "message": agent_document["first_message"]}
    talk = {"id": "conversation", "type": "conversation", "prompt": agent_document["prompt"]}
    return [{**opening, "next": "conversation"}, {**talk, "next": "end"}, {"id": "end", "type": "end"}]
