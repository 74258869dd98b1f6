"""The exception tree."""

import inspect
import re

import pytest

from gateway import errors
from gateway.errors import AgentConnectError, ApiError, ConfigError, GatewayError, VatelApiError

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, GatewayError)]


def test_tree_in_the_docstring_has_every_leaf() -> None:
    """Each error that is raised stands in the picture, and nothing else does."""
    drawn = set(re.findall(r"[├└]── (\w+)", errors.__doc__ or ""))
    leaves = {kind.__name__ for kind in ALL if not kind.__subclasses__()}

    assert drawn == leaves


@pytest.mark.parametrize("kind", ALL)
def test_every_error_carries_its_reason(kind: type[GatewayError]) -> None:
    """The slug is kept beside the sentence for people."""
    error = kind("it broke", reason="broken")

    assert (str(error), error.reason) == ("it broke", "broken")
    assert isinstance(error, GatewayError)


def test_reason_has_a_default() -> None:
    """An error raised without a slug still has one to count."""
    assert ConfigError("it broke").reason == "error"


def test_api_error_keeps_status_and_code() -> None:
    """What the vendor answered stays readable by programs."""
    error = VatelApiError("refused", reason="refused", status=402, code=7)

    assert (error.status, error.code) == (402, 7)
    assert (ApiError("gone", reason="no_answer").status, ApiError("gone", reason="x").code) == (0, None)


def test_connect_error_keeps_the_refused_upgrade() -> None:
    """A refused socket says with which status."""
    assert AgentConnectError("refused", reason="refused", status=401).status == 401
    assert AgentConnectError("timeout", reason="timeout").status == 0
