"""Callbacks that do not keep alive what they call back.

A whole and its parts that call it back refer to each other, and then nothing but the collector of cycles
frees them. It comes by once in hundreds of calls: until then the process grows by their buffers, and when it
comes every live call waits for it.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar
from weakref import WeakMethod

P = ParamSpec("P")
T = TypeVar("T")


def weakly(method: Callable[P, T]) -> Callable[P, T]:
    """Return a bound method for a part of its object to call: it does not keep the object alive.

    Args:
        method: of an object that lives at least as long as anybody calls.
    """
    reference = WeakMethod(method)

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        found = reference()
        if found is None:
            raise ReferenceError("a part calls back a whole that is gone")
        return found(*args, **kwargs)

    return call
