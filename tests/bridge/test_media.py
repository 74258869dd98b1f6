"""The two audio chains, pushed by hand on a clock turned by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audio import clips, pcm, ulaw
from gateway.audio.heard import TurnHeard
from gateway.audio.playout import MarkDue, Playout
from gateway.audio.resample import Kind, make_resampler
from gateway.bridge.media import Cleared, Downlink, Uplink
from tests.bridge.stage import speech

MS = 8  # bytes of µ-law
SILENCE = bytes([ulaw.SILENCE]) * (250 * MS)  # what a drain leaves behind the last word


def downlink(kind: Kind = "soxr", **playout: int) -> Downlink:
    """Return a chain with an idle line."""
    return Downlink(make_resampler(kind, 24_000, 8_000), Playout(**playout))


def play_out(chain: Downlink, now: float, until: float) -> tuple[bytes, list[str]]:
    """Take everything at its deadline until a time; return the audio and the names of the marks."""
    audio, marks = b"", []
    while True:
        for item in chain.pop_due(now):
            if isinstance(item, MarkDue):
                marks.append(item.name)
            else:
                audio += item
        due = chain.next_deadline()
        if due is None or due > until:
            return audio, marks
        now = max(now, due)


def tone(ms: int, hz: float = 1000.0) -> bytes:
    """Return a tone of the agent: PCM16 at 24 kHz."""
    at = np.arange(24 * ms) / 24_000
    return pcm.to_bytes((8_000 * np.sin(2 * np.pi * hz * at)).astype(np.int16))


@pytest.mark.parametrize("kind", ["soxr", "low_delay"])
def test_uplink_triples_the_rate(kind: Kind) -> None:
    """A second of µ-law becomes a second of PCM16 at 24 kHz, less the delay of the resampler."""
    resampler = make_resampler(kind, 8_000, 24_000)
    uplink = Uplink(resampler)
    out = b"".join(uplink.push(bytes([0x10, 0x90]) * 80) for _ in range(50))

    assert len(out) % 2 == 0
    assert 1000 - len(out) / 48 == pytest.approx(resampler.delay_ms, abs=1)
    assert uplink.level.rms_dbfs > -20


@pytest.mark.parametrize("kind", ["soxr", "low_delay"])
def test_uplink_that_has_ended_holds_nothing(kind: Kind) -> None:
    """After the end the next frame is the first of a new stream."""
    fresh, used = (Uplink(make_resampler(kind, 8_000, 24_000)) for _ in range(2))
    for _ in range(5):
        used.push(bytes([0x10, 0x90]) * 80)
    used.end()

    assert used.push(b"\x30" * 160) == fresh.push(b"\x30" * 160)


def test_uplink_takes_any_length() -> None:
    """An empty frame and an odd one are carried like any other."""
    uplink = Uplink(make_resampler("low_delay", 8_000, 24_000))

    assert uplink.push(b"") == b""
    assert len(b"".join(uplink.push(b"\x10" * 7) for _ in range(100))) % 2 == 0


@pytest.mark.parametrize("kind", ["soxr", "low_delay"])
def test_turn_comes_out_whole(kind: Kind) -> None:
    """A turn in odd chunks comes out as long as it went in, its tone intact, with a mark behind it."""
    chain = downlink(kind)
    said = tone(1000)
    for start in range(0, len(said), 1_001):
        chain.push("t1", said[start : start + 1_001], 0.0, final=False)
    chain.push("t1", b"", 0.0, final=True)

    audio, marks = play_out(chain, 0.0, 9.0)

    assert len(audio) == 1000 * MS
    assert marks == ["turn-1-1"]
    spectrum = np.abs(np.fft.rfft(ulaw.decode(audio)[800:7200].astype(np.float64)))
    assert np.argmax(spectrum) * 8000 / 6400 == pytest.approx(1000, abs=2)
    assert chain.level.peak_dbfs == pytest.approx(20 * np.log10(8_000 / 32_768), abs=0.5)


def test_turn_nobody_ends_is_ended_by_the_dry_line() -> None:
    """Without a final chunk the resampler's rest follows when the line is about to run dry."""
    chain = downlink(jitter_ms=0)
    chain.push("t1", speech(300), 0.0, final=False)

    audio, marks = play_out(chain, 0.0, 9.0)

    assert len(audio) == 300 * MS
    assert marks == ["turn-1-1"]
    assert chain.next_deadline() is None


def test_dry_line_is_ended_in_time() -> None:
    """The rest leaves before the caller hears a gap."""
    chain = downlink(jitter_ms=0)
    chain.push("t1", speech(300), 0.0, final=False)
    chain.pop_due(0.0)
    chain.pop_due(0.2)

    due = chain.next_deadline()

    assert due is not None
    assert chain.playout.horizon - due == pytest.approx(0.025)


@pytest.mark.parametrize("chunk_ms", [20, 40, 100])
@pytest.mark.parametrize("kind", ["soxr", "low_delay"])
def test_agent_that_speaks_in_real_time_is_not_ended_between_two_chunks(kind: Kind, chunk_ms: int) -> None:
    """A tone that comes as fast as it plays, each chunk up to 20 ms late, leaves as one piece of tone."""
    chain = downlink(kind)
    said, size = tone(2_000), chunk_ms * 48
    audio, now = b"", 0.0
    marks: list[str] = []
    for number, start in enumerate(range(0, len(said), size)):
        arrival = (number * chunk_ms + 20 * (number % 3 == 1)) / 1000
        more, names = play_out(chain, now, arrival)
        audio, marks, now = audio + more, marks + names, arrival
        chain.push("t1", said[start : start + size], now, final=False)
    more, names = play_out(chain, now, now + 9.0)

    assert len(audio + more) == 2_000 * MS
    assert marks + names == ["turn-1-1"]
    assert chain.playout.counters.underruns <= 1  # the first cushion may be too small, the second is not


def test_first_chunk_shorter_than_the_delay_waits_for_more() -> None:
    """A chunk that is still whole in the resampler does not end its own utterance."""
    chain = downlink()
    chain.push("t1", speech(10), 0.0, final=False)

    assert chain.pop_due(0.0) == []
    assert chain.next_deadline() == pytest.approx(0.070)
    audio, marks = play_out(chain, 0.070, 9.0)
    assert (len(audio), marks) == (10 * MS, ["turn-1-1"])


def test_turn_that_speaks_on_gets_another_mark() -> None:
    """Each utterance of a turn has a mark of its own name, however many are under way."""
    chain = downlink(jitter_ms=0)
    names: list[str] = []
    for n in range(3):
        chain.push("t1", speech(100), 0.1 * n, final=True)
        names += play_out(chain, 0.1 * n, 0.1 * n)[1]
        if n == 1:
            chain.mark_returned(names[0], 0.15, flushed=False)

    assert len(set(names)) == 3
    assert chain.counters.turns == 1


def test_new_turn_flushes_the_one_before() -> None:
    """A turn that begins before the last was declared final stands behind all of it."""
    chain = downlink()
    chain.push("t1", speech(200), 0.0, final=False)
    chain.push("t2", speech(200), 0.0, final=True)

    audio, marks = play_out(chain, 0.0, 9.0)

    assert len(audio) == 400 * MS
    assert marks == ["turn-1-1", "turn-2-2"]


def test_turn_without_a_name_is_played() -> None:
    """An agent that names no turns is heard; its marks end no turn anybody asked about."""
    chain = downlink()
    chain.push("", speech(200), 0.0, final=True)
    audio, marks = play_out(chain, 0.0, 9.0)

    assert len(audio) == 200 * MS
    assert chain.mark_returned(marks[0], 0.3, flushed=False) is None
    chain.clear(0.5)
    chain.push("", speech(200), 1.0, final=True)
    assert len(play_out(chain, 1.0, 9.0)[0]) == 200 * MS


def test_mark_tells_what_was_heard() -> None:
    """The mark of a turn that ran its course says that all of it was heard, once."""
    chain = downlink()
    chain.push("t1", speech(500), 0.0, final=True)
    _, (mark,) = play_out(chain, 0.0, 9.0)

    assert chain.mark_returned(mark, 0.5, flushed=False) == ("t1", TurnHeard("t1", 500, 500))
    assert chain.mark_returned(mark, 0.6, flushed=False) is None
    assert chain.mark_returned("nobody's", 0.6, flushed=False) is None


def test_flushed_mark_tells_nothing() -> None:
    """A mark that a ``clear`` threw back says nothing about what was heard."""
    chain = downlink()
    chain.push("t1", speech(100), 0.0, final=True)
    _, (mark,) = play_out(chain, 0.0, 0.0)
    chain.clear(0.05)

    assert chain.mark_returned(mark, 0.06, flushed=True) is None


def test_clear_refuses_what_comes_late() -> None:
    """After a clear the cut turn is refused, and counted; the next turn plays, none of the old in it."""
    chain = downlink()
    chain.push("t1", tone(2000, 3000), 0.0, final=False)
    play_out(chain, 0.0, 0.5)

    cleared = chain.clear(0.5)
    assert chain.push("t1", speech(100), 0.5, final=True) == "nothing"
    chain.push("t2", tone(500, 500), 0.5, final=True)
    audio, marks = play_out(chain, 0.5, 9.0)

    assert cleared == Cleared((("t1", TurnHeard("t1", 500, 1975)),), 1475)
    assert chain.counters.late_bytes == len(speech(100))
    assert (len(audio), marks) == (500 * MS, ["turn-2-1"])
    assert np.abs(ulaw.decode(audio)[:40]).max() <= 8_100


def test_clear_covers_every_turn_that_waits() -> None:
    """Turns that wait behind the one in the ear are cut and refused as well."""
    chain = downlink()
    for turn in ("t1", "t2", "t3"):
        chain.push(turn, speech(300), 0.0, final=True)
    play_out(chain, 0.0, 0.0)

    cleared = chain.clear(0.1)

    assert [turn for turn, _ in cleared.turns] == ["t1", "t2", "t3"]
    assert [heard.heard_ms for _, heard in cleared.turns] == [100, 0, 0]
    late = {chain.push(turn, speech(10), 0.2, final=True) for turn in ("t1", "t2", "t3")}
    assert late == {"nothing"}
    assert play_out(chain, 0.2, 9.0) == (b"", [])


def test_clear_of_a_silent_line() -> None:
    """An interruption while nothing plays takes nothing away."""
    chain = downlink()

    assert chain.clear(1.0) == Cleared((), 0)


def test_refusals_are_bounded() -> None:
    """Only the last sixteen cut turns are remembered."""
    chain = downlink()
    for n in range(20):
        chain.push(f"t{n}", speech(20), float(n), final=False)
        chain.clear(float(n))

    chain.push("t19", speech(20), 30.0, final=True)
    assert play_out(chain, 30.0, 31.0) == (b"", [])
    chain.push("t3", speech(20), 32.0, final=True)
    assert len(play_out(chain, 32.0, 40.0)[0]) == 20 * MS


def test_clip_stands_behind_what_waits() -> None:
    """A clip follows the broken turn, which is heard out to its last sample."""
    chain = downlink()
    chain.push("t1", speech(300), 0.0, final=False)
    chain.insert("clip", clips.load("one_moment"), 0.0)

    audio, marks = play_out(chain, 0.0, 9.0)

    assert audio[300 * MS :] == clips.load("one_moment")
    assert marks == ["turn-1-1", "clip-2"]


def test_clip_gives_way_to_the_agent() -> None:
    """The agent's audio takes the place of a clip in the ear: what was sent of it is to be cleared."""
    chain = downlink()
    chain.insert("clip", clips.load("one_moment"), 0.0)
    heard, _ = play_out(chain, 0.0, 0.2)

    assert chain.push("t1", speech(100), 0.2, final=True) == "cuts_in"
    audio, _ = play_out(chain, 0.2, 9.0)
    assert len(heard) < len(clips.load("one_moment"))
    assert len(audio) == 100 * MS


def test_clip_that_still_waits_is_dropped_quietly() -> None:
    """A clip behind a turn is dropped without a clear when the agent speaks again."""
    chain = downlink()
    chain.push("t1", speech(500), 0.0, final=True)
    chain.insert("clip", clips.load("one_moment"), 0.0)
    first, _ = play_out(chain, 0.0, 0.0)

    assert chain.push("t2", speech(100), 0.0, final=True) == "heard"
    rest, _ = play_out(chain, 0.0, 9.0)
    assert len(first + rest) == 600 * MS


def test_clip_that_was_heard_needs_no_clear() -> None:
    """A clip that was heard out is no reason to clear anything."""
    chain = downlink()
    chain.insert("clip", clips.load("one_moment"), 0.0)
    play_out(chain, 0.0, 2.0)

    assert chain.push("t1", speech(100), 2.0, final=True) == "heard"


def test_clear_of_a_clip_names_no_turn() -> None:
    """A cut clip is no turn of the agent."""
    chain = downlink()
    chain.insert("clip", clips.load("apology"), 0.0)
    play_out(chain, 0.0, 0.3)

    cleared = chain.clear(0.3)

    assert cleared.turns == ()
    assert cleared.dropped_ms > 1000


def test_end_of_an_utterance_cuts_no_clip() -> None:
    """An empty last chunk is nothing to be heard: a clip in the ear goes on."""
    chain = downlink()
    chain.push("t1", speech(100), 0.0, final=False)
    first, _ = play_out(chain, 0.0, 0.5)
    chain.insert("clip", clips.load("one_moment"), 1.0)
    heard, _ = play_out(chain, 1.0, 1.2)

    assert chain.push("t1", b"", 1.2, final=True) == "nothing"
    rest, _ = play_out(chain, 1.2, 9.0)
    assert first + heard + rest == first + clips.load("one_moment")
    assert chain.push("t2", speech(100), 1.3, final=True) == "cuts_in"


def test_agent_whose_turn_goes_by_the_name_of_a_clip() -> None:
    """An agent that calls its turn as we call our own audio loses nothing by it."""
    chain = downlink()
    for name in ("clip", "comfort", "keys"):
        chain.push(name, speech(200), 0.0, final=True)
    chain.hush(0.0)
    chain.push("t", speech(100), 0.0, final=True)

    assert len(play_out(chain, 0.0, 9.0)[0]) == 700 * MS


def test_comfort_can_be_hushed() -> None:
    """Comfort in the ear is dropped at a word, and says whether Twilio has to be told."""
    chain = downlink()
    assert chain.hush(0.0) is False
    chain.insert("comfort", b"\x10" * (800 * MS), 0.0)
    heard, marks = play_out(chain, 0.0, 0.3)

    assert chain.hush(0.3) is True
    assert (len(heard), marks) == (500 * MS, [])
    assert play_out(chain, 0.3, 9.0) == (b"", [])
    assert chain.playout.free_at(0.3) == 0.3


def test_hush_leaves_clips_and_keys() -> None:
    """Only the comfort is hushed; what else is ours plays on."""
    chain = downlink()
    chain.insert("clip", b"\x10" * (300 * MS), 0.0)
    chain.insert("comfort", b"\x20" * (300 * MS), 0.0)
    chain.insert("keys", b"\x30" * (300 * MS), 0.0)

    assert chain.hush(0.0) is False
    audio, marks = play_out(chain, 0.0, 9.0)
    assert audio == b"\x10" * (300 * MS) + b"\x30" * (300 * MS)
    assert marks == ["clip-1", "keys-2"]


def test_comfort_goes_on_without_a_seam() -> None:
    """Comfort fed piece by piece, each before the last was heard, leaves as one piece, at once."""
    chain = downlink()
    tone_of_ours = bytes(range(1, 101)) * 128
    chain.insert("comfort", tone_of_ours[:6_400], 0.0)
    first, _ = play_out(chain, 0.0, 0.3)
    chain.insert("comfort", tone_of_ours[6_400:], 0.3)
    rest, _ = play_out(chain, 0.3, 9.0)

    assert len(first) == 500 * MS
    assert first + rest == tone_of_ours
    assert chain.playout.horizon == pytest.approx(1.6)
    assert chain.playout.counters.underruns == 0


def test_keys_outlast_the_agent_and_the_caller() -> None:
    """Keys behind the agent's words are heard whole, whatever the agent says next and whoever interrupts."""
    keys = b"\x30" * (300 * MS)
    chain = downlink()
    chain.push("t1", tone(500), 0.0, final=True)
    chain.insert("keys", keys, 0.0)
    assert chain.push("t2", tone(500), 0.0, final=True) == "heard"
    first, _ = play_out(chain, 0.0, 0.15)

    cleared = chain.clear(0.15, keep_keys=True)

    assert cleared.voided
    assert [turn for turn, _ in cleared.turns] == ["t1", "t2"]
    audio, marks = play_out(chain, 0.15, 9.0)
    assert (len(first), audio, marks) == (300 * MS, keys, ["keys-2"])


def test_keys_in_the_ear_are_not_cut_by_an_interruption() -> None:
    """While keys are being heard what was sent is left alone: a key cut short would be another number."""
    keys = b"\x30" * (300 * MS)
    chain = downlink()
    chain.insert("keys", keys, 0.0)
    chain.push("t1", tone(500), 0.0, final=True)
    first, _ = play_out(chain, 0.0, 0.05)

    cleared = chain.clear(0.05, keep_keys=True)

    assert not cleared.voided
    assert [turn for turn, _ in cleared.turns] == ["t1"]
    rest, _ = play_out(chain, 0.05, 9.0)
    assert first + rest == keys


def test_keys_go_with_a_line_that_is_cleared_for_good() -> None:
    """A clear that is no interruption takes the keys as well."""
    chain = downlink()
    chain.insert("keys", b"\x30" * (300 * MS), 0.0)
    play_out(chain, 0.0, 0.05)

    cleared = chain.clear(0.05)

    assert (cleared.turns, cleared.voided) == ((), True)
    assert play_out(chain, 0.05, 9.0) == (b"", [])


def test_drain_puts_a_last_mark_behind_the_rest() -> None:
    """The last mark stands behind all that is left, the resampler's rest too, and a short silence."""
    chain = downlink()
    chain.push("t1", speech(300), 0.0, final=False)

    assert chain.drain(0.0) == "end"
    audio, marks = play_out(chain, 0.0, 9.0)
    assert audio[300 * MS :] == SILENCE
    assert marks == ["turn-1-1", "end"]
    assert chain.mark_returned("end", 0.3, flushed=False) is None


def test_drain_of_a_silent_line() -> None:
    """With nothing left to hear the last mark leaves right behind the silence."""
    chain = downlink()
    chain.drain(0.0)

    assert play_out(chain, 0.0, 9.0) == (SILENCE, ["end"])


bursts = st.lists(st.tuples(st.sampled_from(["t1", "t2", ""]), st.integers(0, 5_000), st.booleans()))


@settings(max_examples=60, deadline=None)
@given(bursts)
def test_samples_in_are_samples_out(chunks: list[tuple[str, int, bool]]) -> None:
    """Whatever the chunks, each utterance comes out as long as it went in, rounded up to a whole sample."""
    chain = downlink("low_delay")
    expected, open_bytes, before = 0, 0, None
    for turn, size, final in chunks:
        if turn != before:
            expected, open_bytes, before = expected - (-(open_bytes // 2) // 3), 0, turn
        chain.push(turn, b"\x01" * size, 0.0, final=final)
        open_bytes += size
        if final:
            expected, open_bytes = expected - (-(open_bytes // 2) // 3), 0
    expected -= -(open_bytes // 2) // 3
    chain.drain(0.0)

    audio, marks = play_out(chain, 0.0, 1e6)

    assert len(audio) == expected + len(SILENCE)
    assert len(set(marks)) == len(marks)
