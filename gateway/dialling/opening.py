"""A call's row, its agent and its task as the one value that the media session is made from. PURE."""

from collections.abc import Mapping
from typing import Any

from gateway.dialling.config import DialConfig
from gateway.records import INTER_DIGIT_TIMEOUT_MS, CallInfo, DtmfRule, Opening
from gateway.storage.rows import Agent, Call, Task


def vatel_agent_id(agent: Agent | None, config: DialConfig) -> str | None:
    """Return who talks; None when neither the agent nor the settings name anybody."""
    return (agent.vatel_agent_id if agent is not None else None) or config.default_vatel_agent_id


def call_info(
    call: Call, account_sid: str, agent: Agent | None, task: Task | None, config: DialConfig
) -> CallInfo | None:
    """Return a call as the bridge takes it; None when nobody could talk in it, or Twilio does not know it."""
    talker = vatel_agent_id(agent, config)
    if talker is None or call.call_sid is None:
        return None
    return CallInfo(
        call_id=call.id,
        call_sid=call.call_sid,
        account_sid=account_sid,
        caller_number=call.from_number,
        called_number=call.to_number,
        agent_id=talker,
        direction=call.direction,
        context={} if task is None else task.context_data,
        organization_id=call.organization_id,
        gateway_agent_id=call.agent_id or "",
        record=agent is not None and agent.record,
        opening=Opening() if agent is None else opening_of(agent, task, config),
        dtmf_rules={} if agent is None else dtmf_rules(agent),
    )


def opening_of(agent: Agent, task: Task | None, config: DialConfig) -> Opening:
    """Return how an agent begins: its texts with the task's context in them; the task's first words win."""
    context = {} if task is None else task.context_data
    first = first_message(agent, task, config)
    return Opening(
        vatel_version_id=agent.vatel_version_id,
        prompt=config.fill(agent.system_prompt, context) or None,
        first_message=first or None,
        variables=_variables(context) if config.with_variables else (),
    )


def first_message(agent: Agent, task: Task | None, config: DialConfig) -> str:
    """Return an agent's first words, filled; empty when it has none of its own."""
    words = agent.starting_message if task is None or task.starting_message is None else task.starting_message
    return config.fill(words or "", {} if task is None else task.context_data)


def dtmf_rules(agent: Agent) -> dict[str, DtmfRule]:
    """Return what an agent's call does when the caller dials, as the API stored it."""
    return {digits: _rule(told) for digits, told in agent.dtmf_rules.items()}


def _rule(told: Mapping[str, Any]) -> DtmfRule:
    return DtmfRule(
        told["action"],
        told.get("inter_digit_timeout_ms", INTER_DIGIT_TIMEOUT_MS) / 1000,
        number=told.get("number", ""),
        url=told.get("url", ""),
    )


def _variables(context: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return what is plain in a context: variables hold text, so lists and objects are left out."""
    plain = (str, int, float)
    return tuple((name, str(value)) for name, value in context.items() if isinstance(value, plain))
