"""One call's bug, told to that call."""

from gateway.bridge.guarded import guarded


def test_the_work_is_done_with_what_it_is_given() -> None:
    """Nothing is told when nothing fails."""
    done: list[int] = []
    bugs: list[Exception] = []
    guarded(done.append, bugs.append)(1)

    assert (done, bugs) == ([1], [])


def test_a_bug_is_told_and_goes_no_further() -> None:
    """The loop that called sees nothing of it."""
    bugs: list[Exception] = []

    def work(number: int) -> None:
        raise ZeroDivisionError("a bug")

    guarded(work, bugs.append)(1)

    assert [type(bug) for bug in bugs] == [ZeroDivisionError]
