"""The envelope and the refusals in it."""

from datetime import timedelta, timezone

from gateway.api.envelope import (
    Refusal,
    failure,
    forbidden,
    invalid,
    iso,
    not_found,
    success,
    unavailable,
    wrong_state,
)
from tests.tenants import NOW


def test_success_says_what_when_and_which() -> None:
    """The data, the moment in UTC with milliseconds, the request."""
    assert success({"a": 1}, "r1", NOW) == {
        "success": True,
        "data": {"a": 1},
        "meta": {"timestamp": "2026-11-26T12:00:00.123Z", "request_id": "r1"},
    }


def test_failure_says_why() -> None:
    """The message for people, the details for programs."""
    refusal = Refusal(418, "No coffee.", reason="teapot", size=3)

    assert failure(refusal, "r1", NOW) == {
        "success": False,
        "error": "No coffee.",
        "details": {"reason": "teapot", "size": 3},
        "meta": {"timestamp": "2026-11-26T12:00:00.123Z", "request_id": "r1"},
    }


def test_moments_are_told_in_utc() -> None:
    """Whatever zone they come in."""
    assert iso(NOW.astimezone(timezone(timedelta(hours=-5)))) == "2026-11-26T12:00:00.123Z"


def test_refusals_have_their_statuses() -> None:
    """Each kind has one status and a reason."""
    made = [
        not_found("task"),
        invalid({"to_number": "is no number", "name": "is missing"}),
        wrong_state("It is over.", "not_live"),
        forbidden("Not with this key.", "scope", scope="write"),
        unavailable("Twilio failed.", "twilio", 5.0),
    ]

    assert [(one.status, one.details["reason"]) for one in made] == [
        (404, "not_found"),
        (400, "validation"),
        (400, "not_live"),
        (403, "scope"),
        (503, "twilio"),
    ]
    assert made[1].message == "to_number: is no number"
    assert made[1].details["field"] == "to_number"
    assert made[1].details["fields"] == {"to_number": "is no number", "name": "is missing"}
    assert made[3].details["scope"] == "write"
    assert made[4].retry_after_s == 5.0
    assert str(made[0]) == "There is no such task."
