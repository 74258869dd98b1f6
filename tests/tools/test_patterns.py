"""Patterns that no text can keep busy."""

from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tools.patterns import BUDGET, budgeted, fault, found


@pytest.mark.parametrize(
    ("pattern", "text", "inside", "whole"),
    [
        ("b+", "abbc", True, False),
        ("^b", "ab", False, False),
        (r"\d{2}", "12", True, True),
        (r"\d", "\u0664", False, False),
        ("é.", "éß", True, True),
        ("a$", "a\n", False, False),
        ("", "", True, True),
        ("x", "\ud800x", True, False),
        ("(", "(", False, False),
    ],
)
def test_patterns_match_as_in_json_schema(pattern: str, text: str, inside: bool, whole: bool) -> None:
    """Digits are those of ASCII, the end is the very end, and what is no text or no pattern is no crash."""
    with budgeted():
        assert found(pattern, text) is inside
        assert found(pattern, text, whole=True) is whole


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("[a-z]+@[a-z]+", None),
        ("(canary", "is no regular expression of RE2 (missing ))"),
        ("(?=canary)", "is no regular expression of RE2 (invalid perl operator)"),
        (r"(canary)\1", "is no regular expression of RE2 (invalid escape sequence)"),
        ("\ud800", None),
        ("canary" * 500, "is longer than 2000 characters"),
        ("(.{0,300}canary){2}", "is too large a pattern"),
        ("((a{30}){30}){30}", "is no regular expression of RE2 (invalid repetition size)"),
    ],
)
def test_what_cannot_be_used_is_told(pattern: str, told: str | None) -> None:
    """The sentence says what is wrong and has nothing of the pattern."""
    said = fault(pattern)

    assert (said is None) is (told is None)
    assert (said or "").startswith(told or "")
    assert "canary" not in (said or "")


@pytest.mark.parametrize("pattern", ["^(a+)+$", "(a|aa)+$", "(a|a)*b", "^(.*,){20}x", "(x+x+)+y"])
def test_patterns_that_go_back_forever_do_not(pattern: str) -> None:
    """The classic ones cost what their text is long."""
    began_at = perf_counter()
    with budgeted():
        for text in ("a" * 8_000 + "!", "x" * 8_000):
            found(pattern, text)

    assert perf_counter() - began_at < 0.5


def test_a_budget_ends() -> None:
    """However it is used up, what follows is refused; the next piece of work has one of its own."""
    with budgeted():
        assert found("a{50}", "a" * (BUDGET // 100))
        with pytest.raises(ValueError, match="costs too much"):
            found("a{50}", "a" * (BUDGET // 50))
        with budgeted():
            assert found("a{50}", "a" * (BUDGET // 100))
        with pytest.raises(ValueError, match="costs too much"):
            found("a{50}", "a" * (BUDGET // 100))


def test_there_is_no_matching_without_a_budget() -> None:
    """Whoever forgets it is told by the first test, and not by a call that freezes."""
    with pytest.raises(ValueError, match="costs too much"):
        found("forgotten", "text")


def test_the_budget_is_enough_for_what_people_send() -> None:
    """A page of text passes a hundred patterns such as people write."""
    with budgeted():
        assert all(found(rf"^[\w\s.,{number}]+$", "words " * 300) for number in range(8))


@given(pattern=st.text(max_size=30), text=st.text(max_size=50))
def test_any_pattern_is_faulty_or_matches_or_not(pattern: str, text: str) -> None:
    """Nothing is raised, whatever it is; a faulty one is never found."""
    with budgeted():
        assert not (found(pattern, text) and fault(pattern) is not None)
