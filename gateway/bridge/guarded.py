"""What the event loop calls on behalf of one call: its bug ends that call, and no other."""

from collections.abc import Callable
from typing import ParamSpec

P = ParamSpec("P")


def guarded(work: Callable[P, None], failed: Callable[[Exception], None]) -> Callable[P, None]:
    """Return what does the work and never raises.

    Args:
        failed: is given what the work raised.
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            work(*args, **kwargs)
        except Exception as error:  # outermost frame: hand it to the call it belongs to
            failed(error)

    return call
