import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.rest import bodies
from tests.sandbox.rest.office import NOBODY

KINDS: dict[type[Any], dict[str, Any]] = {
    bodies.AgentCreate: {"name": "Ada"},
    bodies.AgentUpdate: {},
    bodies.NumberImport: {"phone_number": "+15005550006", "account_sid": "AC" + "0" * 32, "auth_token": "t"},
    bodies.NumberLabel: {"label": ""},
    bodies.TrunkCreate: {"pbx": "3cx"},
    bodies.TrunkUpdate: {},
    bodies.AssignmentCreate: {"agent_id": NOBODY},
    bodies.AssignmentUpdate: {},
    bodies.DialRequest: {},
    bodies.TokenRequest: {"agent_id": NOBODY},
}


def read(kind: type[Any], fields: object) -> Any:
    """Read a body of some fields."""
    return bodies.read(json.dumps(fields).encode(), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_required_fields_are_enough_and_each_is_needed(kind: type[Any]) -> None:
    """With them a body is taken, without one of them it is not."""
    read(kind, KINDS[kind])
    for name in KINDS[kind]:
        with pytest.raises(ValueError, match=f"missing required field `{name}`"):
            read(kind, {key: value for key, value in KINDS[kind].items() if key != name})


@pytest.mark.parametrize("kind", KINDS)
def test_only_where_the_contract_forbids_it_an_unknown_field_is_refused(kind: type[Any]) -> None:
    """The session token's body is strict, and so are the newest ones of dialling; the others are not."""
    fields = {**KINDS[kind], "colour": "red"}
    if kind in (bodies.TokenRequest, bodies.DialRequest):
        with pytest.raises(ValueError, match="unknown field `colour`"):
            read(kind, fields)
    else:
        assert "colour" not in bodies.plain(read(kind, fields))


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (bodies.AgentUpdate, {"name": None}),
        (bodies.AgentUpdate, {"status": "asleep"}),
        (bodies.AgentUpdate, {"keyterms": "one"}),
        (bodies.AgentUpdate, {"keyterms": [1]}),
        (bodies.AgentUpdate, {"phone_number_id": "7"}),
        (bodies.AgentUpdate, {"vad_settings": {"stop_secs": "1"}}),
        (bodies.AgentUpdate, {"timeout_settings": {"timeout_action": "sing"}}),
        (bodies.AgentUpdate, {"voice_settings": {"provider": "nobody"}}),
        (bodies.AgentUpdate, {"summarize_calls": 1}),
        (bodies.NumberImport, {"phone_number": "555"}),
        (bodies.NumberImport, {"account_sid": "SK" + "0" * 32}),
        (bodies.NumberImport, {"auth_token": ""}),
        (bodies.NumberLabel, {"label": None}),
        (bodies.TrunkCreate, {"pbx": "acme"}),
        (bodies.TrunkCreate, {"caller_id_transforms": None}),
        (bodies.TrunkCreate, {"caller_id_transforms": [{"type": "shout"}]}),
        (bodies.TrunkUpdate, {"inbound_auth_type": "password"}),
        (bodies.AssignmentCreate, {"number": None}),
        (bodies.AssignmentUpdate, {"number": 7}),
        (bodies.DialRequest, {"variables": [{"key": "a"}]}),
    ],
)
def test_wrong_type_is_refused_by_its_place(kind: type[Any], change: dict[str, Any]) -> None:
    """The error names the field."""
    [name] = change
    with pytest.raises(ValueError, match=rf"body: .*\$\.{name}"):
        read(kind, {**KINDS[kind], **change})


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (bodies.AgentUpdate, {"phone_number_id": None}),
        (bodies.TrunkUpdate, {"caller_id_transforms": None, "inbound_host": None, "register": None}),
        (bodies.AssignmentUpdate, {"number": None, "alternate_number": None}),
    ],
)
def test_null_clears_where_the_contract_says_so(kind: type[Any], change: dict[str, Any]) -> None:
    """Null is taken, and told apart from a field that is not there."""
    assert bodies.plain(read(kind, change)) == change
    assert bodies.plain(read(kind, {})) == {}


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({}, None),
        ({"llm": "openai/gpt-4.1", "fallback_llm": ""}, None),
        ({"llm": "acme/mind"}, "llm: 'acme/mind' is none of GET /v1/llms"),
        ({"default_language": "xx"}, "default_language: give one of multi, en"),
        ({"noise_cancel_settings": {"level": 101}}, "noise_cancel_settings.level: give 0 to 100"),
        ({"noise_cancel_settings": {"enabled": True}}, None),
        ({"voice_settings": {"id": "sandbox-ada", "provider": "elevenlabs", "speed": 2}}, None),
        ({"voice_settings": {"id": "sandbox-ada", "provider": "fish"}}, "must be those of a voice"),
        ({"voice_settings": {}}, "must be those of a voice"),
        (
            {"voice_settings": {"id": "sandbox-ada", "provider": "elevenlabs", "volume": 2.1}},
            "voice_settings.volume: give 0 to 2",
        ),
    ],
)
def test_prose_of_the_contract_is_checked(fields: dict[str, Any], fault: str | None) -> None:
    """Models, languages, voices and tuning must be ones there are."""
    found = bodies.faults(read(bodies.AgentUpdate, fields))
    assert (len(found), fault in " ".join(found)) == (1, True) if fault else found == []


@given(st.binary().filter(lambda body: not body.lstrip().startswith(b"{")))
def test_bytes_that_are_no_object_are_an_error_with_a_sentence(body: bytes) -> None:
    """Whatever comes, it is a ValueError that says where to look."""
    with pytest.raises(ValueError, match=r"^body: "):
        bodies.read(body, bodies.AgentCreate)


def test_secrets_are_not_shown() -> None:
    """Neither a Twilio token nor a SIP password is in a repr."""
    number = read(bodies.NumberImport, {**KINDS[bodies.NumberImport], "auth_token": "hush"})
    trunk = read(bodies.TrunkCreate, {"pbx": "3cx", "inbound_sip_password": "hush"})
    assert "hush" not in repr(number) + repr(trunk)


def test_variables_are_pairs() -> None:
    """Key and value, in order."""
    wanted = read(bodies.TokenRequest, {"agent_id": NOBODY, "variables": [{"key": "a", "value": "b"}]})
    assert wanted.given == (("a", "b"),)
    assert read(bodies.TokenRequest, {"agent_id": NOBODY}).given == ()
