"""How a call's row, agent and task become what the media session is made from."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.api.agents import NewAgent
from gateway.dialling.opening import call_info, dtmf_rules, first_message, opening_of, vatel_agent_id
from gateway.records import CallInfo, DtmfRule, Opening
from gateway.storage.rows import Task
from tests.dialling.exchange import ACCOUNT, CONFIG, TALKER
from tests.dialling.test_outcomes import row
from tests.tenants import CALLEE, OURS, agent, task

SID = "CA" + "1" * 32
DESK = agent("acme", system_prompt="Help {{customer_name}}.", starting_message="Hello {{ customer_name }}!")


def errand(**changes: Any) -> Task:
    """Return a task of the desk."""
    return task("acme", DESK.id, **changes)


def test_inbound_call_has_its_agents_texts() -> None:
    """The row says who calls whom; places that nobody fills stay."""
    call = row(call_sid=SID, agent_id=DESK.id)

    assert call_info(call, ACCOUNT, replace(DESK, record=True), None, CONFIG) == CallInfo(
        call_id=call.id,
        call_sid=SID,
        account_sid=ACCOUNT,
        caller_number=CALLEE,
        called_number=OURS,
        agent_id=TALKER,
        organization_id="acme",
        gateway_agent_id=DESK.id,
        record=True,
        opening=Opening(None, "Help {{customer_name}}.", "Hello {{ customer_name }}!"),
        dtmf_rules={"0": DtmfRule("hangup", 2.0)},
    )


def test_call_of_a_task_has_its_context() -> None:
    """The context fills the texts and is what the call gives to its tools."""
    info = call_info(row(call_sid=SID, direction="outbound"), ACCOUNT, DESK, errand(), CONFIG)

    assert info is not None
    assert (info.direction, info.context) == ("outbound", {"customer_name": "Ada"})
    assert info.opening == Opening(None, "Help Ada.", "Hello Ada!")


def test_call_without_an_agent_of_ours() -> None:
    """The settings' own agent begins as the agent platform has it."""
    info = call_info(row(call_sid=SID), ACCOUNT, None, None, CONFIG)

    assert info is not None
    assert (info.agent_id, info.gateway_agent_id, info.record, info.opening) == (TALKER, "", False, Opening())
    assert info.dtmf_rules == {}


def test_dtmf_rules_are_those_that_the_api_takes() -> None:
    """Each action with what it needs; the digits' secrets are in no repr."""
    given = {
        "0": {"action": "hangup"},
        "*9": {"action": "ignore", "inter_digit_timeout_ms": 500},
        "1": {"action": "transfer", "number": "+4930999"},
        "2": {"action": "webhook", "url": "https://example.com/keys"},
    }
    wanted = NewAgent.model_validate({"name": "Desk", "system_prompt": "Be kind.", "dtmf_rules": given})
    desk = replace(DESK, dtmf_rules=wanted.model_dump()["dtmf_rules"])

    assert dtmf_rules(desk) == {
        "0": DtmfRule("hangup", 2.0),
        "*9": DtmfRule("ignore", 0.5),
        "1": DtmfRule("transfer", 2.0, number="+4930999"),
        "2": DtmfRule("webhook", 2.0, url="https://example.com/keys"),
    }
    info = call_info(row(call_sid=SID), ACCOUNT, desk, errand(), CONFIG)
    assert info is not None
    assert info.dtmf_rules == dtmf_rules(desk)
    assert "example.com" not in repr(info)
    assert "4930999" not in repr(dtmf_rules(desk))


def test_nobody_to_talk_means_no_call() -> None:
    """Without a Vatel agent anywhere there is no call, nor without a SID."""
    nobody = replace(CONFIG, default_vatel_agent_id=None)

    assert call_info(row(call_sid=SID), ACCOUNT, DESK, None, nobody) is None
    assert call_info(row(call_sid=None), ACCOUNT, DESK, None, CONFIG) is None


@pytest.mark.parametrize(("own", "default", "found"), [("a", "b", "a"), (None, "b", "b"), (None, None, None)])
def test_the_agents_own_talker_comes_first(own: str | None, default: str | None, found: str | None) -> None:
    """Then the settings'."""
    config = replace(CONFIG, default_vatel_agent_id=default)

    assert vatel_agent_id(replace(DESK, vatel_agent_id=own), config) == found
    assert vatel_agent_id(None, config) == default


@pytest.mark.parametrize(
    ("of_agent", "of_task", "said"),
    [
        ("Hello.", "Good day, {{customer_name}}.", "Good day, Ada."),
        ("Hello.", "", ""),
        ("Hello.", None, "Hello."),
        (None, None, ""),
    ],
)
def test_the_tasks_first_words_win(of_agent: str | None, of_task: str | None, said: str) -> None:
    """Even when they are none; then the agent platform's own apply."""
    desk = replace(DESK, starting_message=of_agent)

    assert first_message(desk, errand(starting_message=of_task), CONFIG) == said
    assert opening_of(desk, errand(starting_message=of_task), CONFIG).first_message == (said or None)


def test_empty_prompt_leaves_the_platforms_own() -> None:
    """A version of the agent is asked for by name."""
    opening = opening_of(replace(DESK, system_prompt="", vatel_version_id="v7"), None, CONFIG)

    assert (opening.prompt, opening.vatel_version_id) == (None, "v7")


def test_variables_are_sent_where_they_are_wanted() -> None:
    """Text and numbers as text; lists and objects are left out; by default nothing is sent."""
    context = {"name": "Ada", "count": 3, "share": 0.5, "open": True, "tags": ["a"], "more": {}, "none": None}
    wanted = replace(CONFIG, with_variables=True)

    assert opening_of(DESK, errand(context_data=context), CONFIG).variables == ()
    assert opening_of(DESK, errand(context_data=context), wanted).variables == (
        ("name", "Ada"),
        ("count", "3"),
        ("share", "0.5"),
        ("open", "True"),
    )
    assert opening_of(DESK, None, wanted).variables == ()
