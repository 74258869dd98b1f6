"""Calls as forms and as answers: what is sent, and what is read of anything that comes back."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.twilio.calls import CallResource, NewCall, form, parse_call, parse_calls

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
CALL_SID = "CA" + "1" * 32
# The answer of Twilio's documents, shortened to one of each kind of field.
DOCUMENTED = {
    "account_sid": "AC" + "0" * 32,
    "annotation": None,
    "answered_by": "human",
    "api_version": "2010-04-01",
    "date_created": "Tue, 31 Aug 2010 20:36:28 +0000",
    "direction": "outbound-api",
    "duration": "15",
    "end_time": "Tue, 31 Aug 2010 20:36:44 +0000",
    "from": "+15550100",
    "from_formatted": "(555) 0100",
    "parent_call_sid": None,
    "price": "-0.03000",
    "queue_time": "1000",
    "sid": CALL_SID,
    "start_time": "Tue, 31 Aug 2010 20:36:29 +0000",
    "status": "completed",
    "subresource_uris": {"notifications": "/2010-04-01/x.json"},
    "to": "+15550101",
}


def test_new_call_sends_only_what_is_set() -> None:
    """The smallest call is three fields."""
    assert NewCall("+1", "+2", url="https://gw.example.com/v").form() == [
        ("To", "+1"),
        ("From", "+2"),
        ("Url", "https://gw.example.com/v"),
    ]


def test_new_call_repeats_the_key_of_its_events() -> None:
    """Each event of the status callback has a key of its own."""
    call = NewCall(
        "+1", "+2", twiml="<Response/>", status_callback="https://x", events=("ringing", "completed")
    )
    assert call.form()[-3:] == [
        ("StatusCallback", "https://x"),
        ("StatusCallbackEvent", "ringing"),
        ("StatusCallbackEvent", "completed"),
    ]


def test_new_call_writes_every_field_under_twilios_name() -> None:
    """Numbers become text; detection is asynchronous, so that it never holds the audio back."""
    call = NewCall(
        "+1",
        "+2",
        url="u",
        fallback_url="f",
        ring_timeout_s=30,
        time_limit_s=600,
        send_digits="1w2",
        machine_detection="DetectMessageEnd",
        machine_detection_callback="m",
        more={"CallReason": "booking"},
    )
    assert dict(call.form()) == {
        "To": "+1",
        "From": "+2",
        "Url": "u",
        "FallbackUrl": "f",
        "Timeout": "30",
        "TimeLimit": "600",
        "SendDigits": "1w2",
        "MachineDetection": "DetectMessageEnd",
        "AsyncAmd": "true",
        "AsyncAmdStatusCallback": "m",
        "CallReason": "booking",
    }


def test_new_call_without_detection_asks_for_no_callback_of_it() -> None:
    """The callback of a detection that is off is not sent."""
    assert "AsyncAmdStatusCallback" not in dict(
        NewCall("+1", "+2", url="u", machine_detection_callback="m").form()
    )


@pytest.mark.parametrize("wrong", [NewCall("+1", "+2"), NewCall("+1", "+2", url="u", twiml="t")])
def test_new_call_needs_exactly_one_source_of_twiml(wrong: NewCall) -> None:
    """Neither or both is a mistake that is found before Twilio is asked."""
    with pytest.raises(ValueError, match="either url or twiml"):
        wrong.form()


def test_new_call_refuses_more_twiml_than_twilio_takes() -> None:
    """Four thousand characters pass, one more does not."""
    assert NewCall("+1", "+2", twiml="x" * 4_000).form()
    with pytest.raises(ValueError, match="4000"):
        NewCall("+1", "+2", twiml="x" * 4_001).form()


def test_numbers_stay_out_of_reprs() -> None:
    """Neither side's number is printed by accident."""
    call = parse_call(json.dumps(DOCUMENTED).encode())
    assert "+1555" not in repr(call)
    assert "+1555" not in repr(NewCall("+15550100", "+15550101", url="u", send_digits="+1555"))


def test_form_leaves_out_what_is_none() -> None:
    """Zero and the empty text are values, None is not."""
    assert form(A=None, B=0, C="") == [("B", "0"), ("C", "")]


def test_documented_call_is_read() -> None:
    """The answer of Twilio's documents gives every field."""
    assert parse_call(json.dumps(DOCUMENTED).encode()) == CallResource(
        sid=CALL_SID,
        status="completed",
        direction="outbound-api",
        to_number="+15550101",
        from_number="+15550100",
        duration_s=15,
        answered_by="human",
        date_created="Tue, 31 Aug 2010 20:36:28 +0000",
        start_time="Tue, 31 Aug 2010 20:36:29 +0000",
        end_time="Tue, 31 Aug 2010 20:36:44 +0000",
    )


@pytest.mark.parametrize("duration", [None, 15, "", "-1", "1.5", "9" * 10, "9" * 5_000, "١", {}])
def test_duration_of_another_kind_is_none(duration: object) -> None:
    """Only a plain text of digits is a duration."""
    call = parse_call(json.dumps({"sid": CALL_SID, "duration": duration}).encode())
    assert call == CallResource(CALL_SID)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b"7",
        b"{}",
        b'{"sid":null}',
        b'{"sid":""}',
        b"\xff",
        b'{"sid":"CA',
        b"[" * 99_999,
    ],
)
def test_body_that_is_no_call_is_none(body: bytes) -> None:
    """Empty, foreign and broken bodies are told from calls."""
    assert parse_call(body) is None


@given(st.dictionaries(st.sampled_from([*DOCUMENTED, "x"]), json_values))
def test_any_object_is_read_or_none(seen: dict[str, object]) -> None:
    """Fields of another type than documented count as missing."""
    call = parse_call(json.dumps(seen).encode())
    sid = seen.get("sid")
    assert (call is not None) == (isinstance(sid, str) and sid != "")
    if call is not None:
        assert call.status == (seen["status"] if isinstance(seen.get("status"), str) else "")


def test_list_of_calls_is_read() -> None:
    """In Twilio's order; what is no call is left out."""
    listed = [DOCUMENTED, {"sid": "CA2"}, {"status": "queued"}, "CA3", None]
    body = json.dumps({"calls": listed, "page": 0, "next_page_uri": None}).encode()

    assert [call.sid for call in parse_calls(body) or []] == [CALL_SID, "CA2"]
    assert parse_calls(b'{"calls":[]}') == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"calls":{}}', b'{"calls":null}', b"\xff", b"[" * 9_000]
)
def test_body_that_is_no_list_of_calls_is_none(body: bytes) -> None:
    """Told from a list that is empty: then there may well be calls."""
    assert parse_calls(body) is None


@given(st.dictionaries(st.text(max_size=3), json_values, max_size=3), json_values)
def test_any_list_is_read_or_none(seen: dict[str, object], calls: object) -> None:
    """Whatever stands in the list, reading it never raises."""
    found = parse_calls(json.dumps(seen | {"calls": calls}).encode())

    assert found is None or all(call.sid for call in found)


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("Tue, 31 Aug 2010 20:36:28 +0000", datetime(2010, 8, 31, 20, 36, 28, tzinfo=UTC)),
        ("Tue, 31 Aug 2010 22:36:28 +0200", datetime(2010, 8, 31, 20, 36, 28, tzinfo=UTC)),
        ("Tue, 31 Aug 2010 20:36:28 -0000", datetime(2010, 8, 31, 20, 36, 28, tzinfo=UTC)),
        ("", None),
        ("yesterday", None),
        ("Tue, 31 Feb 2010 20:36:28 +0000", None),
    ],
)
def test_time_of_creation_is_understood_or_none(written: str, moment: datetime | None) -> None:
    """Twilio's dates, always with a zone."""
    created_at = CallResource(CALL_SID, date_created=written).created_at

    assert created_at == moment
    assert created_at is None or created_at.tzinfo is not None


@given(st.text(max_size=40))
def test_any_time_of_creation_is_understood_or_none(written: str) -> None:
    """Nothing that Twilio could write raises."""
    CallResource(CALL_SID, date_created=written).created_at  # noqa: B018  # that it returns is what is tested
