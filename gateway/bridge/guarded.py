"""What the event loop calls on behalf of one call: its bug ends that call, and no other."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def guarded(work: Callable[[T], None], failed: Callable[[Exception], None]) -> Callable[[T], None]:
    """Return what does the work and never raises.

    Args:
        failed: is given what the work raised.
    """

    def call(given: T) -> None:
        try:
            work(given)
        except Exception as error:  # outermost frame: hand it to the call it belongs to
            failed(error)

    return call
