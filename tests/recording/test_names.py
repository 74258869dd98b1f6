"""Names of recordings: exactly ours, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import RecordingError
from gateway.recording import names

ID = "3f0c2b1a-0000-4000-8000-00000000abcd"
NAME = f"3f/{ID}.wav"

HOSTILE = [
    "",
    ".",
    "..",
    "../etc/passwd",
    "%2e%2e%2fetc%2fpasswd",
    f"/{NAME}",
    f"../{NAME}",
    f"3f/../{NAME}",
    f"{NAME}\0",
    f"{NAME}\n",
    f"{NAME}.sealed.sealed",
    f"ab/{ID}.wav",
    f"3f\\{ID}.wav",
    f"3f\u2215{ID}.wav",
    f"3f/{ID.upper()}.wav",
    "3f/CON.wav",
    f"3f/{ID}.mp3",
]


@pytest.mark.parametrize(("sealed", "name"), [(False, NAME), (True, f"{NAME}.sealed")])
def test_name_and_id_lead_to_each_other(sealed: bool, name: str) -> None:
    """The name made of an id is one of ours, and gives the id back."""
    assert names.name_of(ID, sealed=sealed) == name
    assert names.check_name(name) == name
    assert names.id_of(name) == ID


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_exactly_a_name_is_not_there(name: str) -> None:
    """Ways out of the folder, other spellings and other systems' tricks are no recording."""
    with pytest.raises(RecordingError) as caught:
        names.check_name(name)

    assert caught.value.reason == "not_found"


@pytest.mark.parametrize("recording_id", [*HOSTILE, ID.upper(), f"{ID}\n", ID.replace("-", ""), f"{{{ID}}}"])
def test_what_is_not_a_uuid_is_no_id(recording_id: str) -> None:
    """An id is a UUID in lower case, to the letter."""
    with pytest.raises(RecordingError) as caught:
        names.name_of(recording_id, sealed=False)

    assert caught.value.reason == "not_found"


@given(st.uuids().map(str))
def test_every_uuid_is_an_id(recording_id: str) -> None:
    """Whatever UUID a storage makes is taken."""
    assert names.check_id(recording_id) == recording_id


@given(st.text(max_size=60))
def test_no_other_text_is_a_name(text: str) -> None:
    """Any text whatsoever is refused in the one way, never by another error."""
    with pytest.raises(RecordingError):
        names.check_name(text)
