"""Twilio's numbers."""

import pytest

from gateway.simulator import codes
from gateway.simulator.codes import Fault


class TestFault:
    """A line of Twilio's debugger."""

    def test_it_reads_as_number_meaning_and_detail(self) -> None:
        """What happened stands at the end."""
        fault = Fault(codes.HANDSHAKE_REFUSED, "HTTP 403")

        assert str(fault) == "31920 the WebSocket handshake was not answered with 101: HTTP 403"

    def test_without_detail_it_ends_with_the_meaning(self) -> None:
        """No colon dangles."""
        assert str(Fault(codes.BROKEN_PIPE)) == "31903 the stream's connection was lost without a close"

    def test_an_unknown_number_is_still_printed(self) -> None:
        """Nothing is hidden."""
        assert str(Fault(1)) == "1 unknown"

    @pytest.mark.parametrize("code", sorted(codes.MEANING))
    def test_every_code_has_a_meaning(self, code: int) -> None:
        """And it is one of Twilio's."""
        assert codes.MEANING[code]
        assert 11_000 < code < 32_000

    def test_the_intended_close_is_noise(self) -> None:
        """Twilio logs 31921 even then."""
        assert codes.SERVER_CLOSED in codes.NOISE
        assert codes.INVALID_MESSAGE not in codes.NOISE
