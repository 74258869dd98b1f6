from dataclasses import fields

import pytest

from gateway.errors import ConfigError
from gateway.sandbox.switches import _RANGES, Switches, with_switch
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
        ("close_code=none", "close_code", 1005),
        ("used_token=on", "used_token", True),
        (" token_ttl_s = 0 ", "token_ttl_s", 0.0),
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
        ("empty=none", "switch empty: 'none' is not what it takes; give one of null, object, absent"),
        ("interim=perhaps", "switch interim: 'perhaps' is not what it takes; give true or false"),
        (
            "close_code=soon",
            "switch close_code: 'soon' is not what it takes; give a whole number, "
            "1000 to 1003, 1005 to 1014, 3000 to 4999 or none",
        ),
        ("pace", "switch pace: has no value; give a number, 0 to 1000"),
        ("pace=", "switch pace: '' is not what it takes; give a number, 0 to 1000"),
        ("chunk_ms=2.5", "switch chunk_ms: '2.5' is not what it takes; give a whole number, 1 to 60000"),
        (
            "upgrade_status=99",
            "switch upgrade_status: 99 is out of range; give a whole number, 0, 100 to 599",
        ),
    ],
)
def test_value_that_does_not_fit_is_told_with_the_fix(assignment: str, message: str) -> None:
    """The error names the switch, what is wrong with its value, and what it takes."""
    with pytest.raises(ConfigError) as caught:
        with_switch(Switches(), assignment)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("chunk_ms", ["1", "60000"], ["0", "-1", "60001"]),
        ("pace", ["0", "1000"], ["-0.1", "nan", "inf", "-inf", "1e9"]),
        (
            "close_code",
            ["1000", "1003", "1005", "none", "1006", "1014", "3000", "4999"],
            ["0", "-1", "999", "1004", "1015", "2999", "5000", "65536"],
        ),
        ("upgrade_status", ["0", "100", "599"], ["-1", "1", "99", "600"]),
        ("token_status", ["0", "100", "599"], ["-1", "99", "600"]),
        ("started_delay_s", ["0", "600"], ["-1", "nan", "inf", "601"]),
        ("upgrade_delay_s", ["0", "600"], ["-1", "nan", "inf", "601"]),
        ("token_delay_s", ["0", "600"], ["-1", "nan", "inf", "601"]),
        ("token_ttl_s", ["0", "600"], ["-1", "nan", "inf", "601"]),
        ("leave_after_s", ["0", "600"], ["-1", "nan", "inf", "601"]),
        ("stall_after_s", ["0", "600"], ["-1", "nan", "inf", "601"]),
        ("stall_s", ["0", "600"], ["-1", "nan", "inf", "601"]),
        ("retry_after_s", ["0", "86400"], ["-1", "86401"]),
        ("share", ["0", "0.5", "1"], ["-0.1", "nan", "1.1"]),
        ("seed", ["0", "4294967295"], ["-1", "4294967296"]),
    ],
)
def test_every_number_has_its_range(name: str, inside: list[str], outside: list[str]) -> None:
    """The ends of each range are taken, what lies beyond is refused by the switch's name."""
    for text in inside:
        with_switch(Switches(), f"{name}={text}")
    for text in outside:
        with pytest.raises(ConfigError, match=f"switch {name}: .* is out of range; give a"):
            with_switch(Switches(), f"{name}={text}")


def test_no_number_is_without_a_range() -> None:
    """A new switch that is a number is not forgotten."""
    numbers = {
        field.name for field in fields(Switches) if type(getattr(Switches(), field.name)) in (int, float)
    }
    assert numbers == set(_RANGES)


def test_range_holds_for_code_too() -> None:
    """Switches made by a test are held to the same ranges as those on a command line."""
    with pytest.raises(ConfigError, match="switch close_code: 99999 is out of range"):
        Switches(close_code=99_999)
