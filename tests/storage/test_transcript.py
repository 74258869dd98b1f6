"""Transcripts from events."""

from gateway.storage.transcript import excerpt, heard_text, transcript_of
from tests.tenants import event, said


def test_later_entry_of_an_index_replaces_the_earlier() -> None:
    """Entries stand in the order of the conversation, each in its last version."""
    events = [
        said("c", 1, 0, "caller", "hel", final=False),
        event("c", 2, "state", state="talking"),
        said("c", 3, 1, "agent", "good day"),
        said("c", 4, 0, "caller", "hello"),
    ]

    assert [(entry["index"], entry["text"]) for entry in transcript_of(events)] == [
        (0, "hello"),
        (1, "good day"),
    ]


def test_heard_is_what_was_not_cut() -> None:
    """Of a cut turn the heard words count, all of it where they are unknown or it was not cut."""
    assert heard_text({"text": "one two three", "cut": True, "heard_text": "one"}) == "one"
    assert heard_text({"text": "one two three", "cut": True, "heard_text": ""}) == ""
    assert heard_text({"text": "one two three", "cut": True, "heard_text": None}) == "one two three"
    assert heard_text({"text": "one two three", "cut": False, "heard_text": "one"}) == "one two three"
    assert heard_text({"text": "one"}) == "one"


def test_excerpt_is_the_end_of_what_is_final() -> None:
    """At most ten entries of at most 500 characters, only what no longer changes."""
    entries = transcript_of(said("c", n + 1, n, "caller", f"{n}" * 600, final=n != 20) for n in range(21))
    told = excerpt(entries)

    assert len(told) == 10
    assert {len(entry["text"]) for entry in told} == {500}
    assert told[-1]["text"].startswith("19")
    assert excerpt([]) == []
