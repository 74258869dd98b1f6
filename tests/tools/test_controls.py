"""What the gateway's own tools may do to a call."""

from gateway.tools.controls import CallControls
from tests.tools.workshop import Controls


def test_tests_have_all_of_it() -> None:
    """The call that tests put in place of a real one can do all that a call can."""
    deeds = {name for name in vars(CallControls) if not name.startswith("_")}

    assert deeds == {"end", "heard_all", "transfer", "press", "hold", "facts"}
    assert deeds <= set(vars(Controls))
