import pytest

from gateway.errors import ConfigError
from gateway.sandbox.scenario import Grammar, Scenario, load, packaged

SMALL = """
name = "small"

[grammar.yes_or_no]
jsgf = "yes [please] | no"
slot = "choice"
default = "no"
words = { yes = true, "yes please" = true, no = false }

[[step]]
id = "ask"
say = "Shall I?"
listen = "yes_or_no"
branch = { True = "do", False = "bye" }

[[step]]
id = "do"
say = "You said {choice}."

[step.tool]
name = "act"
failed = "It failed."
arguments = [{ name = "sure", slot = "choice", data_type = "boolean" }]

[[step]]
id = "bye"
say = "{act} Bye."
"""


def small() -> Scenario:
    """Return the scenario above."""
    return load(SMALL)


def test_file_becomes_steps_in_order() -> None:
    """Steps, their tool and their grammar read back as written."""
    scenario = small()
    assert [step.id for step in scenario.step] == ["ask", "do", "bye"]
    tool = scenario.find("do").tool
    assert tool is not None
    assert (tool.name, tool.arguments[0].data_type) == ("act", "boolean")
    assert (scenario.retries, scenario.listen_s) == (2, 6.0)


@pytest.mark.parametrize(("value", "target"), [(True, "do"), (False, "bye")])
def test_answer_decides_where_to_go(value: bool, target: str) -> None:
    """The value of the answer chooses the branch."""
    scenario = small()
    following = scenario.after(scenario.find("ask"), value)
    assert following is not None
    assert following.id == target


def test_without_a_branch_the_file_goes_on() -> None:
    """The next step is the next in the file, and after the last comes the end."""
    scenario = small()
    assert scenario.after(scenario.find("do"), None) == scenario.find("bye")
    assert scenario.after(scenario.find("bye"), None) is None


@pytest.mark.parametrize(
    ("said", "phrase"),
    [
        ("yes", "yes"),
        ("yes please", "yes please"),
        ("well yes please do", "yes please"),
        ("no", "no"),
        ("nothing", None),
        ("eyes", None),
    ],
)
def test_longest_deciding_phrase_counts_whole_words_only(said: str, phrase: str | None) -> None:
    """A phrase is found between other words, never inside one."""
    assert small().grammar["yes_or_no"].find(said) == phrase


def test_grammar_without_a_slot_takes_anything_it_understands() -> None:
    """Where no answer is kept, every sentence of the grammar is one."""
    assert Grammar(jsgf="good bye").find("good bye") == "good bye"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('listen = "yes_or_no"', 'listen = "maybe"', "step ask: no grammar 'maybe'"),
        ('"bye" }', '"nowhere" }', "step ask: no step 'nowhere' to go to"),
        ('default = "no"', 'default = "perhaps"', "grammar yes_or_no: its default is none of its words"),
        ('id = "do"', 'id = "bye"', "step bye: there are two of this id"),
        ("You said {choice}", "You said {voice}", "step do: nothing fills 'voice'"),
        ('slot = "choice", data', 'slot = "size", data', "step do: nothing fills 'size'"),
        ('failed = "It failed."', 'failed = "No {luck}."', "step do: nothing fills 'luck'"),
        ('say = "Shall I?"', 'sya = "Shall I?"', "unknown field `sya`"),
        ('name = "small"', "name = 3", "Expected `str`, got `int`"),
        ('name = "small"', "name =", "scenario: "),
    ],
)
def test_fault_in_the_file_is_named(old: str, new: str, message: str) -> None:
    """The error says which step or grammar, and what is wrong with it."""
    with pytest.raises(ConfigError, match=message) as caught:
        load(SMALL.replace(old, new, 1))
    assert caught.value.reason == "bad_scenario"


def test_every_fault_is_listed_at_once() -> None:
    """One error lists all that a person has to mend."""
    broken = SMALL.replace('default = "no"', 'default = "hm"').replace('listen = "yes_or_no"', 'listen = "x"')
    with pytest.raises(ConfigError) as caught:
        load(broken)
    assert str(caught.value).count("\n") == 1


def test_scenario_without_steps_is_refused() -> None:
    """There is nothing to say in it."""
    with pytest.raises(ConfigError, match="there is no step"):
        load('name = "empty"\nstep = []\n[grammar]\n')


def test_lines_without_a_gap_to_fill_are_known_beforehand() -> None:
    """What depends on an answer is no fixed line, what is said when nothing was understood is one."""
    assert load(SMALL).fixed_lines == ("Sorry, I did not catch that.", "Shall I?")


def test_packaged_scenarios_are_read_once() -> None:
    """Both that come with the package are good, and the same object each time."""
    assert packaged("table_booking").name == "table_booking"
    assert packaged("conversation") is packaged("conversation")


def test_what_is_expected_must_decide() -> None:
    """An agent without ears would never get on by words that mean nothing."""
    text = """
name = "n"
[grammar.g]
jsgf = "yes | no"
slot = "s"
default = "yes"
expected = "perhaps"
words = { yes = true, no = false }
[[step]]
id = "a"
"""
    with pytest.raises(ConfigError, match="grammar g: what it expects has none of its words"):
        load(text)
