"""Bodies into models, whatever the server's age."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vatel.decoding import decode, decode_agent, decode_agents, reader
from gateway.vatel.models import Agent, Call, CallPage, GraphVersion, GraphVersionDetail, Organization, Voice
from tests.vatel.golden_frames import json_values
from tests.vatel.rest_host import ID, example


def body(value: Any) -> bytes:
    """Return a value as a body."""
    return json.dumps(value).encode()


def test_every_answer_of_the_contract_is_decoded() -> None:
    """A call with every field has them all."""
    call = decode(body(example("getCall")), Call)

    assert call.id == ID
    assert call.transcript is not None
    assert call.transcript.entries[0].type == "interruption"


def test_unknown_fields_are_ignored() -> None:
    """A newer server may say more."""
    assert decode(body({"id": "a", "region": "eu"}), Organization) == Organization(id="a")


def test_words_nobody_knows_yet_are_kept() -> None:
    """Statuses and sources are not a closed set for a reader."""
    call = decode(body({"status": "on_hold", "source": "whatsapp"}), Call)

    assert (call.status, call.source) == ("on_hold", "whatsapp")


@pytest.mark.parametrize("kind", [Organization, Agent, Call, GraphVersion])
def test_everything_optional_may_be_missing(kind: type) -> None:
    """An empty object is an object."""
    assert decode(b"{}", kind) == kind()


def test_null_lists_are_empty_lists() -> None:
    """A Go server writes null for a list without elements."""
    call = decode(
        body({"id": "a", "tags": None, "extracted_variables": None, "transcript": {"entries": None}}), Call
    )

    assert (call.id, call.tags, call.extracted_variables) == ("a", (), ())
    assert call.transcript is not None
    assert call.transcript.entries == ()


def test_a_null_body_is_an_empty_list_or_object() -> None:
    """Also at the top."""
    assert decode(b"null", tuple[GraphVersion, ...]) == ()
    assert decode(b"null", Organization) == Organization()


def test_nulls_in_free_form_nodes_stay() -> None:
    """What Vatel leaves open is not touched."""
    detail = {"version": {"id": "a", "published_at": None}, "nodes": [{"when": None, "next": [None]}]}

    assert decode(body(detail), GraphVersionDetail).nodes == ({"when": None, "next": [None]},)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"", Organization),
        (b"{", Organization),
        (b"<html>", Organization),
        (b"\xff", Organization),
        (b'{"id":"\xff"}', Organization),
        (b"[]", Organization),
        (b"{}", tuple[GraphVersion, ...]),
        (b'{"id":5}', Organization),
        (b'{"calls":[]}', CallPage),
        (b"null", CallPage),
        (b'{"id":"a"}', Voice),
        (b'{"cost":NaN}', Call),
        (b'{"cost":1e999}', Call),
        (b"[" * 100_000, Organization),
        (b'{"x":' * 100_000, Organization),
    ],
)
def test_what_makes_no_sense_is_a_value_error(text: bytes, kind: type) -> None:
    """Broken JSON and wrong shapes raise one kind of error."""
    with pytest.raises(ValueError, match=r"\w"):
        decode(text, kind)


@pytest.mark.parametrize("kind", [Organization, Call, CallPage, GraphVersionDetail, tuple[Voice, ...]])
@given(value=json_values)
def test_any_json_is_decoded_or_a_value_error(kind: type, value: Any) -> None:
    """Nothing else escapes, whatever the server sends."""
    try:
        decode(body(value), kind)
    except ValueError as error:
        assert str(error)  # noqa: PT017 -- either outcome is right


@given(st.binary())
def test_any_bytes_are_agents_or_a_value_error(text: bytes) -> None:
    """The tolerant readers are as safe."""
    for read in (decode_agent, decode_agents):
        try:
            read(text)
        except ValueError as error:
            assert str(error)  # noqa: PT017 -- either outcome is right


@given(json_values)
def test_any_json_is_agents_or_a_value_error(value: Any) -> None:
    """Shapes nobody expected are named."""
    for read in (decode_agent, decode_agents):
        try:
            read(body(value))
        except ValueError as error:
            assert str(error)  # noqa: PT017 -- either outcome is right


def test_a_reader_decodes_its_kind() -> None:
    """The function made is the function meant."""
    assert reader(Organization)(b'{"id":"a"}') == Organization(id="a")


@pytest.mark.parametrize(
    "listed", [[{"id": "a"}, {"id": "b"}], {"agents": [{"id": "a"}, {"id": "b"}]}], ids=["bare", "wrapped"]
)
def test_agents_come_bare_or_wrapped(listed: Any) -> None:
    """The full-stack demo accepts both (vatel.md 1.1)."""
    assert [agent.id for agent in decode_agents(body(listed))] == ["a", "b"]


@pytest.mark.parametrize("listed", [b"[]", b"null", b'{"agents":[]}', b'{"agents":null}', b"{}"])
def test_no_agents_are_no_agents(listed: bytes) -> None:
    """Every way to have none is read."""
    assert decode_agents(listed) == ()


@pytest.mark.parametrize(
    "listed", [b'"agents"', b"5", b"[5]", b"[[]]", b'{"agents":{}}', b'{"agents":["a"]}']
)
def test_what_is_no_list_of_agents_is_refused(listed: bytes) -> None:
    """A list of something else is named."""
    with pytest.raises(ValueError, match=r"expected"):
        decode_agents(listed)


def test_timeouts_in_camel_case_are_read() -> None:
    """The server's casing changed once; both are the same settings."""
    older = {
        "defaultTimeout": 30,
        "timeoutAction": "transfer_call",
        "transferNumber": "+331",
        "transferMessage": "One moment",
        "silenceCounter": 3,
        "silenceTimeoutAction": "end_call",
        "silenceTransferNumber": "+332",
        "silenceTransferMessage": "Bye",
    }
    settings = decode_agent(body({"timeout_settings": older})).timeout_settings

    assert settings is not None
    assert msgspec.structs.astuple(settings) == (
        30,
        "transfer_call",
        "+331",
        "One moment",
        3,
        "end_call",
        "+332",
        "Bye",
    )


def test_present_names_win_over_older_ones() -> None:
    """Where both are there, the contract's own counts."""
    agent = {
        "timeout_settings": {"default_timeout": 10, "defaultTimeout": 30},
        "vad_settings": {"starting_secs": 1, "start_secs": 0.2, "stopping_secs": 0.9},
    }
    decoded = decode_agent(body(agent))

    assert decoded.timeout_settings is not None
    assert decoded.timeout_settings.default_timeout == 10
    assert decoded.vad_settings is not None
    assert (decoded.vad_settings.start_secs, decoded.vad_settings.stop_secs) == (0.2, 0.9)


def test_the_older_name_of_the_voices_provider_is_read() -> None:
    """`tts_strategy` is the provider, unless the voice settings name one."""
    alone = decode_agent(body({"tts_strategy": "hume"})).voice_settings
    beside = decode_agent(
        body({"tts_strategy": "hume", "voice_settings": {"provider": "openai"}})
    ).voice_settings

    assert alone is not None
    assert alone.provider == "hume"
    assert beside is not None
    assert beside.provider == "openai"


def test_null_settings_of_an_agent_are_none() -> None:
    """An agent without settings, number or terms is an agent."""
    agent = {
        "id": "a",
        "phone_number_id": None,
        "vad_settings": None,
        "keyterms": None,
        "timeout_settings": None,
    }

    assert decode_agent(body(agent)) == Agent(id="a")
