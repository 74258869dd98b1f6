"""The models: unset is not sent, secrets are not shown."""

import msgspec
import pytest

from gateway.vatel import models
from gateway.vatel.models import (
    AgentChange,
    CallPage,
    CallQuery,
    SessionToken,
    SipTrunkChange,
    TimeoutSettings,
    VoiceSettings,
)
from tests.vatel.rest_host import CONTRACT

STRUCTS = [
    kind
    for kind in vars(models).values()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct
]


def body_fields(operation_id: str) -> set[str]:
    """Return the fields the contract allows in a body."""
    operation = next(entry for entry in CONTRACT if entry["operation"] == operation_id)
    return set(operation["body"]["properties"])


def test_what_is_unset_is_not_written() -> None:
    """A change nobody made is an empty object."""
    assert msgspec.json.encode(AgentChange()) == b"{}"
    assert msgspec.json.encode(SipTrunkChange()) == b"{}"


def test_none_is_written_as_null() -> None:
    """Clearing is not the same as leaving alone."""
    assert msgspec.json.encode(AgentChange(phone_number_id=None)) == b'{"phone_number_id":null}'
    assert msgspec.json.encode(SipTrunkChange(inbound_host=None)) == b'{"inbound_host":null}'


def test_settings_inside_are_partial_too() -> None:
    """vad_settings merges on the server: only what is set goes out."""
    change = AgentChange(voice_settings=VoiceSettings(speed=1.1), timeout_settings=TimeoutSettings())

    assert msgspec.json.encode(change) == b'{"timeout_settings":{},"voice_settings":{"speed":1.1}}'


@pytest.mark.parametrize(
    ("kind", "operation_id"),
    [
        (AgentChange, "createAgent"),
        (AgentChange, "patchAgent"),
        (SipTrunkChange, "createSipTrunk"),
        (SipTrunkChange, "patchSipTrunk"),
    ],
)
def test_changes_have_the_fields_of_the_contract(kind: type[msgspec.Struct], operation_id: str) -> None:
    """No field is missing and none is invented."""
    assert set(kind.__struct_fields__) == body_fields(operation_id)


def test_a_token_is_not_shown() -> None:
    """Neither token is in the repr, so neither is in a log."""
    shown = repr(SessionToken(token="eyJhbGci", webrtc_token="eyJtZWRpYQ", room="r"))

    assert "eyJ" not in shown
    assert shown == "SessionToken(room='r', ...)"


def test_passwords_of_a_trunk_are_not_shown() -> None:
    """A change that rotates a secret does not print it."""
    change = SipTrunkChange(pbx="3cx", inbound_sip_password="hush", outbound_sip_password="hush")

    assert "hush" not in repr(change) + str(change)


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (SessionToken(token="session", webrtc_token="media"), "media"),
        (SessionToken(token="media"), "media"),
        (SessionToken(token="media", webrtc_token=""), "media"),
    ],
)
def test_the_media_token_of_either_age_is_found(token: SessionToken, expected: str) -> None:
    """`webrtc_token ?? token`, as the JS demo reads it."""
    assert token.media_token == expected


def test_a_query_of_nothing_has_no_parameters() -> None:
    """Defaults are the server's business."""
    assert CallQuery().parameters() == {}


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        (CallQuery(page=1), {"page": "1"}),
        (CallQuery(outbound=True), {"outbound": "true"}),
        (CallQuery(outbound=False), {"outbound": "false"}),
        (CallQuery(agent_ids=("a",)), {"agent_ids": "a"}),
        (CallQuery(agent_ids=("a", "b")), {"agent_ids": "a,b"}),
        (CallQuery(search=""), {"search": ""}),
    ],
)
def test_a_query_is_written_as_the_server_reads_it(query: CallQuery, parameters: dict[str, str]) -> None:
    """Numbers, truth and lists become text."""
    assert query.parameters() == parameters


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_models_are_values(kind: type[msgspec.Struct]) -> None:
    """Every model is frozen and says what it is."""
    assert kind.__struct_config__.frozen
    assert (kind.__doc__ or "").strip().endswith(".")


@pytest.mark.parametrize("kind", STRUCTS, ids=lambda kind: kind.__name__)
def test_models_ignore_what_they_do_not_know(kind: type[msgspec.Struct]) -> None:
    """A newer server's fields do no harm."""
    assert not kind.__struct_config__.forbid_unknown_fields


def test_a_page_needs_its_pagination() -> None:
    """Without it nobody knows whether there is more."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"calls":[]}', type=CallPage)


def test_unset_is_msgspecs_own() -> None:
    """Callers can compare with the one marker there is."""
    assert AgentChange().prompt is msgspec.UNSET
