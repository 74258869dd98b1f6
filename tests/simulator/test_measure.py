"""Records become reports."""

import pytest

from gateway.audio import ulaw
from gateway.simulator.caller import sine
from gateway.simulator.codes import Fault
from gateway.simulator.ear import Talk
from gateway.simulator.playout import Gap, Spurt
from gateway.simulator.record import Cut
from tests.simulator.stories import SILENT, SPEECH, report_of


class TestHearing:
    """What the caller heard of the agent."""

    def test_first_audio_counts_from_the_start(self) -> None:
        """The first sound came after a second."""
        assert report_of().streams[0].first_audio_ms == 1_000

    def test_an_agent_that_never_spoke_has_no_first_audio(self) -> None:
        """It is not zero."""
        report = report_of(stream={"spurts": (), "heard": SILENT, "first_sound": None})

        assert report.streams[0].first_audio_ms is None

    def test_what_was_not_recorded_is_unknown(self) -> None:
        """It is not zero; the first sound was noted all the same."""
        stream = report_of(stream={"heard": b"", "spoken": b""}).streams[0]

        assert (stream.talk, stream.pauses_ms, stream.talk_over_ms) == (None, None, None)
        assert stream.first_audio_ms == 1_000

    def test_talk_is_what_was_audible(self) -> None:
        """By energy, whatever the buffer says."""
        assert report_of().streams[0].talk == (Talk(1_000, 2_000),)

    def test_gaps_are_listed_by_their_length(self) -> None:
        """In milliseconds."""
        spurts = (Spurt(8_000, 16_000, (Gap(9_000, 9_080), Gap(10_000, 10_008)), "mark"),)

        assert report_of(stream={"spurts": spurts}).streams[0].gaps_ms == (10.0, 1.0)

    def test_pauses_are_read_from_what_was_heard(self) -> None:
        """Two words half a second apart, though the buffer saw one turn."""
        heard = SPEECH + SILENT[:4_000] + SPEECH
        report = report_of(stream={"heard": heard, "spoken": b""})

        assert report.streams[0].pauses_ms == (500,)
        assert report.streams[0].gaps_ms == ()
        assert report.kept

    def test_what_waited_at_the_end_is_lost(self) -> None:
        """Eight bytes are a millisecond."""
        assert report_of(stream={"buffered": 1_200}).streams[0].tail_lost_ms == 150

    def test_length_and_origin_are_kept(self) -> None:
        """To compare with clocks elsewhere in the process."""
        stream = report_of().streams[0]

        assert (stream.origin_s, stream.length_ms) == (100.0, 3_000)


class TestTalkOver:
    """Both at once."""

    def test_taking_turns_is_no_talk_over(self) -> None:
        """The caller spoke in the first second, the agent in the second."""
        assert report_of().streams[0].talk_over_ms == 0

    def test_the_overlap_is_counted(self) -> None:
        """Half a second of both."""
        spoken = SILENT + SILENT[:4_000] + SPEECH

        assert report_of(stream={"spoken": spoken}).streams[0].talk_over_ms == 500

    def test_the_microphones_offset_is_respected(self) -> None:
        """Its first frame leaves a moment after the start."""
        report = report_of(stream={"spoken": SPEECH, "spoken_offset": 4_000})

        assert report.streams[0].talk_over_ms == 500


class TestBargeIn:
    """From the caller's first sample to silence."""

    def test_each_interruption_is_measured(self) -> None:
        """The agent went on to the end of its word; then there was nothing to interrupt."""
        report = report_of(stream={"cuts": (Cut(12_000, 14_000), Cut(20_000, 21_000))})

        assert report.streams[0].barge_in_ms == (500.0, None)


class TestCall:
    """The call around its streams."""

    def test_the_verb_after_the_stream_is_named(self) -> None:
        """Fall-through goes to the Redirect."""
        assert report_of(verbs=("Connect", "Redirect", "Hangup")).after_stream == "Redirect"

    @pytest.mark.parametrize("verbs", [("Connect",), ("Reject",), ()])
    def test_without_one_there_is_none(self, verbs: tuple[str, ...]) -> None:
        """The stream was the last, or there was no stream."""
        assert report_of(verbs=verbs).after_stream is None

    def test_faults_of_call_and_streams_come_together(self) -> None:
        """In one list."""
        report = report_of(faults=(Fault(11200),), stream={"faults": (Fault(31951),)})

        assert [fault.code for fault in report.faults] == [11200, 31951]

    def test_a_tone_is_looked_for_in_what_was_heard(self) -> None:
        """If the caller sent one."""
        heard = ulaw.encode(sine(1_004, 24_000, -10))
        report = report_of(tone=(1_004.0, 24_000), stream={"heard": heard})

        assert report.tone is not None
        assert report.tone.hz == pytest.approx(1_004, abs=0.1)

    def test_a_tone_is_not_missed_where_nothing_was_recorded(self) -> None:
        """Load keeps no audio."""
        report = report_of(tone=(1_004.0, 24_000), stream={"heard": b"", "spoken": b""})

        assert report.tone is None
        assert not [promise for promise in report.promises if "tone" in promise.name]

    def test_who_ended_it_follows_from_how(self) -> None:
        """Each ending has its side."""
        assert report_of(ending="rest_completed").ended_by == "gateway"
        assert report_of(ending="time_limit").ended_by == "twilio"
