"""How a call ended that no node hosts: what Twilio's last word on it means for its row. PURE."""

from gateway.records import Ending, Reason, Result
from gateway.storage.rows import Call

FINAL_RANK = 4
"""The rank (see ``calls.PHONE_RANKS``) of the statuses that none follows."""

_UNANSWERED = {"busy": "busy", "no-answer": "no_answer", "failed": "failed", "canceled": "canceled"}
STOPPED = Ending(Result.FAILED, Reason.OPERATOR_ENDED, "before_the_talk")
"""Of a call that somebody ended before anybody talked."""
LEFT_MESSAGE = Ending(Result.COMPLETED, Reason.MACHINE_ANSWERED, "message_left")
"""Of a call whose words are being said to a machine."""

_NEVER_TALKED = Ending(Result.FAILED, Reason.CALLER_LOST, "never_came")
_TALKED = Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP, "status_callback")
_ENDED_TALKING = Ending(Result.COMPLETED, Reason.OPERATOR_ENDED, "status_callback")


def unanswered(call: Call, status: str) -> Ending | None:
    """Return the ending of a call that was never answered; None for any other status.

    Nobody else can know more of such a call, so that it may be ended as soon as Twilio says so.
    """
    detail = _UNANSWERED.get(status)
    if detail is None:
        return None
    return STOPPED if call.stop_asked_at else Ending(Result.FAILED, Reason.NOT_ANSWERED, detail)


def over(call: Call, status: str) -> Ending | None:
    """Return the ending of a call that Twilio says is over and no node holds; None while it goes on."""
    if status != "completed":
        return unanswered(call, status)
    if call.status == "in_progress":
        return _ENDED_TALKING if call.stop_asked_at else _TALKED
    return STOPPED if call.stop_asked_at else _NEVER_TALKED


def not_placed(detail: str) -> Ending:
    """Return the ending of a call that was never dialled."""
    return Ending(Result.FAILED, Reason.NOT_PLACED, detail)


def met_machine(answered_by: str) -> Ending:
    """Return the ending of a call that was not meant for a machine."""
    return Ending(Result.FAILED, Reason.MACHINE_ANSWERED, answered_by)
