"""Callbacks of parts: they reach their whole while it is there, and do not keep it."""

from collections.abc import Callable
from weakref import ref

import pytest

from gateway.weakly import weakly
from tests.uncollected import uncollected


class Whole:
    """Something whose part calls it back."""

    def __init__(self, wrap: Callable[[Callable[..., str]], Callable[..., str]]) -> None:
        self.part = wrap(self.told)

    def told(self, what: str, *, times: int = 1) -> str:
        """Repeat."""
        return what * times


def test_call_reaches_the_whole() -> None:
    """Arguments go there and the result comes back."""
    assert Whole(weakly).part("ab", times=2) == "abab"


@pytest.mark.parametrize(("wrap", "freed"), [(weakly, True), (lambda method: method, False)])
def test_whole_is_freed_by_its_last_owner(
    wrap: Callable[[Callable[..., str]], Callable[..., str]], freed: bool
) -> None:
    """A part that holds the bound method itself keeps its whole until the collector comes by."""
    with uncollected():
        whole = Whole(wrap)
        gone = ref(whole)
        del whole
        assert (gone() is None) is freed


def test_whole_that_is_gone_is_told_apart() -> None:
    """Who calls back too late learns so, with an error that says what happened."""
    part = Whole(weakly).part

    with pytest.raises(ReferenceError, match="a whole that is gone"):
        part("ab")
