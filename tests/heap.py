"""The garbage collector's view of the process: what all tests share is not looked through again and again."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def freeze_heap() -> None:
    """Leave all that exists now out of every later collection.

    The suite's own modules and tests are a million objects: one look through them takes 0.2 s, longer than
    the cushion of a call, and it happens whenever somebody makes some garbage.
    """
    gc.collect()
    gc.freeze()


@contextmanager
def heap_kept_frozen() -> Iterator[None]:
    """Freeze the heap again if what runs within thaws it, as a gateway that stops does."""
    yield
    if not gc.get_freeze_count():
        freeze_heap()
