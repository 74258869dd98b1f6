"""Twilio's forms: fields, order, empty values, timestamps."""

from datetime import UTC, datetime

import pytest

from gateway.simulator.forms import Identity, progress, signed_url, stream, voice, wants
from gateway.twilio.signature import check_form

IDENTITY = Identity("AC" + "0" * 32, "CA" + "1" * 32, caller="+14155550100", called="+15005550001")
AT = datetime(2026, 11, 21, 9, 5, 3, 602648, UTC)


class TestVoice:
    """The voice webhook."""

    def test_inbound_call_carries_what_real_ones_carry(self) -> None:
        """Identity, places, the caller's verification."""
        form = dict(voice(IDENTITY, "ringing"))

        assert form["CallSid"] == "CA" + "1" * 32
        assert (form["From"], form["Caller"]) == ("+14155550100", "+14155550100")
        assert (form["To"], form["Called"]) == ("+15005550001", "+15005550001")
        assert (form["Direction"], form["CallStatus"]) == ("inbound", "ringing")
        assert (form["ApiVersion"], form["StirVerstat"]) == ("2010-04-01", "TN-Validation-Passed-A")

    def test_places_are_sent_without_a_value(self) -> None:
        """Whoever drops blanks cannot verify the signature."""
        empty = {name for name, value in voice(IDENTITY, "ringing") if not value}

        assert {"ToCity", "ToZip", "FromCity", "CallerZip", "CalledCity"} <= empty

    def test_each_name_comes_once_and_unsorted(self) -> None:
        """As captured; our own strict check of forms finds nothing."""
        names = [name for name, _ in voice(IDENTITY, "ringing")]

        assert len(names) == len(set(names))
        assert names != sorted(names)
        assert check_form(voice(IDENTITY, "ringing"), IDENTITY.account_sid) is None

    def test_a_withheld_number_has_no_place(self) -> None:
        """The words stand where the number would."""
        hidden = Identity("AC", "CA", caller="anonymous", called="+15005550001")
        form = dict(voice(hidden, "ringing"))

        assert (form["From"], form["FromCountry"], form["ToCountry"]) == ("anonymous", "", "US")

    def test_outbound_call_has_no_verification(self) -> None:
        """Nobody vouches for our own number."""
        outbound = Identity("AC", "CA", "+1", "+2", direction="outbound-api")
        form = dict(voice(outbound, "in-progress"))

        assert form["Direction"] == "outbound-api"
        assert "StirVerstat" not in form


class TestProgress:
    """Status callbacks of the call."""

    def test_source_sequence_and_time_are_there(self) -> None:
        """Timestamp is RFC 2822 in UTC."""
        form = dict(progress(IDENTITY, "ringing", sequence=1, at=AT))

        assert form["CallbackSource"] == "call-progress-events"
        assert form["SequenceNumber"] == "1"
        assert form["Timestamp"] == "Sat, 21 Nov 2026 09:05:03 +0000"
        assert "CallDuration" not in form

    @pytest.mark.parametrize(("seconds", "minutes"), [(0, "0"), (1, "1"), (60, "1"), (61, "2")])
    def test_the_final_one_counts_seconds_and_begun_minutes(self, seconds: int, minutes: str) -> None:
        """CallDuration is in seconds, Duration in minutes."""
        form = dict(progress(IDENTITY, "completed", sequence=3, at=AT, duration_s=seconds))

        assert (form["CallDuration"], form["Duration"]) == (str(seconds), minutes)
        assert form["SipResponseCode"] == "200"

    @pytest.mark.parametrize(
        ("status", "code"), [("busy", "486"), ("no-answer", "487"), ("failed", "404"), ("canceled", None)]
    )
    def test_a_failure_has_its_sip_code(self, status: str, code: str | None) -> None:
        """Where the line gave one."""
        form = dict(progress(IDENTITY, status, sequence=2, at=AT))  # type: ignore[arg-type]

        assert form.get("SipResponseCode") == code

    @pytest.mark.parametrize(
        ("status", "event"),
        [
            ("ringing", "ringing"),
            ("in-progress", "answered"),
            ("completed", "completed"),
            ("busy", "completed"),
        ],
    )
    def test_each_status_belongs_to_an_event(self, status: str, event: str) -> None:
        """Only what was asked for is sent."""
        assert wants([event], status)  # type: ignore[arg-type]
        assert not wants(["something"], status)  # type: ignore[arg-type]


class TestStream:
    """Status callbacks of a stream."""

    def test_started_names_the_stream_by_its_sid(self) -> None:
        """Unless the TwiML gave it a name; the time has nanoseconds and Z."""
        form = dict(stream(IDENTITY, "MZ1", "stream-started", at=AT))

        assert form == {
            "AccountSid": "AC" + "0" * 32,
            "CallSid": "CA" + "1" * 32,
            "StreamSid": "MZ1",
            "StreamName": "MZ1",
            "StreamEvent": "stream-started",
            "Timestamp": "2026-11-21T09:05:03.602648000Z",
        }

    def test_error_says_what_went_wrong(self) -> None:
        """It is the only push channel for failed handshakes."""
        form = dict(stream(IDENTITY, "MZ1", "stream-error", at=AT, name="mine", error="31920 refused"))

        assert (form["StreamName"], form["StreamError"]) == ("mine", "31920 refused")


class TestSignedUrl:
    """Which URL is signed."""

    @pytest.mark.parametrize(
        ("url", "signed"),
        [
            ("https://a.example/x?y=1", "https://a.example/x?y=1"),
            ("https://a.example:8443/x", "https://a.example/x"),
            ("wss://a.example:443/x", "wss://a.example/x"),
            ("http://a.example:8080/x", "http://a.example:8080/x"),
            ("ws://127.0.0.1:8080/x", "ws://127.0.0.1:8080/x"),
            ("https://u:p@a.example/x", "https://a.example/x"),
            ("https://a.example/x#rc=2", "https://a.example/x"),
        ],
    )
    def test_port_user_and_fragment_follow_twilios_rules(self, url: str, signed: str) -> None:
        """The port goes with TLS and stays without, the rest never counts."""
        assert signed_url(url) == signed
