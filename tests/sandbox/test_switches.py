import pytest

from gateway.errors import ConfigError
from gateway.sandbox.switches import Switches, with_switch
from gateway.vatel.messages import Dialect


def test_defaults_are_what_the_live_service_does() -> None:
    """Without a switch the sandbox sends null payloads, camelCase ids and an orderly end."""
    switches = Switches()
    assert switches.dialect == Dialect(empty="null", snake_case_tools=False, omit_is_final=False)
    assert (switches.ended_message, switches.close_code) == (True, 1000)


@pytest.mark.parametrize(
    ("assignment", "name", "value"),
    [
        ("empty=absent", "empty", "absent"),
        ("omit_is_final=true", "omit_is_final", True),
        ("ended_message=off", "ended_message", False),
        ("interim=No", "interim", False),
        ("close_code=1011", "close_code", 1011),
        ("pace=0", "pace", 0.0),
        ("chunk_ms= 20 ", "chunk_ms", 20),
    ],
)
def test_assignment_sets_one_switch(assignment: str, name: str, value: object) -> None:
    """A switch written as a person writes it has the type its field has."""
    changed = with_switch(Switches(), assignment)
    assert getattr(changed, name) == value
    assert type(getattr(changed, name)) is type(value)


def test_assignments_add_up() -> None:
    """A later switch leaves the earlier ones as they are."""
    switches = with_switch(with_switch(Switches(), "empty=object"), "snake_case_tools=1")
    assert switches.dialect == Dialect(empty="object", snake_case_tools=True)


def test_unknown_switch_is_answered_with_the_known_ones() -> None:
    """The error lists every switch there is."""
    with pytest.raises(ConfigError, match=r"no switch 'emtpy'; there are: empty, omit_is_final"):
        with_switch(Switches(), "emtpy=null")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("empty=none", "'none' is no value of null, object, absent"),
        ("interim=perhaps", "'perhaps' is no true or false"),
        ("close_code=soon", "'soon' is no whole number"),
        ("pace", "'' is no number"),
    ],
)
def test_value_that_does_not_fit_is_named(assignment: str, message: str) -> None:
    """The error says what the switch takes."""
    with pytest.raises(ConfigError, match=message):
        with_switch(Switches(), assignment)


@pytest.mark.parametrize("assignment", ["chunk_ms=0", "pace=-1"])
def test_impossible_delivery_is_refused(assignment: str) -> None:
    """No chunk is empty and no pace is negative."""
    with pytest.raises(ConfigError, match="must"):
        with_switch(Switches(), assignment)
