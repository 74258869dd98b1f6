"""A tone through the whole gateway and back: all that a caller can hear of its audio chains."""

import os
from functools import partial
from typing import Final

import pytest

from gateway.audio.resample import Kind
from gateway.records import Reason
from gateway.sandbox.scripted import Echo
from gateway.simulator.caller import ToneCaller
from gateway.simulator.report import CallReport
from gateway.simulator.tone import ToneMatch
from tests.e2e.running import run_all, undisturbed
from tests.e2e.town import Plan, town

# The acceptance run takes 60 s; nothing but patience is different then.
TONE_S = float(os.environ.get("E2E_TONE_S", "5"))
RESAMPLERS: Final[tuple[Kind, ...]] = ("soxr", "low_delay")
LOW_HZ, HIGH_HZ = 1_004.0, 3_389.0  # no whole number of periods in a frame

Returned = dict[tuple[Kind, float], CallReport]


async def send_tone(resampler: Kind, hz: float, seconds: float) -> CallReport:
    """Send a tone through a gateway to an agent that sends it back, and hang up."""
    async with town(Plan(Echo(), settings={"audio.resampler": resampler})) as place:
        report = await place.call(ToneCaller(hz, seconds))
        assert (await place.ending(report)).reason is Reason.CALLER_HUNG_UP
    return report


def is_kept(report: CallReport) -> bool:
    """Tell whether nothing is to be said against a call."""
    return report.kept


def send_tones(seconds: float) -> Returned:
    """Send a low and a high tone through each resampler, all at the same time."""
    tones = [(kind, hz) for kind in RESAMPLERS for hz in (LOW_HZ, HIGH_HZ)]
    scenes = {
        (kind, hz): partial(undisturbed, partial(send_tone, kind, hz, seconds), is_kept) for kind, hz in tones
    }
    return run_all(scenes)


def tone_of(report: CallReport) -> ToneMatch:
    """Return the tone that came back."""
    assert report.tone is not None, "no tone came back"
    return report.tone


@pytest.fixture(scope="module")
def returned() -> Returned:
    """All four tones, as the callers heard them."""
    return send_tones(TONE_S)


@pytest.mark.timeout(4 * TONE_S + 60)
@pytest.mark.parametrize("resampler", RESAMPLERS)
def test_low_tone_comes_back_whole(returned: Returned, resampler: Kind) -> None:
    """1,004 Hz comes back with a SINAD of 34 dB or more, to the frame as long, without gap, hole or click."""
    report = returned[resampler, LOW_HZ]
    tone = tone_of(report)

    assert tone.sinad_db >= 34.0
    assert abs(tone.samples - TONE_S * 8_000) <= 160
    assert (tone.holes, tone.clicks, tone.phase_jumps) == (0, 0, 0)
    assert report.streams[0].gaps_ms == ()
    assert tone.hz == pytest.approx(LOW_HZ, abs=0.01)


@pytest.mark.parametrize("resampler", RESAMPLERS)
def test_high_tone_comes_back_as_loud_as_the_low_one(returned: Returned, resampler: Kind) -> None:
    """3.4 kHz, the top of the telephone's band, is within half a decibel of 1 kHz, and as long."""
    low, high = (tone_of(returned[resampler, hz]) for hz in (LOW_HZ, HIGH_HZ))

    assert abs(high.dbfs - low.dbfs) <= 0.5
    assert abs(high.samples - TONE_S * 8_000) <= 160
    assert (high.holes, high.clicks) == (0, 0)


@pytest.mark.parametrize("hz", [LOW_HZ, HIGH_HZ])
@pytest.mark.parametrize("resampler", RESAMPLERS)
def test_tone_call_keeps_every_promise(returned: Returned, resampler: Kind, hz: float) -> None:
    """The simulator, who judges as Twilio would, has nothing to say against any of the calls."""
    report = returned[resampler, hz]

    assert [str(promise) for promise in report.promises if not promise.held] == []
    assert report.streams[0].frames_dropped == 0
