"""The defaults of a call."""

from gateway.simulator.options import CallOptions, Fetch, Inline


class TestCallOptions:
    """A call as it is when nobody says otherwise."""

    def test_by_default_everything_goes_well(self) -> None:
        """Recorded, delivered once, closed as Twilio closes."""
        options = CallOptions()

        assert options.keep_audio
        assert not options.duplicate_webhook
        assert options.reset_after_s is None
        assert options.close_code is None
        assert options.callbacks.url is None


class TestSource:
    """Where TwiML comes from."""

    def test_a_webhook_is_asked_by_post(self) -> None:
        """Unless told otherwise."""
        assert Fetch("http://a/b").method == "POST"

    def test_inline_twiml_is_what_it_is(self) -> None:
        """No URL."""
        assert Inline("<Response/>").text == "<Response/>"
