"""The timeline against a model that holds every sample by itself."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.recording.timeline import SILENCE, StreamClock, Timeline

MS = 8
START_S = 100.0
QUIET = SILENCE[0]


def speech(ms: int, value: int = 1) -> bytes:
    """Return so much µ-law, told apart by its value."""
    return bytes([value]) * (ms * MS)


def sides(pairs: bytes) -> tuple[bytes, bytes]:
    """Return left and right."""
    assert len(pairs) % 2 == 0
    return pairs[::2], pairs[1::2]


def runs(side: bytes) -> list[tuple[int, float]]:
    """Return a side as (value, milliseconds) for each run of one value."""
    found: list[tuple[int, float]] = []
    for value in side:
        if found and found[-1][0] == value:
            found[-1] = (value, found[-1][1] + 1 / MS)
        else:
            found.append((value, 1 / MS))
    return found


def frame(timeline: Timeline, timestamp_ms: int, value: int = 1, late_s: float = 0.0) -> None:
    """Let a frame of 20 ms arrive at its time, or later."""
    timeline.caller(speech(20, value), timestamp_ms, START_S + timestamp_ms / 1000 + late_s)


def test_frames_in_order_are_the_left_side() -> None:
    """Frames that follow one another stand as they came, the agent's side is silence."""
    timeline = Timeline(START_S)
    for number in range(5):
        frame(timeline, 20 * number, number)

    left, right = sides(timeline.finish(START_S + 0.1))

    assert left == b"".join(speech(20, number) for number in range(5))
    assert right == SILENCE * len(left)


@pytest.mark.parametrize(
    ("timestamps", "expected", "overlapped_ms"),
    [
        ([0, 40], [(1, 20), (QUIET, 20), (2, 20)], 0),
        ([0, 0, 20], [(1, 20), (3, 20)], 20),
        ([0, 40, 20], [(1, 20), (3, 20), (2, 20)], 0),
        ([0, 10, 40], [(1, 20), (2, 10), (QUIET, 10), (3, 20)], 10),
        ([10, 50, 20], [(QUIET, 10), (1, 20), (3, 10), (QUIET, 10), (2, 20)], 10),
        ([40, 0], [(2, 20), (QUIET, 20), (1, 20)], 0),
        ([20, 60, 40, 50], [(QUIET, 20), (1, 20), (3, 20), (2, 20)], 20),
    ],
    ids=["gap", "duplicate", "out-of-order", "overlap", "into-a-hole", "backwards", "between-two"],
)
def test_faults_of_the_stream_are_placed_by_rule(
    timestamps: list[int], expected: list[tuple[int, float]], overlapped_ms: int
) -> None:
    """A gap is silence, the first of two wins, what comes out of order falls into its place."""
    timeline = Timeline(START_S)
    for number, timestamp_ms in enumerate(timestamps, 1):
        frame(timeline, timestamp_ms, number)

    left, _ = sides(timeline.finish(START_S))

    assert runs(left) == expected
    assert timeline.counters.overlapped == overlapped_ms * MS


def test_frame_wider_than_a_hole_fills_both_ends() -> None:
    """A frame that covers an earlier one adds what is before and behind it."""
    timeline = Timeline(START_S)
    frame(timeline, 20, 1)
    frame(timeline, 60, 2)

    timeline.caller(speech(90, 3), 0, START_S + 0.1)

    left, _ = sides(timeline.finish(START_S))
    assert runs(left) == [(3, 20), (1, 20), (3, 20), (2, 20), (3, 10)]
    assert timeline.counters.overlapped == 40 * MS


def test_settled_time_leaves_once_and_in_order() -> None:
    """What is older than the settling time leaves, and the rest follows it without a seam."""
    timeline = Timeline(START_S)
    out = b""
    for number in range(100):
        frame(timeline, 20 * number, number % 50)
        if number % 10 == 9:
            out += timeline.settle(START_S + (number + 1) * 0.02)
            assert timeline.samples == max(0, (number + 1) * 20 - 300) * MS

    left, _ = sides(out + timeline.finish(START_S + 2.0))

    assert left == b"".join(speech(20, number % 50) for number in range(100))


def test_late_frame_loses_what_has_left() -> None:
    """Of a frame that comes after its time, the part that has left is dropped and counted."""
    timeline = Timeline(START_S)
    frame(timeline, 0)
    frame(timeline, 980)
    left, _ = sides(timeline.settle(START_S + 1.0))
    assert len(left) == 700 * MS

    timeline.caller(speech(20, 7), 690, START_S + 1.0)
    timeline.caller(speech(20, 8), 600, START_S + 1.0)

    left, _ = sides(timeline.finish(START_S + 1.0))
    assert runs(left)[0] == (7, 10)
    assert timeline.counters.overlapped == (10 + 20) * MS


def test_stall_of_the_network_loses_nothing() -> None:
    """While the caller's frames are held up nothing leaves, and the burst that follows is whole."""
    timeline = Timeline(START_S)
    out = b""
    for number in range(50):
        frame(timeline, 20 * number, 1)
    for at in range(20):
        out += timeline.settle(START_S + 1.0 + at / 5)
    for number in range(50, 250):
        timeline.caller(speech(20, 2), 20 * number, START_S + 5.0)

    left, _ = sides(out + timeline.finish(START_S + 5.0))

    assert runs(left) == [(1, 1000), (2, 4000)]


def test_caller_who_falls_silent_is_not_waited_for() -> None:
    """After five seconds without a frame time goes on as silence."""
    timeline = Timeline(START_S)
    frame(timeline, 0)

    left, _ = sides(timeline.settle(START_S + 8.0))

    assert runs(left) == [(1, 20), (QUIET, 2980)]


@pytest.mark.parametrize("timestamp_ms", [-20, 6_000, 10**15])
def test_frame_from_another_time_is_refused(timestamp_ms: int) -> None:
    """A timestamp far ahead of the clock, or before the stream, neither counts nor makes hours of silence."""
    timeline = Timeline(START_S)
    frame(timeline, 0)

    timeline.caller(speech(20), timestamp_ms, START_S + 0.04)

    assert timeline.counters.early == 20 * MS
    assert len(timeline.finish(START_S + 0.02)) == 2 * 20 * MS


@pytest.mark.parametrize("wobble_ms", [(0, 2, -2, 1, -1), (0, 3, 5, 8, 9), (0, -4, -8, -9, -9)])
def test_timestamps_that_wobble_damage_nothing(wobble_ms: tuple[int, ...]) -> None:
    """Timestamps some milliseconds off neither cut into frames nor open holes between them."""
    timeline = Timeline(START_S)
    for number, off_ms in enumerate(wobble_ms):
        frame(timeline, 100 + 20 * number + off_ms, number)

    left, _ = sides(timeline.finish(START_S))

    assert left == SILENCE * 100 * MS + b"".join(speech(20, number) for number in range(5))
    assert timeline.counters.overlapped == 0


@pytest.mark.parametrize("zero_ms", [0, 102, 171, 60_000, 10**12])
def test_timestamps_may_begin_anywhere(zero_ms: int) -> None:
    """Wherever a stream's timestamps begin, its first frame is placed by when it came."""
    timeline = Timeline(START_S)
    for number in range(1, 4):
        timeline.caller(speech(20, number), zero_ms + 20 * number, START_S + 0.08 + 0.02 * number)

    left, _ = sides(timeline.finish(START_S + 0.16))

    assert runs(left) == [(QUIET, 100), (1, 20), (2, 20), (3, 20)]


def test_agent_stands_where_it_is_heard() -> None:
    """A piece starts at its time, and pieces that follow one another join."""
    timeline = Timeline(START_S)
    for number in range(50):
        frame(timeline, 20 * number)

    timeline.agent(speech(100, 5), START_S + 0.2)
    timeline.agent(speech(100, 6), START_S + 0.3)
    timeline.agent(speech(50, 7), START_S + 0.6)

    _, right = sides(timeline.finish(START_S + 1.0))
    assert runs(right) == [(QUIET, 200), (5, 100), (6, 100), (QUIET, 200), (7, 50), (QUIET, 350)]


@pytest.mark.parametrize("off_ms", [-60, -5, 5, 20])
def test_pieces_a_little_off_are_joined(off_ms: int) -> None:
    """A piece that would overlap the one before it, or leave less than a frame, starts at its end."""
    timeline = Timeline(START_S)
    timeline.agent(speech(100, 5), START_S)

    timeline.agent(speech(100, 6), START_S + (100 + off_ms) / 1000)

    _, right = sides(timeline.finish(START_S + 0.2))
    assert runs(right) == [(5, 100), (6, 100)]


def test_interruption_takes_what_was_not_heard() -> None:
    """What was sent ahead is cut at the instant of the interruption, inside a piece and behind it."""
    timeline = Timeline(START_S)
    timeline.agent(speech(100, 5), START_S)
    timeline.agent(speech(100, 6), START_S + 0.1)

    timeline.cleared(START_S + 0.05)
    timeline.agent(speech(20, 7), START_S + 0.3)

    _, right = sides(timeline.finish(START_S + 0.4))
    assert runs(right) == [(5, 50), (QUIET, 250), (7, 20), (QUIET, 80)]
    assert timeline.counters.unheard == 150 * MS


def test_interruption_of_silence_changes_nothing() -> None:
    """With nothing on its way to the ear, an interruption takes nothing."""
    timeline = Timeline(START_S)
    timeline.agent(speech(20, 5), START_S)

    timeline.cleared(START_S + 0.2)

    _, right = sides(timeline.finish(START_S + 0.1))
    assert runs(right) == [(5, 20), (QUIET, 80)]


def test_agent_audio_whose_time_has_left_is_dropped() -> None:
    """A piece that is reported far too late does not shift what follows."""
    timeline = Timeline(START_S)
    for number in range(50):
        frame(timeline, 20 * number)
    out = timeline.settle(START_S + 1.0)

    timeline.agent(speech(100, 5), START_S + 0.65)
    timeline.agent(speech(100, 6), START_S + 0.75)

    _, right = sides(out + timeline.finish(START_S + 1.0))
    assert runs(right) == [(QUIET, 700), (5, 50), (6, 100), (QUIET, 150)]
    assert timeline.counters.late == 50 * MS


def test_end_of_the_stream_voids_what_would_have_been_heard() -> None:
    """The agent's audio ends with the stream; the caller's last frame, on its way, still counts."""
    timeline = Timeline(START_S)
    frame(timeline, 0)
    frame(timeline, 20)
    timeline.agent(speech(200, 5), START_S)

    left, right = sides(timeline.finish(START_S + 0.03))

    assert len(left) == 40 * MS
    assert runs(right) == [(5, 40)]
    assert timeline.counters.unheard == 160 * MS


def test_frame_from_before_the_first_is_refused() -> None:
    """What claims to be older than the stream has no place in it."""
    timeline = Timeline(START_S)
    timeline.caller(speech(20, 1), 500, START_S + 0.02)

    timeline.caller(speech(20, 2), 400, START_S + 0.04)

    assert timeline.counters.early == 20 * MS


def test_delay_of_the_line_does_not_shift_the_sides() -> None:
    """Frames that take 80 ms to arrive, jitter apart, show where the stream's zero lies on our clock."""
    timeline = Timeline(START_S)
    for number in range(100):
        timeline.caller(speech(20), 20 * number, START_S + 0.08 + 20 * number / 1000 + number % 7 / 1000)

    timeline.agent(speech(20, 5), START_S + 0.08 + 1.0)

    left, right = sides(timeline.finish(START_S + 2.0))
    assert runs(left)[:2] == [(QUIET, 80), (1, 2000)]
    assert runs(right)[0] == (QUIET, 1080)


def test_clocks_that_drift_apart_stay_aligned() -> None:
    """After ten minutes of 100 ppm of drift the sides are still within 20 ms of each other."""
    clock = StreamClock(START_S)
    for number in range(30_000):
        at_s = START_S + 0.02 * (number + 1) * (1 + 100e-6) + (number % 11) / 2000
        clock.saw(160 * (number + 1), at_s)

    truth = 30_000 * 160
    assert abs(clock.sample_at(START_S + 600 * (1 + 100e-6)) - truth) < 20 * MS
    assert abs(StreamClock(START_S).sample_at(START_S + 600 * (1 + 100e-6)) - truth) > 50 * MS


@dataclass
class Model:
    """Each sample by itself; the clock is a perfect one."""

    left: dict[int, int] = field(default_factory=dict)
    right: dict[int, int] = field(default_factory=dict)
    right_end: int = 0

    def caller(self, audio: bytes, at: int) -> None:
        end = max(self.left, default=-1) + 1
        at = end if -80 < at - end < 80 else at
        for offset, value in enumerate(audio):
            self.left.setdefault(at + offset, value)

    def agent(self, audio: bytes, at: int) -> None:
        at = self.right_end if at <= self.right_end + 160 else at
        for offset, value in enumerate(audio):
            self.right[at + offset] = value
        self.right_end = at + len(audio)

    def cleared(self, at: int) -> None:
        self.right = {sample: value for sample, value in self.right.items() if sample < at}
        self.right_end = min(self.right_end, at)

    def side(self, samples: dict[int, int], length: int) -> bytes:
        return bytes(samples.get(at, QUIET) for at in range(length))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("caller"), st.integers(-12, 12), st.integers(1, 200)),
        st.tuples(st.just("agent"), st.integers(0, 400), st.integers(1, 800)),
        st.tuples(st.just("cleared"), st.integers(0, 100), st.just(0)),
        st.tuples(st.just("settle"), st.just(0), st.just(0)),
    ),
    max_size=60,
)


@given(steps)
def test_any_order_of_happenings_equals_the_model(happenings: list[tuple[str, int, int]]) -> None:
    """Whatever comes in whatever order within the settling time, every sample is where the model has it."""
    timeline, model, out = Timeline(0.0), Model(), b""
    timeline.caller(b"\x00" * 160, 0, 0.0)  # the clocks are told apart once, by a frame without delay
    model.caller(b"\x00" * 160, 0)
    now_ms = 20
    for number, (what, offset, size) in enumerate(happenings):
        now_ms += 10
        audio = bytes([number % 200 + 1]) * size
        if what == "caller":
            at_ms = max(0, now_ms - 130 + offset * 10)
            timeline.caller(audio, at_ms, now_ms / 1000 + 0.2)
            model.caller(audio, at_ms * MS)
        elif what == "agent":
            timeline.agent(audio, (now_ms + offset) / 1000)
            model.agent(audio, (now_ms + offset) * MS)
        elif what == "cleared":
            timeline.cleared((now_ms + offset) / 1000)
            model.cleared((now_ms + offset) * MS)
        else:
            out += timeline.settle(now_ms / 1000)

    left, right = sides(out + timeline.finish(now_ms / 1000))

    length = max(now_ms * MS, max(model.left) + 1)
    model.cleared(length)
    assert left == model.side(model.left, length)
    assert right == model.side(model.right, length)
    assert timeline.counters.late == 0
