"""Reports for programs and for people."""

import json

from gateway.audio import ulaw
from gateway.simulator.caller import sine
from gateway.simulator.codes import Fault
from gateway.simulator.playout import Gap, Spurt
from gateway.simulator.record import Cut
from gateway.simulator.report import human
from tests.simulator.stories import report_of


class TestJson:
    """Plain values, without the audio."""

    def test_it_survives_json(self) -> None:
        """Every tuple is a list, every dataclass an object."""
        spurts = (Spurt(8_000, 16_000, (Gap(9_000, 9_080),), "mark"),)
        report = report_of(
            stream={"spurts": spurts, "cuts": (Cut(15_000, 16_000),), "faults": (Fault(31951, "x"),)}
        )

        plain = json.loads(json.dumps(report.as_dict()))

        assert plain["kept"] is False
        assert plain["streams"][0]["turns"][0]["gaps"] == [{"start": 9_000, "stop": 9_080}]
        assert plain["streams"][0]["barge_in_ms"] == [125.0]
        assert plain["faults"] == [{"code": 31951, "detail": "x", "count": 1}]
        assert plain["promises"][0] == {
            "name": "audio streamed",
            "held": True,
            "measured": "1 streams",
            "limit": "at least 1",
            "timing": False,
            "untrusted": "",
        }

    def test_the_audio_stays_out(self) -> None:
        """It has its own files."""
        assert "record" not in report_of().as_dict()
        assert len(json.dumps(report_of().as_dict())) < 3_000

    def test_the_tone_is_an_object(self) -> None:
        """Or null."""
        heard = ulaw.encode(sine(1_004, 24_000, -10))
        report = report_of(tone=(1_004.0, 24_000), stream={"heard": heard})

        assert report.as_dict()["tone"]["holes"] == 0
        assert report_of().as_dict()["tone"] is None


class TestHuman:
    """One thing a line."""

    def test_a_good_call_reads_well(self) -> None:
        """How it ended, what was heard, what was kept."""
        text = human(report_of())

        assert "call      caller hung up (by the caller), 3.0 s" in text
        assert "first audio 1000 ms, agent audible 1.0 s of 3.0 s in 1 stretches" in text
        assert "0 underruns (0 ms), 0 pauses heard (0 ms), 0 ms both at once, 0 ms unheard at the end" in text
        assert "150 frames sent (0 dropped), 11 messages received, 1/1 marks, 0 clears" in text
        assert "kept      set-up: 8 ms (limit 2000 ms)" in text
        assert "BROKEN" not in text

    def test_what_was_not_recorded_is_not_told(self) -> None:
        """No seconds, no pauses, no talk-over."""
        text = human(report_of(stream={"heard": b"", "spoken": b""}))

        assert "first audio 1000 ms, 3.0 s of line, not recorded" in text
        assert "quality   0 underruns (0 ms), 0 ms unheard at the end" in text

    def test_a_webhook_that_failed_is_nobodys_yet(self) -> None:
        """The URL may have been wrong."""
        text = human(report_of(streams=(), setup_ms=None, ending="webhook_failed"))

        assert "call      webhook failed, 3.0 s" in text
        assert "set-up    no stream, TwiML in 3 ms" in text

    def test_what_is_broken_stands_out(self) -> None:
        """With Twilio's number and the step that was missed."""
        text = human(report_of(missed=("step 2: say",), faults=(Fault(11200, "HTTP 500"),)))

        assert "BROKEN    script kept: step 2: say (limit every step)" in text
        assert "missed    step 2: say" in text
        assert "twilio    11200 the webhook did not answer 2xx in time: HTTP 500" in text

    def test_our_own_lateness_is_confessed(self) -> None:
        """Beside each promise that it may have broken."""
        spurts = (Spurt(8_000, 16_000, (Gap(9_000, 9_080),), "mark"),)
        text = human(report_of(stream={"spurts": spurts, "late_ms": 75.0}))

        assert "1 (limit 0), untrusted: this machine was 75 ms late" in text
        assert "ourselves WE were 75 ms late" in text

    def test_a_fault_that_came_often_is_counted(self) -> None:
        """In its line."""
        assert "0 times" in human(report_of(stream={"faults": (Fault(31950, "a binary frame", 500),)}))

    def test_noise_is_called_noise(self) -> None:
        """The intended close."""
        assert "(noise)" in human(report_of(stream={"faults": (Fault(31921),)}))

    def test_barge_in_and_tone_have_their_lines(self) -> None:
        """If there were any."""
        heard = ulaw.encode(sine(1_004, 16_000, -10)) + b"\xff" * 8_000
        cuts = (Cut(15_680, 17_000), Cut(20_000, 21_000))
        text = human(report_of(tone=(1_004.0, 24_000), stream={"heard": heard, "cuts": cuts}))

        assert "barge-in  silence after 40 ms" in text
        assert "barge-in  nothing was interrupted" in text
        assert "tone      1004.0 Hz, SINAD" in text

    def test_a_call_without_anything_is_told_too(self) -> None:
        """No stream, no times."""
        text = human(report_of(streams=(), setup_ms=None, answer_ms=None, verbs=()))

        assert "set-up    no stream, no TwiML came" in text
        assert "gaps" not in text
        assert "TwiML     none" in text
