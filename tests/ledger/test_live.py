"""Events as the nodes tell them to each other."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.ledger.live import body_of, event_in
from gateway.storage.columns import clean_text
from gateway.storage.rows import CallEvent
from tests.tenants import NOW, event


def test_event_comes_back_as_it_was_stored() -> None:
    """Whoever reads a live event has the stored one, to the microsecond."""
    stored = event("c-1", 7, "transcript", index=0, text="grüß dich", final=True, heard_ms=None)

    assert event_in("c-1", body_of(stored)) == stored


@given(st.text(), st.integers(1, 10**6))
def test_any_words_come_back_as_the_database_keeps_them(text: str, seq: int) -> None:
    """What no database stores is replaced here as it is there."""
    told = CallEvent(call_id="c-1", seq=seq, at=NOW, kind="transcript", data={"text": text})

    assert event_in("c-1", body_of(told)).data == {"text": clean_text(text)}
