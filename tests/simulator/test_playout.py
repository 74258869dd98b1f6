"""Twilio's playout buffer: what is heard, when marks come back, what a clear leaves."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.playout import CAP_SAMPLES, RATE_HZ, Earpiece, Gap, Spurt

ORIGIN_S = 1_000.0
SILENCE = b"\xff"


def at(ms: float) -> float:
    """Return the clock's reading ``ms`` after the origin."""
    return ORIGIN_S + ms / 1_000


@pytest.fixture
def earpiece() -> Earpiece:
    """Return an earpiece that has heard nothing."""
    return Earpiece(ORIGIN_S)


class TestPlay:
    """Audio enters the timeline."""

    def test_audio_plays_from_the_moment_it_arrives(self, earpiece: Earpiece) -> None:
        """Silence comes before it, to the sample."""
        earpiece.play(at(10), b"a" * 160)

        assert earpiece.heard(at(40)) == SILENCE * 80 + b"a" * 160 + SILENCE * 80

    def test_audio_that_arrives_early_waits_for_what_is_queued(self, earpiece: Earpiece) -> None:
        """Two pieces sent at once play one after the other."""
        earpiece.play(at(0), b"a" * 160)
        earpiece.play(at(1), b"b" * 160)

        assert earpiece.heard(at(40)) == b"a" * 160 + b"b" * 160

    def test_nothing_is_heard_before_its_time(self, earpiece: Earpiece) -> None:
        """A second of audio is a tenth heard after 100 ms."""
        earpiece.play(at(0), b"a" * RATE_HZ)

        assert earpiece.heard(at(100)) == b"a" * 800
        assert earpiece.buffered(at(100)) == RATE_HZ - 800

    def test_an_arrival_between_two_samples_starts_at_the_next(self, earpiece: Earpiece) -> None:
        """A sample that has begun cannot be filled any more."""
        earpiece.play(ORIGIN_S + 0.5 / RATE_HZ, b"a")

        assert earpiece.heard(ORIGIN_S + 3 / RATE_HZ) == SILENCE + b"a" + SILENCE

    def test_more_than_ten_minutes_are_discarded(self, earpiece: Earpiece) -> None:
        """What fits is kept, the rest is counted and reported."""
        assert earpiece.play(at(0), b"a" * (CAP_SAMPLES - 10))
        assert not earpiece.play(at(0), b"b" * 20)
        assert not earpiece.play(at(0), b"c")

        assert earpiece.discarded_bytes == 11
        assert earpiece.buffered(at(0)) == CAP_SAMPLES

    def test_the_cap_counts_what_waits_and_not_what_was_heard(self, earpiece: Earpiece) -> None:
        """Ten minutes later there is room again."""
        earpiece.play(at(0), b"a" * CAP_SAMPLES)

        assert earpiece.play(at(1_000), b"b" * RATE_HZ)
        assert not earpiece.play(at(1_000), b"b")

    def test_an_empty_payload_changes_nothing(self, earpiece: Earpiece) -> None:
        """No turn begins with it."""
        assert earpiece.play(at(5), b"")

        assert earpiece.spurts(at(10)) == ()

    def test_a_clock_before_the_origin_reads_as_zero(self, earpiece: Earpiece) -> None:
        """Audio that races the start plays at sample 0."""
        earpiece.play(at(-5), b"a" * 8)

        assert earpiece.position(at(-5)) == 0
        assert earpiece.heard(at(1)) == b"a" * 8


class TestMarks:
    """Marks come back when what was sent before them has played."""

    def test_a_mark_waits_for_all_audio_before_it(self, earpiece: Earpiece) -> None:
        """It is not due one sample early."""
        earpiece.play(at(0), b"a" * 800)
        earpiece.mark("end")

        assert earpiece.due_marks(at(100) - 1 / RATE_HZ) == []
        assert earpiece.due_marks(at(100)) == ["end"]

    def test_a_mark_on_an_idle_line_is_due_at_once(self, earpiece: Earpiece) -> None:
        """Nothing is buffered, so nothing is awaited."""
        earpiece.play(at(0), b"a" * 8)
        earpiece.mark("end")

        assert earpiece.due_marks(at(50)) == ["end"]

    def test_a_mark_before_any_audio_is_due_at_once(self, earpiece: Earpiece) -> None:
        """Even at sample 0."""
        earpiece.mark("first")

        assert earpiece.due_marks(at(0)) == ["first"]

    def test_marks_come_back_once_and_in_order(self, earpiece: Earpiece) -> None:
        """Each after its own audio."""
        earpiece.play(at(0), b"a" * 80)
        earpiece.mark("one")
        earpiece.mark("two")
        earpiece.play(at(0), b"a" * 80)
        earpiece.mark("three")

        assert earpiece.due_marks(at(10)) == ["one", "two"]
        assert earpiece.due_marks(at(19)) == []
        assert earpiece.due_marks(at(30)) == ["three"]
        assert earpiece.due_marks(at(40)) == []

    def test_the_next_deadline_is_the_moment_the_mark_is_due(self, earpiece: Earpiece) -> None:
        """Sleeping until it is enough."""
        earpiece.play(at(3), b"a" * 33)
        earpiece.mark("end")
        deadline = earpiece.next_deadline(at(3))

        assert deadline is not None
        assert earpiece.due_marks(deadline - 1e-4) == []
        assert earpiece.due_marks(deadline) == ["end"]

    def test_there_is_no_deadline_without_marks(self, earpiece: Earpiece) -> None:
        """Audio alone needs no waking."""
        earpiece.play(at(0), b"a" * 160)

        assert earpiece.next_deadline(at(0)) is None

    def test_an_overdue_mark_is_due_now(self, earpiece: Earpiece) -> None:
        """The deadline never lies in the past."""
        earpiece.mark("late")

        assert earpiece.next_deadline(at(77)) == at(77)


class TestClear:
    """A clear empties the queue and gives back the marks."""

    def test_what_plays_stops_at_that_sample(self, earpiece: Earpiece) -> None:
        """The rest is counted as flushed."""
        earpiece.play(at(0), b"a" * 800)

        earpiece.clear(at(30))

        assert earpiece.heard(at(100)) == b"a" * 240 + SILENCE * 560
        assert (earpiece.flushed_bytes, earpiece.buffered(at(30))) == (560, 0)

    def test_every_pending_mark_comes_back_in_order(self, earpiece: Earpiece) -> None:
        """They look as if they had been played."""
        earpiece.play(at(0), b"a" * 800)
        earpiece.mark("one")
        earpiece.play(at(0), b"a" * 800)
        earpiece.mark("two")

        assert earpiece.clear(at(30)) == ["one", "two"]
        assert earpiece.due_marks(at(500)) == []

    def test_audio_after_a_clear_plays_at_once(self, earpiece: Earpiece) -> None:
        """Nothing old is in its way."""
        earpiece.play(at(0), b"a" * 8_000)
        earpiece.clear(at(10))
        earpiece.play(at(10), b"b" * 80)

        assert earpiece.heard(at(20)) == b"a" * 80 + b"b" * 80

    def test_pieces_that_have_not_begun_go_whole(self, earpiece: Earpiece) -> None:
        """A burst of small pieces is cut in the one that plays."""
        for _ in range(50):
            earpiece.play(at(0), b"a" * 160)

        earpiece.clear(at(50))

        assert earpiece.flushed_bytes == 50 * 160 - 400

    def test_a_clear_of_an_idle_line_changes_nothing(self, earpiece: Earpiece) -> None:
        """What was heard stays heard."""
        earpiece.play(at(0), b"a" * 80)

        assert earpiece.clear(at(50)) == []
        assert earpiece.heard(at(50)) == b"a" * 80 + SILENCE * 320
        assert earpiece.clears == 1


class TestSpurts:
    """Turns and the gaps in them."""

    def test_a_turn_lasts_from_its_first_sample_to_its_last(self, earpiece: Earpiece) -> None:
        """Its mark ends it."""
        earpiece.play(at(10), b"a" * 160)
        earpiece.mark("end")

        assert earpiece.spurts(at(100)) == (Spurt(80, 240, (), "mark"),)

    def test_a_turn_under_way_is_open(self, earpiece: Earpiece) -> None:
        """It ends, for now, with what was heard."""
        earpiece.play(at(0), b"a" * 800)

        assert earpiece.spurts(at(50)) == (Spurt(0, 400, (), "open"),)

    def test_audio_that_comes_late_leaves_a_gap(self, earpiece: Earpiece) -> None:
        """Without a mark it is the same turn."""
        earpiece.play(at(0), b"a" * 160)
        earpiece.play(at(30), b"a" * 160)

        assert earpiece.spurts(at(100)) == (Spurt(0, 400, (Gap(160, 240),), "dry"),)

    @pytest.mark.parametrize("late_ms", [900, 1_500, 60_000])
    def test_a_gap_has_no_longest_length(self, earpiece: Earpiece, late_ms: int) -> None:
        """A turn that ran dry and went on has a gap, the worse the longer."""
        earpiece.play(at(0), b"a" * 160)
        earpiece.play(at(20 + late_ms), b"a" * 160)

        (spurt,) = earpiece.spurts(at(late_ms + 100))
        assert spurt.gaps == (Gap(160, 160 + late_ms * 8),)

    def test_audio_after_a_mark_and_a_silence_is_another_turn(self, earpiece: Earpiece) -> None:
        """The mark said that the turn was over, so there is no gap."""
        earpiece.play(at(0), b"a" * 160)
        earpiece.mark("end")
        earpiece.play(at(50), b"a" * 160)

        assert earpiece.spurts(at(100)) == (Spurt(0, 160, (), "mark"), Spurt(400, 560, (), "dry"))

    def test_audio_right_behind_a_mark_goes_on_with_the_turn(self, earpiece: Earpiece) -> None:
        """Without silence there is nothing to part them."""
        earpiece.play(at(0), b"a" * 160)
        earpiece.mark("middle")
        earpiece.play(at(5), b"a" * 160)

        assert earpiece.spurts(at(100)) == (Spurt(0, 320, (), "dry"),)

    def test_a_clear_ends_the_turn_at_that_sample(self, earpiece: Earpiece) -> None:
        """What follows is another turn, even without a silence."""
        earpiece.play(at(0), b"a" * 800)
        earpiece.clear(at(20))
        earpiece.play(at(20), b"b" * 80)

        assert earpiece.spurts(at(100)) == (Spurt(0, 160, (), "clear"), Spurt(160, 240, (), "dry"))

    def test_a_flushed_late_piece_leaves_no_gap(self, earpiece: Earpiece) -> None:
        """Silence at the end of a turn is no gap in it."""
        earpiece.play(at(0), b"a" * 160)
        earpiece.play(at(40), b"a" * 160)
        earpiece.clear(at(40))

        assert earpiece.spurts(at(100)) == (Spurt(0, 160, (), "clear"),)

    def test_a_turn_of_which_nothing_was_heard_is_none(self, earpiece: Earpiece) -> None:
        """Cleared in the instant it came."""
        earpiece.play(at(40), b"a" * 160)
        earpiece.clear(at(40))

        assert earpiece.spurts(at(100)) == ()


class TestFirstSound:
    """When the agent is first audible: not the first byte."""

    LOUD = bytes([0x80 + 0x10, 0x10]) * 80

    def test_silence_is_no_sound(self, earpiece: Earpiece) -> None:
        """However much of it is played."""
        earpiece.play(at(0), SILENCE * 8_000)

        assert earpiece.first_sound(at(2_000)) is None

    def test_sound_behind_silence_is_found(self, earpiece: Earpiece) -> None:
        """In the same piece or in a later one."""
        earpiece.play(at(0), SILENCE * 8_000)
        earpiece.play(at(0), SILENCE * 320 + self.LOUD)
        earpiece.play(at(0), self.LOUD)

        assert earpiece.first_sound(at(2_000)) == 8_320

    def test_what_has_not_been_heard_yet_is_none(self, earpiece: Earpiece) -> None:
        """It waits in the buffer."""
        earpiece.play(at(0), SILENCE * 800 + self.LOUD)

        assert earpiece.first_sound(at(100)) is None
        assert earpiece.first_sound(at(101)) == 800

    def test_what_was_cleared_was_never_heard(self, earpiece: Earpiece) -> None:
        """The next sound is the first."""
        earpiece.play(at(0), SILENCE * 800 + self.LOUD)
        earpiece.clear(at(50))
        earpiece.play(at(200), self.LOUD)

        assert earpiece.first_sound(at(500)) == 1_600

    def test_it_is_known_without_a_recording(self) -> None:
        """Load keeps no audio."""
        earpiece = Earpiece(ORIGIN_S, keep_audio=False)
        earpiece.play(at(30), self.LOUD[:100])

        assert earpiece.first_sound(at(10_000)) == 240


class TestForgetting:
    """Without a recording only the last two seconds stay."""

    def test_old_audio_is_dropped(self) -> None:
        """The counters go on as with a recording."""
        earpiece = Earpiece(ORIGIN_S, keep_audio=False)
        for second in range(10):
            earpiece.play(at(second * 1_000), b"a" * RATE_HZ)

        assert earpiece.received_bytes == 10 * RATE_HZ
        assert earpiece.heard_between(0, 8) == SILENCE * 8
        assert earpiece.heard_between(9 * RATE_HZ, 9 * RATE_HZ + 8) == b"a" * 8

    def test_the_turns_are_kept(self) -> None:
        """They are numbers, not audio."""
        earpiece = Earpiece(ORIGIN_S, keep_audio=False)
        for second in range(10):
            earpiece.play(at(second * 1_000), b"a" * RATE_HZ)

        assert earpiece.spurts(at(10_000)) == (Spurt(0, 10 * RATE_HZ, (), "dry"),)


@dataclass
class Model:
    """What a naive listener would note: one sample after the other."""

    queue: list[int] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)

    def listen(self, samples: int) -> None:
        """Let samples pass."""
        for _ in range(samples):
            self.heard.append(self.queue.pop(0) if self.queue else 0xFF)


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(0, 900)),
        st.tuples(st.just("mark"), st.just(0)),
        st.tuples(st.just("clear"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 1_200)),
    ),
    max_size=40,
)


@given(OPERATIONS)
def test_earpiece_equals_a_sample_by_sample_model(operations: list[tuple[str, int]]) -> None:
    """What is heard is the model's to the byte, and no byte is ever lost or made up."""
    earpiece, model, now, audio = Earpiece(ORIGIN_S), Model(), 0, 0
    for name, size in operations:
        moment = ORIGIN_S + now / RATE_HZ
        if name == "play":
            earpiece.play(moment, bytes([size % 200]) * size)
            model.queue += [size % 200] * size
            audio += size
        elif name == "mark":
            earpiece.mark("m")
        elif name == "clear":
            earpiece.clear(moment)
            model.queue.clear()
        else:
            model.listen(size)
            now += size

        moment = ORIGIN_S + now / RATE_HZ
        assert earpiece.heard(moment) == bytes(model.heard)
        assert earpiece.buffered(moment) == len(model.queue)
        assert earpiece.received_bytes == audio
        heard_audio = sum(byte != 0xFF for byte in model.heard)
        assert audio == heard_audio + earpiece.flushed_bytes + len(model.queue)


@given(OPERATIONS)
def test_marks_come_back_in_order_exactly_once_and_never_early(operations: list[tuple[str, int]]) -> None:
    """Whatever is sent, each mark returns once, in turn, and only when its audio was heard or flushed."""
    earpiece, now_s = Earpiece(ORIGIN_S), ORIGIN_S
    sent: list[str] = []
    returned: list[str] = []
    owed: dict[str, int] = {}
    for name, size in operations:
        if name == "play":
            earpiece.play(now_s, b"a" * size)
        elif name == "mark":
            sent.append(f"m{len(sent)}")
            owed[sent[-1]] = earpiece.received_bytes
            earpiece.mark(sent[-1])
        elif name == "clear":
            returned += earpiece.clear(now_s)
        else:
            now_s += size / RATE_HZ + 1e-5
        due = earpiece.due_marks(now_s)
        settled = earpiece.received_bytes - earpiece.buffered(now_s)
        assert all(owed[mark] <= settled for mark in due)
        returned += due
    returned += earpiece.due_marks(now_s + 600)

    assert returned == sent


@given(OPERATIONS)
def test_spurts_cover_exactly_the_audio_heard(operations: list[tuple[str, int]]) -> None:
    """Outside turns, and in their gaps, there is silence; everywhere else there is audio."""
    earpiece, now_s = Earpiece(ORIGIN_S), ORIGIN_S
    for name, size in operations:
        if name == "play":
            earpiece.play(now_s, b"a" * size)
        elif name == "mark":
            earpiece.mark("m")
        elif name == "clear":
            earpiece.clear(now_s)
        else:
            now_s += size / RATE_HZ
    expected = bytearray(SILENCE * earpiece.position(now_s))
    for spurt in earpiece.spurts(now_s):
        expected[spurt.start : spurt.stop] = b"a" * (spurt.stop - spurt.start)
        for gap in spurt.gaps:
            expected[gap.start : gap.stop] = SILENCE * (gap.stop - gap.start)

    assert earpiece.heard(now_s) == bytes(expected)
