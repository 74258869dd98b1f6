"""What Schemathesis checks beyond its own checks; it loads this file itself (see ``fuzzed_api``)."""

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, GenerationMode, Response

# What a schema cannot say: which zones there are, how far a date may lie, what an agent's texts ask for, and
# that numbers anywhere in a body must fit 64 bits.
UNSAID = {"body", "time_zone", "context_data", "scheduled_at", "since", "until", "at"}


@schemathesis.check
def valid_data_is_not_called_invalid(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """A request that fits the description is not refused for a field that does not fit."""
    positive = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if response.status_code != 400 or not positive:
        return
    details = response.json()["details"]
    if details["reason"] == "validation":
        assert set(details["fields"]) <= UNSAID, f"valid data refused: {details}"
