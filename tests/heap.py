"""The garbage collector's view of the process: what all tests share is not looked through again and again."""

import gc


def freeze_heap() -> None:
    """Leave all that exists now, and is no garbage, out of every later collection.

    The suite's own modules and tests are a million objects: one look through them takes 0.2 s, longer than
    the cushion of a call, and it happens whenever somebody makes some garbage.
    """
    gc.collect()
    gc.freeze()
