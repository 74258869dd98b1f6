"""What watchers are told."""

import pytest

from gateway.simulator import events


class TestEvents:
    """Values that pass from the loop to a terminal."""

    @pytest.mark.parametrize(
        "event",
        [
            events.StateChanged("CA", "ringing"),
            events.CallerSays("CA", "hello"),
            events.Levels("CA", 100, caller_speaks=True, agent_speaks=False, agent_dbfs=-100.0),
        ],
    )
    def test_an_event_names_its_call_and_cannot_change(self, event: events.Event) -> None:
        """Many calls share one watcher."""
        assert event.call_sid == "CA"
        with pytest.raises(AttributeError):
            event.call_sid = "other"  # type: ignore[misc]

    def test_ignoring_is_possible(self) -> None:
        """It is the default, and does nothing."""
        events.ignore(events.StateChanged("CA", "ended"))
