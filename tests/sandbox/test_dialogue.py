import json
from collections.abc import Callable

import pytest

from gateway.sandbox.dialogue import Dialogue
from gateway.sandbox.scenario import load
from gateway.sandbox.talker import table_booking
from gateway.vatel.messages import Argument
from tests.sandbox.rehearsal import Cue

SCENARIO = """
name = "order"
no_match = "Pardon?"
retries = 1
listen_s = 5.0

[grammar.size]
jsgf = "small | large"
slot = "size"
default = "small"
words = { small = 1, large = 2 }

[[step]]
id = "hello"
say = "What size?"
listen = "size"

[[step]]
id = "order"
say = "One moment."

[step.tool]
name = "order"
failed = "We will send a {size} one."
wait_s = 3.0
arguments = [{ name = "size", slot = "size", data_type = "number", description = "How big." }]

[[step]]
id = "bye"
say = "{order} Bye."
"""


class Diary:
    """Writes down what the dialogue wants done."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.calls: list[tuple[str, tuple[Argument, ...]]] = []
        self.cues: list[tuple[float, Cue]] = []
        self.hung_up = False
        self.answers: dict[str, tuple[object, str]] = {}
        self.tags: list[str] = []

    def say(self, text: str, now: float) -> None:
        """Note a text."""
        self.said.append(text)

    def call_tool(self, name: str, arguments: tuple[Argument, ...]) -> None:
        """Note a call."""
        self.calls.append((name, arguments))

    def at(self, when: float, act: Callable[[float], None]) -> Cue:
        """Note a moment."""
        cue = Cue(act)
        self.cues.append((when, cue))
        return cue

    def learned(self, slot: str, value: object, phrase: str) -> None:
        """Note an answer."""
        self.answers[slot] = (value, phrase)

    def tag(self, tag: str) -> None:
        """Note a tag."""
        self.tags.append(tag)

    def hang_up(self) -> None:
        """Note the end."""
        self.hung_up = True

    def ring(self) -> None:
        """Let the newest moment come, if it is still asked for."""
        when, cue = self.cues.pop()
        if not cue.cancelled:
            cue.act(when)


def begin(first_message: str | None = None) -> tuple[Dialogue, Diary]:
    """Return a dialogue that has said its first sentence, and what it wanted done."""
    diary = Diary()
    dialogue = Dialogue(load(SCENARIO), diary, first_message=first_message)
    dialogue.on_start(0.0)
    return dialogue, diary


def test_whole_conversation_reads_aloud() -> None:
    """Question, answer, tool, result, end."""
    dialogue, diary = begin()
    dialogue.on_played(1.0)
    dialogue.on_caller_started(1.5)
    dialogue.on_heard("large", 2.5)
    dialogue.on_played(3.0)
    dialogue.on_tool_output("It is on its way.", 3.2)
    dialogue.on_played(5.0)
    assert diary.said == ["What size?", "One moment.", "It is on its way. Bye."]
    assert diary.calls == [("order", (Argument("size", "resolved", "number", "How big.", True, 2),))]
    assert diary.hung_up
    assert dialogue.phase == "done"


def test_first_message_of_the_session_replaces_the_scenarios() -> None:
    """The override is said as it is, braces and all, and the step goes on as written."""
    dialogue, diary = begin("Bonjour {you}")
    dialogue.on_played(1.0)
    assert diary.said == ["Bonjour {you}"]
    assert dialogue.phase == "listening"


def test_barge_in_counts_as_having_heard_the_question() -> None:
    """A caller who cuts in is listened to at once, and the end of the cut sentence changes nothing."""
    dialogue, diary = begin()
    dialogue.on_barge_in(0.5)
    assert dialogue.phase == "listening"
    dialogue.on_heard("small", 1.5)
    assert diary.said == ["What size?", "One moment."]


@pytest.mark.parametrize("said", [None, "medium"])
def test_what_was_not_understood_is_asked_again_then_assumed(said: str | None) -> None:
    """One retry is allowed; the second failure takes the default, so that the call goes on."""
    dialogue, diary = begin()
    dialogue.on_played(1.0)
    dialogue.on_heard(said, 2.0)
    assert diary.said[-1] == "Pardon?"
    dialogue.on_played(3.0)
    dialogue.on_heard(said, 4.0)
    dialogue.on_played(5.0)
    assert diary.calls[0][1][0].value == 1


def test_silence_is_asked_again_after_the_wait() -> None:
    """A caller who says nothing for five seconds is asked once more."""
    dialogue, diary = begin()
    dialogue.on_played(1.0)
    assert diary.cues[-1][0] == 6.0
    diary.ring()
    assert diary.said[-1] == "Pardon?"


def test_caller_who_speaks_is_not_hurried() -> None:
    """Once speech began the wait for it is off, however long the sentence takes."""
    dialogue, diary = begin()
    dialogue.on_played(1.0)
    dialogue.on_caller_started(5.9)
    diary.ring()
    assert diary.said == ["What size?"]
    assert dialogue.phase == "listening"


def test_words_while_nobody_listens_are_not_taken() -> None:
    """An utterance during the agent's own sentence or a tool's work is no answer."""
    dialogue, diary = begin()
    dialogue.on_heard("large", 0.5)
    assert dialogue.phase == "saying"
    dialogue.on_caller_started(0.6)
    dialogue.on_tool_output("nobody asked", 0.7)
    assert diary.said == ["What size?"]


def waiting_for_the_tool() -> tuple[Dialogue, Diary]:
    """Return a dialogue whose tool has been called."""
    dialogue, diary = begin()
    dialogue.on_played(1.0)
    dialogue.on_heard("small", 2.0)
    dialogue.on_played(3.0)
    assert dialogue.phase == "waiting"
    return dialogue, diary


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("Done.", "Done. Bye."),
        (json.dumps("Done."), "Done. Bye."),
        (json.dumps({"message": "Done."}), "Done. Bye."),
        (json.dumps({"result": "Done.", "say": "All done."}), "All done. Bye."),
        (json.dumps({"error": "timeout", "message": "stack trace"}), "We will send a small one. Bye."),
        (json.dumps({"status": 3}), "We will send a small one. Bye."),
        (json.dumps([1, 2]), "We will send a small one. Bye."),
        ("", "We will send a small one. Bye."),
        ("x" * 1_000, "We will send a small one. Bye."),
        ("[" * 100_000, "We will send a small one. Bye."),
    ],
)
def test_answer_of_a_tool_is_said_when_it_can_be(output: str, said: str) -> None:
    """Plain text, a JSON string and the usual fields are said; errors and data get the fallback."""
    dialogue, diary = waiting_for_the_tool()
    dialogue.on_tool_output(output, 3.5)
    assert diary.said[-1] == said


def test_tool_that_never_answers_does_not_hang_the_call() -> None:
    """After its wait the fallback is said, and a late answer is not."""
    dialogue, diary = waiting_for_the_tool()
    assert diary.cues[-1][0] == 6.0
    diary.ring()
    dialogue.on_tool_output("Too late.", 7.0)
    assert diary.said[-1] == "We will send a small one. Bye."


def test_answer_in_time_takes_the_deadline_away() -> None:
    """Once answered, the tool's deadline does nothing."""
    dialogue, diary = waiting_for_the_tool()
    dialogue.on_tool_output("Done.", 3.5)
    diary.ring()
    assert diary.said[-1] == "Done. Bye."
    assert dialogue.phase == "saying"


def test_grammar_is_that_of_the_step() -> None:
    """Between steps that want no answer there is none to understand by."""
    dialogue, _ = begin()
    assert dialogue.grammar is not None
    dialogue.on_played(1.0)
    dialogue.on_heard("small", 2.0)
    assert dialogue.grammar is None


def test_barge_in_on_a_sentence_before_a_tool_calls_the_tool() -> None:
    """A step that wants no answer goes on where it would have gone after its last word."""
    dialogue, diary = begin()
    dialogue.on_played(1.0)
    dialogue.on_heard("large", 2.0)
    dialogue.on_barge_in(2.5)
    assert dialogue.phase == "waiting"
    assert [name for name, _ in diary.calls] == ["order"]


def test_late_end_of_a_sentence_changes_nothing() -> None:
    """After the barge-in listens, or after the end, a played report is not taken."""
    dialogue, diary = begin()
    dialogue.on_barge_in(0.5)
    dialogue.on_played(1.0)
    assert dialogue.phase == "listening"
    dialogue.on_heard("small", 2.0)
    dialogue.on_played(3.0)
    dialogue.on_tool_output("Done.", 3.5)
    dialogue.on_played(5.0)
    dialogue.on_played(6.0)
    dialogue.on_heard("small", 7.0)
    assert (dialogue.phase, diary.hung_up) == ("done", True)
    assert diary.said[-1] == "Done. Bye."


def test_branches_lead_to_different_sentences() -> None:
    """The packaged scenario answers each question in its own words, then says goodbye."""
    for topic, answer in (
        ("parking", "Yes, you can park"),
        ("a garden", "Yes, we have"),
        ("dogs", "Dogs are"),
    ):
        diary = Diary()
        dialogue = Dialogue(table_booking(), diary)
        dialogue.on_start(0.0)
        now = 0.0
        for said in ("i want to book a table", "four", "seven thirty"):
            now += 5.0
            dialogue.on_played(now)
            dialogue.on_heard(said, now + 2.0)
        dialogue.on_tool_output("Booked.", now + 3.0)
        dialogue.on_played(now + 5.0)
        dialogue.on_barge_in(now + 7.0)
        dialogue.on_heard(f"do you have {topic}", now + 9.0)
        assert diary.said[-1].startswith(answer)
        dialogue.on_played(now + 12.0)
        dialogue.on_heard("no thank you goodbye", now + 14.0)
        dialogue.on_played(now + 16.0)
        assert diary.said[-1] == "See you tonight. Goodbye!"
        assert diary.hung_up


def test_answers_and_tags_are_told() -> None:
    """What was learned goes on record with its words; a step's tag is put on when the step is entered."""
    text = SCENARIO.replace('id = "order"', 'id = "order"\ntag = "sold"')
    diary = Diary()
    dialogue = Dialogue(load(text), diary)
    dialogue.on_start(0.0)
    dialogue.on_played(1.0)
    assert (diary.answers, diary.tags) == ({}, [])
    dialogue.on_heard("large", 2.0)
    assert (diary.answers, diary.tags) == ({"size": (2, "large")}, ["sold"])


def test_tool_without_a_limit_is_waited_for() -> None:
    """With wait_s 0 nothing is asked of the clock: the agent goes on when the answer comes."""
    diary = Diary()
    dialogue = Dialogue(load(SCENARIO.replace("wait_s = 3.0", "wait_s = 0.0")), diary)
    dialogue.on_start(0.0)
    dialogue.on_played(1.0)
    dialogue.on_heard("large", 2.0)
    cues = len(diary.cues)
    dialogue.on_played(3.0)
    assert (dialogue.phase, len(diary.cues)) == ("waiting", cues)
    dialogue.on_tool_output("Done.", 1_000.0)
    assert diary.said[-1] == "Done. Bye."
