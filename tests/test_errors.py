"""The exception tree: as drawn in its docstring, each error with a reason that counters can read."""

import inspect
import re

import pytest

from gateway import errors
from gateway.errors import (
    AgentConnectError,
    ApiError,
    EgressError,
    GatewayError,
    ToolError,
    TwilioApiError,
    VatelApiError,
)

CLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and issubclass(value, GatewayError) and value.__module__ == errors.__name__
]
PLAIN = [one for one in CLASSES if not issubclass(one, ApiError | AgentConnectError | EgressError)]


def test_docstring_draws_the_tree() -> None:
    """The tree in the docstring names every error but the shared parent of the two APIs, and no other."""
    drawn = set(re.findall(r"\b\w+Error\b", errors.__doc__ or ""))

    assert drawn == {one.__name__ for one in CLASSES} - {"ApiError"}


@pytest.mark.parametrize("error", PLAIN)
def test_error_has_a_message_and_a_reason(error: type[GatewayError]) -> None:
    """The message is for people, the reason for counters; without one it is ``error``."""
    raised = error("the token is too long", reason="too_long")

    assert (str(raised), raised.reason) == ("the token is too long", "too_long")
    assert error("x").reason == "error"


@pytest.mark.parametrize("error", [TwilioApiError, VatelApiError])
def test_api_error_says_status_and_code(error: type[ApiError]) -> None:
    """An API's refusal keeps the HTTP status and the vendor's number; no answer at all is status 0."""
    refused = error("not found", reason="not_found", status=404, code=20404)
    silent = error("no answer", reason="timeout")

    assert (refused.reason, refused.status, refused.code) == ("not_found", 404, 20404)
    assert (silent.status, silent.code) == (0, None)


def test_connect_error_says_status() -> None:
    """A refused upgrade keeps its HTTP status."""
    assert AgentConnectError("x", reason="forbidden", status=403).status == 403
    assert AgentConnectError("x", reason="timeout").status == 0


@pytest.mark.parametrize("sent", [True, False])
def test_egress_error_says_whether_the_request_left(sent: bool) -> None:
    """Whoever may repeat a request learns whether the peer may have seen it."""
    error = EgressError("The host x hung up.", reason="reset", sent=sent)

    assert (str(error), error.reason, error.sent) == ("The host x hung up.", "reset", sent)


def test_faults_are_told_apart() -> None:
    """Whoever catches one side's errors does not catch the other's."""
    assert not issubclass(TwilioApiError, VatelApiError)
    assert not issubclass(ToolError, ApiError)
    assert all(issubclass(one, GatewayError) for one in CLASSES)
