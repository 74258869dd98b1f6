"""Good calls keep their promises; each thing that goes wrong breaks its own."""

from dataclasses import replace
from typing import Any, Final

import pytest

from gateway.audio import ulaw
from gateway.simulator.caller import sine
from gateway.simulator.codes import Fault
from gateway.simulator.playout import Gap, Spurt
from gateway.simulator.promises import Limits
from gateway.simulator.record import Cut, Ending
from tests.simulator.stories import SILENT, STREAM, broken, report_of

STRICT = Limits(first_audio_ms=1_500, barge_in_ms=60, ended_by="caller")
TONE = ulaw.encode(sine(1_004, 24_000, -10))


def test_a_good_call_keeps_every_promise() -> None:
    """Under the strictest limits."""
    report = report_of(STRICT)

    assert report.kept
    assert {promise.name for promise in report.promises} == {
        "audio streamed",
        "set-up",
        "the agent was heard",
        "first audio",
        "gaps in the agent's speech",
        "no Twilio errors",
        "script kept",
        "ended by",
    }


@pytest.mark.parametrize(
    ("call", "stream", "name"),
    [
        ({"setup_ms": 2_001.0}, {}, "set-up"),
        ({"setup_ms": None}, {}, "set-up"),
        ({}, {"first_sound": 12_008}, "first audio"),
        ({}, {"heard": SILENT * 3}, "the agent was heard"),
        ({}, {"spurts": (Spurt(8_000, 16_000, (Gap(9_000, 9_001),), "mark"),)}, "gaps in the agent's speech"),
        ({}, {"cuts": (Cut(15_000, 15_800),)}, "barge-in to silence"),
        ({}, {"faults": (Fault(31951),)}, "no Twilio errors"),
        ({"faults": (Fault(11200),)}, {}, "no Twilio errors"),
        ({"missed": ("step 2: wait_agent_quiet",)}, {}, "script kept"),
        ({"ending": "rest_completed"}, {}, "ended by"),
    ],
)
def test_one_fault_breaks_one_promise(call: dict[str, Any], stream: dict[str, Any], name: str) -> None:
    """And no other."""
    report = report_of(STRICT, stream=stream, **call)

    assert broken(report) == [name]
    assert not report.kept


class TestLimits:
    """What is not limited is not judged."""

    def test_none_switches_a_promise_off(self) -> None:
        """Here all that can be."""
        free = Limits(setup_ms=None, heard=False, gaps=None, tail_lost_ms=None)
        report = report_of(free, setup_ms=9e9)

        assert {promise.name for promise in report.promises} == {
            "audio streamed",
            "no Twilio errors",
            "script kept",
        }

    def test_a_call_without_a_stream_keeps_nothing_worth_having(self) -> None:
        """Set-up never ended."""
        report = report_of(STRICT, streams=(), setup_ms=None)

        assert broken(report) == ["audio streamed", "set-up", "first audio"]

    def test_an_intended_close_is_no_error(self) -> None:
        """31921 is noise."""
        assert report_of(stream={"faults": (Fault(31921),)}).kept

    def test_an_interruption_of_silence_proves_nothing(self) -> None:
        """The agent had stopped by itself: that is no barge-in of 0 ms."""
        report = report_of(STRICT, stream={"cuts": (Cut(20_000, 20_800),)})

        assert broken(report) == ["barge-in to silence"]
        assert "nothing was interrupted" in str(report.promises[5])

    def test_an_interruption_that_is_not_limited_is_not_judged(self) -> None:
        """The report tells it all the same."""
        report = report_of(stream={"cuts": (Cut(20_000, 20_800),)})

        assert report.kept
        assert report.streams[0].barge_in_ms == (None,)


class TestHeard:
    """A call in which the agent was never audible is not a call."""

    def test_silence_breaks_it(self) -> None:
        """However much of it was sent."""
        report = report_of(stream={"heard": SILENT * 3, "first_sound": None})

        assert broken(report) == ["the agent was heard"]

    def test_one_audible_stream_is_enough(self) -> None:
        """A resumed call may have had a silent one."""
        silent = replace(STREAM, heard=SILENT, first_sound=None)

        assert report_of(streams=(silent, STREAM)).kept

    def test_load_without_recordings_is_not_asked(self) -> None:
        """Nobody listened."""
        report = report_of(stream={"heard": b"", "spoken": b"", "first_sound": None})

        assert report.kept

    @pytest.mark.parametrize("ending", ["rejected", "rest_canceled", "stream_reset"])
    def test_a_caller_turned_away_is_not_asked(self, ending: Ending) -> None:
        """There was no agent to hear."""
        report = report_of(ending=ending, stream={"heard": SILENT, "first_sound": None})

        assert "the agent was heard" not in broken(report)


class TestTrust:
    """What our own lateness may have broken proves nothing."""

    LATE: Final[dict[str, Any]] = {
        "spurts": (Spurt(8_000, 16_000, (Gap(9_000, 9_001),), "mark"),),
        "late_ms": 61.0,
    }

    def test_a_broken_time_is_doubted(self) -> None:
        """It stays broken, and says why it proves nothing."""
        report = report_of(stream=self.LATE)
        (promise,) = [promise for promise in report.promises if not promise.held]

        assert promise.untrusted == "this machine was 61 ms late"
        assert (report.kept, report.untrusted, report.late_ms) == (False, True, 61.0)

    def test_a_little_late_is_in_time(self) -> None:
        """A gateway's cushion covers as much."""
        report = report_of(stream=self.LATE | {"late_ms": 60.0})

        assert (report.kept, report.untrusted) == (False, False)

    def test_what_time_cannot_break_is_proved(self) -> None:
        """A late machine sends no bad messages."""
        report = report_of(stream=self.LATE | {"faults": (Fault(31951),)})

        assert not report.untrusted

    def test_a_kept_call_is_trusted(self) -> None:
        """We were late, and still nothing broke."""
        report = report_of(stream={"late_ms": 500.0})

        assert (report.kept, report.untrusted) == (True, False)


class TestTail:
    """Whose fault unheard words are."""

    def test_a_gateway_that_hangs_up_too_early_breaks_its_promise(self) -> None:
        """150 ms of goodbye were never heard."""
        report = report_of(ending="rest_completed", stream={"buffered": 1_200})

        assert broken(report) == ["last words heard"]
        assert "150 ms lost" in str(report.promises[4])

    def test_a_caller_who_hangs_up_loses_what_it_did_not_wait_for(self) -> None:
        """Nobody promised otherwise."""
        assert report_of(ending="caller_hung_up", stream={"buffered": 1_200}).kept


class TestTone:
    """How a tone came back."""

    def test_an_intact_tone_keeps_four_promises(self) -> None:
        """Frequency, SINAD, length, continuity."""
        report = report_of(tone=(1_004.0, 24_000), stream={"heard": TONE})

        assert report.kept
        assert sum("tone" in promise.name for promise in report.promises) == 4

    @pytest.mark.parametrize(
        ("heard", "names"),
        [
            (SILENT, ["the agent was heard", "tone came back"]),
            (TONE[:20_000] + SILENT, ["tone length"]),
            (ulaw.encode(sine(1_007, 24_000, -10)), ["tone frequency"]),
            (
                TONE[:8_000] + SILENT[:800] + TONE[8_000:],
                ["tone SINAD", "tone unbroken"],
            ),
        ],
        ids=["none", "short", "detuned", "holed"],
    )
    def test_damage_breaks_what_it_damages(self, heard: bytes, names: list[str]) -> None:
        """Each in its own words."""
        report = report_of(tone=(1_004.0, 24_000), stream={"heard": heard})

        assert broken(report) == names


def test_a_promise_reads_as_one_line() -> None:
    """Name, measured, limit."""
    report = report_of(STRICT)

    assert str(report.promises[1]) == "set-up: 8 ms (limit 2000 ms)"
