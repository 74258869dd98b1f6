"""How much arguments may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.tools.bounds import MOST_CHARACTERS, MOST_DEPTH, MOST_VALUES, excess


def nested(depth: int) -> object:
    """Return a list within a list, so many times."""
    value: object = []
    for _ in range(depth - 1):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": [1, 2.5, True, None, "text", {"b": -(2**256) + 1}]},
        {"a": [0] * (MOST_VALUES - 3)},
        {"a": "x" * (MOST_CHARACTERS - 1)},
        nested(MOST_DEPTH + 1),
    ],
)
def test_what_anybody_may_need_is_let_through(value: object) -> None:
    """Each limit is inclusive, and lies far beyond real arguments."""
    assert excess(value) is None


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"a": [0] * (MOST_VALUES - 2)}, "hold more than 1000 values"),
        ({str(n): 0 for n in range(500)}, "hold more than 1000 values"),
        ([[0] * 100] * 100_000, "hold more than 1000 values"),
        ({"a": "x" * MOST_CHARACTERS}, "hold more than 65536 characters"),
        ({"x" * MOST_CHARACTERS: "y"}, "hold more than 65536 characters"),
        ({"a": ["x" * 40_000, "y" * 40_000]}, "hold more than 65536 characters"),
        (nested(MOST_DEPTH + 2), "are nested more than 32 deep"),
        (nested(100_000), "are nested more than 32 deep"),
        ({"a": float("nan")}, "hold a number that is none"),
        ({"a": [float("-inf")]}, "hold a number that is none"),
        ({"a": 2**256}, "hold a number that is too large"),
        ({"a": 10**5_000}, "hold a number that is too large"),
    ],
)
def test_what_is_more_is_told(value: object, told: str) -> None:
    """Too many values, characters, levels or digits are refused without being worked on."""
    assert excess(value) == told


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**64), 2**64) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5),
        max_leaves=20,
    )
)
def test_any_small_value_passes(value: object) -> None:
    """What is small in every respect is never refused."""
    assert excess(value) is None
