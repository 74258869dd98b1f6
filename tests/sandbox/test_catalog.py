from gateway.sandbox.catalog import numbered_id, standard
from gateway.sandbox.scripted import Echo


def test_ids_never_change() -> None:
    """People and configuration files know the agents by these ids."""
    assert {entry.name: str(entry.agent_id)[-2:] for entry in standard()} == {
        "echo": "01",
        "tone": "02",
        "greeter": "03",
        "tool_user": "04",
        "interrupter": "05",
        "burst": "06",
        "slow": "07",
        "rude": "08",
        "silent": "09",
        "table_booking": "10",
        "must_answer": "11",
    }


def test_ids_are_version_four() -> None:
    """The ids are uuids as Vatel's are, so that no client refuses them."""
    assert all(entry.agent_id.version == 4 for entry in standard())
    assert str(numbered_id(12)) == "00000000-0000-4000-8000-000000000012"


def test_agents_say_what_they_are_for() -> None:
    """Each has a line for people, and the echo is an echo."""
    assert all(entry.about for entry in standard())
    assert standard()[0].script == Echo()


def test_an_agent_is_shown_with_what_a_session_replaces() -> None:
    """Prompt and first message are there, so that a client can add to them before it replaces them."""
    greeter = next(entry for entry in standard() if entry.name == "greeter")

    assert greeter.fields() == {
        "name": "greeter",
        "prompt": "You are the greeter agent: says its first message, then listens.",
        "first_message": "Hello, this is the sandbox. How can I help you?",
    }


def test_an_agent_without_a_first_message_shows_an_empty_one() -> None:
    """The echo waits to be spoken to."""
    assert standard()[0].fields()["first_message"] == ""
