"""What Twilio's last word means for a call's row."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from gateway.dialling.outcomes import STOPPED, met_machine, not_placed, over, unanswered
from gateway.records import Ending, Reason, Result
from gateway.storage.calls import begun
from gateway.storage.rows import Call, read
from tests.tenants import NOW, new_call

ABSENT = dict.fromkeys(
    (
        *("vatel_session_id", "result", "reason", "answered_by", "lease_until", "asked_at", "ringing_at"),
        *("answered_at", "agent_joined_at", "stop_asked_at", "ended_at", "erased_at"),
    )
)


def row(**changes: Any) -> Call:
    """Return the row of a call."""
    return read(Call, begun(new_call("acme")) | ABSENT | {"phone_rank": -1, "fence": 0} | changes)


def failed(reason: Reason, detail: str) -> Ending:
    """Return an ending."""
    return Ending(Result.FAILED, reason, detail)


@pytest.mark.parametrize(
    ("status", "stopped_at", "ending"),
    [
        ("busy", None, failed(Reason.NOT_ANSWERED, "busy")),
        ("no-answer", None, failed(Reason.NOT_ANSWERED, "no_answer")),
        ("failed", None, failed(Reason.NOT_ANSWERED, "failed")),
        ("canceled", None, failed(Reason.NOT_ANSWERED, "canceled")),
        ("canceled", NOW, STOPPED),
        ("no-answer", NOW, STOPPED),
        ("completed", None, None),
        ("completed", NOW, None),
        ("ringing", None, None),
        ("nonsense", None, None),
    ],
)
def test_who_did_not_answer_is_known_from_the_status_alone(
    status: str, stopped_at: datetime | None, ending: Ending | None
) -> None:
    """Each of Twilio's words has its ending; somebody's wish to end the call comes first."""
    assert unanswered(row(stop_asked_at=stopped_at), status) == ending


@pytest.mark.parametrize(
    ("row_status", "status", "stopped_at", "ending"),
    [
        ("initiated", "completed", None, failed(Reason.CALLER_LOST, "never_came")),
        ("initiated", "completed", NOW, STOPPED),
        (
            *("in_progress", "completed", None),
            Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP, "status_callback"),
        ),
        (
            *("in_progress", "completed", NOW),
            Ending(Result.COMPLETED, Reason.OPERATOR_ENDED, "status_callback"),
        ),
        ("initiated", "busy", None, failed(Reason.NOT_ANSWERED, "busy")),
        ("initiated", "in-progress", None, None),
        ("in_progress", "in-progress", None, None),
    ],
)
def test_call_that_is_over_ends_by_how_far_it_came(
    row_status: str, status: str, stopped_at: datetime | None, ending: Ending | None
) -> None:
    """A completed call whose talk began was a success; one without a talk was not."""
    assert over(row(status=row_status, stop_asked_at=stopped_at), status) == ending


def test_details_narrow_the_rest() -> None:
    """Why a call was not dialled, and what machine picked up."""
    assert str(not_placed("blocked_quiet_hours")) == "failed/not_placed (blocked_quiet_hours)"
    assert str(met_machine("machine_start")) == "failed/machine_answered (machine_start)"
    assert replace(STOPPED, detail="") == Ending(Result.FAILED, Reason.OPERATOR_ENDED)
