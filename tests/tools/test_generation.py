"""How long a catalogue is at work."""

from typing import Any, cast

from gateway.tools.generation import Generation


def test_it_ends_when_the_last_holder_lets_go() -> None:
    """Whoever made it holds it too; the end is told once."""
    ends: list[str] = []
    nothing = cast(Any, None)
    generation = Generation(nothing, nothing, nothing, on_unused=lambda: ends.append("unused"))
    generation.hold()
    generation.release()
    before = list(ends)
    generation.release()

    assert (before, ends) == ([], ["unused"])
