"""What is freed without the collector of cycles, which comes by too seldom to rely on."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the collector away: what is freed meanwhile is freed by whoever let go of it last."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def left_to_the_collector(*packages: str) -> list[str]:
    """Collect, and name the types of these packages whose objects only that could free, sorted."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        kinds = {f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.collect()
    return sorted(kind for kind in kinds if kind.startswith(packages))
