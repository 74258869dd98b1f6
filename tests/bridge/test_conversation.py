"""The transcript of a call: words replace words, and what was heard joins them by turn."""

from gateway.audio.heard import TurnHeard
from gateway.bridge.conversation import Conversation, ends_with_failed_transfer, with_failed_transfer


def test_text_replaces_until_final() -> None:
    """A turn's text is replaced, not appended, and keeps its place."""
    talk = Conversation()
    talk.agent_said("t1", "Hel", 1.0, final=False)
    entry = talk.agent_said("t1", "Hello there.", 1.2, final=True)

    assert entry is not None
    assert (entry.index, entry.text, entry.final, entry.at_s) == (0, "Hello there.", True, 1.0)
    assert len(talk.entries) == 1


def test_hypotheses_of_the_caller_become_one_entry() -> None:
    """Interim words of the caller are one entry until final; the next words are another."""
    talk = Conversation()
    for words, final in (("a", False), ("a table", False), ("A table.", True), ("For two.", True)):
        talk.caller_said("", words, 2.0, final=final)

    assert [entry.text for entry in talk.entries] == ["A table.", "For two."]


def test_question_stands_before_its_answer() -> None:
    """Order is that of first words, even when the question becomes final after the answer began."""
    talk = Conversation()
    talk.caller_said("", "what time", 1.0, final=False)
    talk.agent_said("t1", "At eight.", 1.5, final=True)
    talk.caller_said("", "What time is it?", 1.6, final=True)

    assert [entry.role for entry in talk.entries] == ["caller", "agent"]


def test_second_segment_of_a_turn_is_a_new_entry() -> None:
    """A turn that speaks on after it was final begins a new entry."""
    talk = Conversation()
    talk.agent_said("t1", "One.", 1.0, final=True)
    talk.agent_said("t1", "Two.", 2.0, final=True)

    assert [entry.text for entry in talk.entries] == ["One.", "Two."]


def test_cut_turn_says_what_was_heard() -> None:
    """A cut turn keeps its words and gains the whole words its heard share can have held."""
    talk = Conversation()
    talk.agent_said("t1", "Today we have soup and a very long list", 1.0, final=True)
    entry = talk.agent_heard("t1", TurnHeard("t1", 1000, 4000), cut=True)

    assert entry is not None
    assert (entry.heard_ms, entry.total_ms, entry.cut, entry.heard_text) == (1000, 4000, True, "Today we")


def test_heard_before_its_words() -> None:
    """What was heard is joined to words that come later."""
    talk = Conversation()
    assert talk.agent_heard("t1", TurnHeard("t1", 500, 1000), cut=True) is None
    entry = talk.agent_said("t1", "Hello there", 1.0, final=True)

    assert entry is not None
    assert (entry.heard_text, entry.cut) == ("Hello", True)


def test_cut_turn_stays_cut() -> None:
    """A later mark does not make a cut turn whole."""
    talk = Conversation()
    talk.agent_said("t1", "Hello there", 1.0, final=True)
    talk.agent_heard("t1", TurnHeard("t1", 500, 1000), cut=True)

    assert talk.agent_heard("t1", TurnHeard("t1", 1000, 1000), cut=False) is None
    assert talk.entries[0].cut


def test_turn_without_audio_was_not_heard() -> None:
    """Words whose audio never came were not heard at all."""
    talk = Conversation()
    talk.agent_said("t1", "Hello", 1.0, final=True)
    entry = talk.agent_heard("t1", TurnHeard("t1", 0, 0), cut=True)

    assert entry is not None
    assert entry.heard_text == ""


def test_story_for_the_session_that_takes_over() -> None:
    """The conversation so far tells what was said and, of a cut turn, what was heard."""
    talk = Conversation(before="Caller: Hello?")
    talk.caller_said("", "A table for two.", 1.0, final=True)
    talk.agent_said("t1", "At what time would you like to come", 2.0, final=True)
    talk.agent_heard("t1", TurnHeard("t1", 500, 1000), cut=True)

    assert talk.so_far() == "Caller: Hello?\nCaller: A table for two.\nYou: At what time would [interrupted]"
    assert Conversation().so_far() == ""


def test_story_leaves_out_what_nobody_heard() -> None:
    """A turn cut before its first word is no part of what the next session goes on with."""
    talk = Conversation()
    talk.caller_said("", "Stop.", 1.0, final=True)
    talk.agent_said("t1", "Today we have", 2.0, final=True)
    talk.agent_heard("t1", TurnHeard("t1", 0, 1000), cut=True)

    assert talk.so_far() == "Caller: Stop."


def test_transcript_is_bounded() -> None:
    """A call that never ends does not fill the memory; what is dropped is counted."""
    talk = Conversation()
    for n in range(2_005):
        talk.caller_said("", f"word {n}", 1.0, final=True)

    assert len(talk.entries) == 2_000
    assert talk.dropped == 5


def test_agent_that_names_no_turns_is_written_down() -> None:
    """Words without a turn id are entries like any other; what was heard finds no words to join."""
    talk = Conversation()
    entry = talk.agent_said("", "Hello there", 1.0, final=True)

    assert entry is not None
    assert entry.turn_id == ""
    assert talk.agent_heard("", TurnHeard("", 500, 1000), cut=True) is None


def test_full_transcript_takes_no_words_of_the_agent() -> None:
    """Beyond the bound the agent's words are dropped and counted like the caller's."""
    talk = Conversation()
    for n in range(2_000):
        talk.agent_said(f"t{n}", "word", 1.0, final=True)

    assert talk.agent_said("one-more", "word", 1.0, final=True) is None
    assert talk.dropped == 1


def test_memory_of_hearing_is_bounded() -> None:
    """What was heard of turns without words is not kept for ever."""
    talk = Conversation()
    for n in range(2_010):
        talk.agent_heard(f"t{n}", TurnHeard(f"t{n}", 1, 1), cut=True)

    entry = talk.agent_said("t0", "Long forgotten", 1.0, final=True)
    assert entry is not None
    assert entry.heard_ms is None


def test_cut_at_the_very_end_was_heard_whole() -> None:
    """A turn cut when all but nothing of it was left was heard to its last word."""
    talk = Conversation()
    talk.agent_said("t1", "Hello there", 1.0, final=True)
    entry = talk.agent_heard("t1", TurnHeard("t1", 999, 1000), cut=True)

    assert entry is not None
    assert entry.heard_text == "Hello there"


def test_failed_transfer_stands_at_the_end_of_the_story() -> None:
    """A transfer in vain is the last line of the conversation so far, with the carrier's word for it."""
    told = with_failed_transfer("Caller: A human, please.", "busy")

    assert told.splitlines() == [
        "Caller: A human, please.",
        "[Your transfer of the caller failed: busy. The caller is back with you.]",
    ]
    assert with_failed_transfer("", "busy").splitlines() == told.splitlines()[1:]


def test_failed_transfer_is_the_last_that_happened_until_more_happens() -> None:
    """The end of a story tells whether a transfer failed just now; what a caller says of one does not."""
    told = with_failed_transfer("Caller: A human, please.", "busy")

    assert ends_with_failed_transfer(told)
    assert ends_with_failed_transfer(with_failed_transfer("", "failed"))
    assert not ends_with_failed_transfer(f"{told}\nYou: They are busy.")
    assert not ends_with_failed_transfer("Caller: [Your transfer of the caller failed: busy.")
    assert not ends_with_failed_transfer("")
