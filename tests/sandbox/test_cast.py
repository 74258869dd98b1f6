from gateway.sandbox.cast import role_of
from gateway.sandbox.catalog import standard
from gateway.sandbox.documents import agent
from gateway.sandbox.talker import Talker, conversation

GREETER = next(entry for entry in standard() if entry.name == "greeter")
AT = "2026-11-26T00:00:00.000000Z"


def test_agent_with_a_script_keeps_to_it() -> None:
    """As long as nobody changed it, its first message is the script's own affair."""
    role = role_of(GREETER, agent("a", GREETER.fields(), AT))
    assert (role.name, role.script, role.first_message) == ("greeter", GREETER.script, None)


def test_first_message_that_was_changed_by_rest_is_said() -> None:
    """What PATCH says goes, for agents with a script too."""
    fields = {**GREETER.fields(), "first_message": "Bonjour."}
    assert role_of(GREETER, agent("a", fields, AT)).first_message == "Bonjour."


def test_agent_made_by_rest_converses() -> None:
    """It says its first message, and then makes small talk; an empty one lets the caller begin."""
    role = role_of(None, agent("a", {"name": "Ada", "first_message": "Hi."}, AT))
    assert (role.name, role.first_message) == ("Ada", "Hi.")
    assert role.script == Talker(scenario=conversation())
    assert role_of(None, agent("a", {"name": "Ada", "first_message": ""}, AT)).first_message is None
