"""The caller cuts in: how soon the agent is silent at the caller's ear, and what is heard after that."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import pytest

from gateway.audio.pcm import Pcm
from gateway.records import Interrupted, TranscriptEntry
from gateway.sandbox.stage import Script
from gateway.sandbox.switches import Switches
from gateway.sandbox.troublesome import Burst
from gateway.simulator import tone
from gateway.simulator.caller import SilentCaller
from gateway.simulator.report import CallReport
from gateway.vatel.messages import Interruption, SpeechStarted, SpeechStopped
from tests.e2e.acts import Acts, send, speak
from tests.e2e.acts import tone as tone_of
from tests.e2e.running import run_all, undisturbed
from tests.e2e.town import Plan, StreamEnd, heard, town

LIMIT_S: Final = 0.060
AT_FOUR_TIMES_ITS_SPEED: Final = Burst(audio_s=8.0, within_s=2.0, interrupt_after_s=1.5, late_s=0.8)
IN_NO_TIME: Final = replace(AT_FOUR_TIMES_ITS_SPEED, audio_s=10.0, within_s=0.5)
NEXT_TURN_HZ: Final = 2 * IN_NO_TIME.hz

BURSTS: Final[dict[str, Plan]] = {
    "20 ms chunks": Plan(AT_FOUR_TIMES_ITS_SPEED, Switches(chunk_ms=20)),
    "100 ms chunks": Plan(AT_FOUR_TIMES_ITS_SPEED, Switches(chunk_ms=100)),
    "1 s messages": Plan(AT_FOUR_TIMES_ITS_SPEED, Switches(chunk_ms=1_000)),
    "10 s in half a second": Plan(IN_NO_TIME, Switches(chunk_ms=100)),
    "10 s in half a second, low delay": Plan(
        IN_NO_TIME, Switches(chunk_ms=100), {"audio.resampler": "low_delay"}
    ),
    "10 s in one message": Plan(IN_NO_TIME, Switches(chunk_ms=10_000)),
    "10 s in half a second, pausing": Plan(IN_NO_TIME, Switches(chunk_ms=100), {"audio.barge_in": "pause"}),
}
COUGH: Final = Acts(
    (
        (0.0, speak("speech", tone_of(500.0, 3.0), "A long explanation.")),
        (1.0, send(SpeechStarted(False))),
        (1.8, send(SpeechStopped())),
    )
)
OBJECTION: Final = Acts(
    (
        (0.0, speak("speech", tone_of(500.0, 3.0), "A long explanation.")),
        (1.0, send(SpeechStarted(False))),
        (1.6, send(Interruption())),
        (1.7, send(SpeechStopped())),
    )
)
PAUSES: Final[dict[str, Script]] = {"cough": COUGH, "objection": OBJECTION}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a call left behind.

    Attributes:
        cut_at: sample of the caller's clock at which the agent sent ``interruption``; None: it did not.
    """

    report: CallReport
    cut_at: int | None
    interruptions: list[Interrupted]
    words: list[TranscriptEntry]
    ended: StreamEnd

    @property
    def silent_after_s(self) -> float:
        """Seconds from the interruption to the last sample of the turn that was heard."""
        assert self.cut_at is not None
        return (self.report.streams[0].turns[0].stop - self.cut_at) / 8_000

    @property
    def heard(self) -> Pcm:
        """What the caller heard."""
        return heard(self.report)


async def listen(plan: Plan, seconds: float) -> Evidence:
    """Let a caller hear an agent out who is interrupted."""
    async with town(plan) as place:
        report = await place.call(SilentCaller(seconds))
        ended = await place.chronicle.ended(report.call_sid)
        cuts = place.times(Interruption)
        cut_at = round((cuts[0] - report.streams[0].origin_s) * 8_000) if cuts else None
        return Evidence(
            report,
            cut_at,
            place.chronicle.of(report.call_sid, Interrupted),
            place.chronicle.of(report.call_sid, TranscriptEntry),
            ended,
        )


def is_prompt(evidence: Evidence) -> bool:
    """Tell whether the line was silent in time, if it had to be."""
    return evidence.cut_at is None or evidence.silent_after_s <= LIMIT_S


@pytest.fixture(scope="module")
def calls() -> dict[str, Evidence]:
    """Every call of this module, all made at the same time."""
    plans = {name: (plan, 4.5) for name, plan in BURSTS.items()}
    plans |= {
        name: (Plan(script, settings={"audio.barge_in": "pause"}), 4.5) for name, script in PAUSES.items()
    }
    scenes = {name: partial(undisturbed, partial(listen, *plan), is_prompt) for name, plan in plans.items()}
    return run_all(scenes)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("burst", BURSTS)
def test_agent_is_silent_at_once(calls: dict[str, Evidence], burst: str) -> None:
    """The caller hears the last sample at most 60 ms after ``interruption``, however much was waiting."""
    evidence = calls[burst]

    assert evidence.silent_after_s <= LIMIT_S
    assert evidence.report.streams[0].turns[0].end == "clear"
    assert len(evidence.interruptions) == 1


@pytest.mark.parametrize("burst", BURSTS)
def test_what_was_spoken_before_the_interruption_was_heard(calls: dict[str, Evidence], burst: str) -> None:
    """The interruption takes nothing of what should have been heard by then, and no gap was in it."""
    evidence = calls[burst]
    turn = evidence.report.streams[0].turns[0]
    assert evidence.cut_at is not None

    assert turn.gaps == ()
    assert (evidence.cut_at - turn.start) / 8_000 > 1.3
    assert turn.stop >= evidence.cut_at - 0.010 * 8_000


@pytest.mark.parametrize("burst", BURSTS)
def test_late_audio_of_an_interrupted_turn_is_never_heard(calls: dict[str, Evidence], burst: str) -> None:
    """What the agent still sends of the turn is refused: silence until the next one, heard whole."""
    evidence = calls[burst]
    turn, next_turn = evidence.report.streams[0].turns
    silence = evidence.heard[turn.stop : next_turn.start]

    assert len(silence) > 0.7 * 8_000
    assert not np.any(silence)
    answer = tone.match(evidence.heard[next_turn.start :], NEXT_TURN_HZ)
    assert answer is not None
    assert answer.hz == pytest.approx(NEXT_TURN_HZ, abs=0.5)
    assert answer.samples == pytest.approx(8_000, abs=16)
    assert (answer.holes, answer.clicks) == (0, 0)
    assert evidence.ended.counters["agent_late_bytes"] >= 0.8 * 48_000


def test_a_cough_holds_the_agent_and_loses_nothing(calls: dict[str, Evidence]) -> None:
    """With policy ``pause``, speech that is no interruption stops the agent, who goes on to the sample."""
    evidence = calls["cough"]
    [turn] = evidence.report.streams[0].turns
    [gap] = turn.gaps
    line = evidence.heard
    whole = tone.match(np.concatenate([line[turn.start : gap.start], line[gap.stop : turn.stop]]), 500.0)

    assert 0.4 <= (gap.stop - gap.start) / 8_000 <= 0.8  # 0.8 s less the lead that Twilio had already
    assert turn.stop - turn.start - (gap.stop - gap.start) == pytest.approx(3 * 8_000, abs=2)
    assert whole is not None
    assert (whole.holes, whole.clicks, whole.phase_jumps) == (0, 0, 0)
    assert evidence.interruptions == []
    assert evidence.report.streams[0].clears == 0


def test_a_cough_does_not_count_as_an_interruption_in_the_transcript(calls: dict[str, Evidence]) -> None:
    """The turn was heard to its end, and the transcript says so."""
    last = calls["cough"].words[-1]

    assert not last.cut
    assert (last.heard_ms, last.total_ms) == (3_000, 3_000)


def test_an_objection_ends_a_held_turn_for_good(calls: dict[str, Evidence]) -> None:
    """With policy ``pause``, what was held when the interruption came is never heard."""
    evidence = calls["objection"]
    [turn] = evidence.report.streams[0].turns
    last = evidence.words[-1]

    assert evidence.silent_after_s <= 0.0  # held since the caller began to speak
    assert turn.end == "clear"
    assert not np.any(evidence.heard[turn.stop :])
    assert last.cut
    assert last.heard_ms == pytest.approx((turn.stop - turn.start) / 8, abs=40)
