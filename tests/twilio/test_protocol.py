"""A media stream from open to stop: order, counters, marks, and what is sent back."""

import json

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.errors import CallerProtocolError
from gateway.twilio.messages import (
    Clear,
    Connected,
    Dtmf,
    Mark,
    Media,
    Play,
    SetMark,
    Start,
    Stop,
    TwilioMessage,
    dump_twilio,
    parse_gateway,
)
from gateway.twilio.protocol import MAX_BAD_MESSAGES, MarkReturned, MediaStream, StreamState

STREAM_SID = "MZ" + "2" * 32
CONNECTED = Connected()
START = Start(STREAM_SID, "CA" + "1" * 32, "AC" + "0" * 32)
FRAME = bytes(160)


def media(place: int, *, stream_sid: str = STREAM_SID) -> Media:
    return Media(stream_sid, place + 2, place + 1, 155 + 20 * place, FRAME)


def opened(*messages: TwilioMessage) -> MediaStream:
    stream = MediaStream()
    for message in messages:
        stream.receive(dump_twilio(message))
    return stream


def refusal(stream: MediaStream, message: TwilioMessage | str) -> str:
    text = message if isinstance(message, str) else dump_twilio(message)
    with pytest.raises(CallerProtocolError) as caught:
        stream.receive(text)
    return caught.value.reason


def test_stream_passes_from_connected_to_stopped() -> None:
    """The legal order gives every message back and moves the state along."""
    stream = MediaStream()
    seen = [(stream.state, stream.stream_sid)]
    for message in (CONNECTED, START, media(0), Dtmf(STREAM_SID, 3, "#"), Stop(STREAM_SID, 4)):
        assert stream.receive(dump_twilio(message)) == message
        seen.append((stream.state, stream.stream_sid))
    assert [state for state, _ in seen] == ["opened", "connected", "started", "started", "started", "stopped"]
    assert [sid for _, sid in seen] == ["", ""] + [STREAM_SID] * 4
    assert not stream.failed
    assert (stream.counters.frames, stream.counters.bytes, stream.counters.keys) == (1, 160, 1)


def test_frames_may_arrive_as_bytes() -> None:
    """A socket that does not decode text is served as well."""
    assert opened().receive(dump_twilio(CONNECTED).encode()) == CONNECTED


@pytest.mark.parametrize("message", [START, media(0), Mark(STREAM_SID, 2, "a"), Dtmf(STREAM_SID, 2, "1")])
def test_anything_before_connected_breaks_the_order(message: TwilioMessage) -> None:
    """A stream begins with connected, or it fails."""
    stream = opened()
    assert refusal(stream, message) == "before_connected"
    assert stream.failed


@pytest.mark.parametrize("message", [media(0), Mark(STREAM_SID, 2, "a"), Dtmf(STREAM_SID, 2, "1")])
def test_anything_before_start_breaks_the_order(message: TwilioMessage) -> None:
    """Audio, marks and keys need a started stream."""
    stream = opened(CONNECTED)
    assert refusal(stream, message) == "before_start"
    assert stream.failed
    assert stream.counters.bad_messages == {"before_start": 1}


def test_start_twice_breaks_the_order() -> None:
    """A second start fails the stream and does not replace the first."""
    stream = opened(CONNECTED, START)
    assert refusal(stream, Start("MZother", "CA1", "AC1")) == "start_twice"
    assert stream.failed
    assert stream.stream_sid == STREAM_SID


@pytest.mark.parametrize("before", [(CONNECTED,), (CONNECTED, START)])
def test_connected_twice_breaks_the_order(before: tuple[TwilioMessage, ...]) -> None:
    """A second connected fails the stream, before start and after it."""
    stream = opened(*before)
    assert refusal(stream, CONNECTED) == "connected_twice"
    assert stream.failed


@pytest.mark.parametrize("before", [(), (CONNECTED,), (CONNECTED, START), (CONNECTED, START, media(0))])
def test_stop_is_welcome_at_any_time_and_once_is_enough(before: tuple[TwilioMessage, ...]) -> None:
    """A caller who hangs up in the first moments stops a stream that never started; again changes nothing."""
    stream = opened(*before)
    stop = Stop(STREAM_SID, 9)
    assert stream.receive(dump_twilio(stop)) == stop
    assert stream.state is StreamState.STOPPED
    assert stream.receive(dump_twilio(stop)) is None
    assert not stream.failed
    assert stream.counters.after_stop == 1


@pytest.mark.parametrize("message", [CONNECTED, START, media(5), Mark(STREAM_SID, 9, "a")])
def test_nothing_counts_after_stop(message: TwilioMessage) -> None:
    """What trails behind the end is dropped and breaks nothing."""
    stream = opened(CONNECTED, START, Stop(STREAM_SID, 2))
    assert stream.receive(dump_twilio(message)) is None
    assert stream.counters.after_stop == 1
    assert stream.counters.frames == 0


@pytest.mark.parametrize(
    "message",
    [media(0, stream_sid="MZother"), Mark("MZother", 2, "a"), Dtmf("MZother", 2, "1"), Stop("MZother", 2)],
)
def test_message_of_another_stream_is_dropped(message: TwilioMessage) -> None:
    """Another stream's messages are counted and touch neither state nor numbering."""
    stream = opened(CONNECTED, START)
    assert stream.receive(dump_twilio(message)) is None
    assert stream.state is StreamState.STARTED
    assert stream.receive(dump_twilio(media(0))) == media(0)
    assert stream.counters.wrong_stream == 1
    assert stream.counters.sequence_gaps == 0


def test_gaps_and_repeats_are_counted_across_kinds() -> None:
    """Audio, marks and keys share one numbering; a repeated key is not pressed twice."""
    stream = opened(CONNECTED, START, media(0), Dtmf(STREAM_SID, 3, "1"))
    assert stream.receive(dump_twilio(Dtmf(STREAM_SID, 3, "1"))) is None
    assert stream.receive(dump_twilio(media(0))) is None
    stream.receive(dump_twilio(media(3)))
    counters = stream.counters
    assert (counters.keys, counters.duplicates, counters.sequence_gaps, counters.chunk_gaps) == (1, 2, 1, 1)
    assert counters.timestamp_gap_ms == 40


def test_bad_message_is_counted_by_reason_and_the_stream_goes_on() -> None:
    """A faulty frame costs itself alone."""
    stream = opened(CONNECTED, START)
    assert refusal(stream, "nonsense") == "bad_json"
    assert refusal(stream, '{"event":"media"}') == "missing_field"
    assert refusal(stream, '{"event":"media"}') == "missing_field"
    assert stream.receive(dump_twilio(media(0))) == media(0)
    assert stream.counters.bad_messages == {"bad_json": 1, "missing_field": 2}
    assert not stream.failed


def test_fifty_bad_messages_fail_the_stream() -> None:
    """A peer that sends nothing but faults is given up, at the fiftieth."""
    stream = opened(CONNECTED, START)
    reasons = [refusal(stream, "nonsense") for _ in range(MAX_BAD_MESSAGES)]
    assert reasons == ["bad_json"] * (MAX_BAD_MESSAGES - 1) + ["too_many_errors"]
    assert stream.failed
    assert stream.counters.bad_messages == {"bad_json": MAX_BAD_MESSAGES}


def test_events_of_the_future_never_fail_a_stream() -> None:
    """An event that Twilio invents tomorrow is counted and ends no call."""
    stream = opened(CONNECTED, START)
    reasons = {refusal(stream, '{"event":"weather"}') for _ in range(MAX_BAD_MESSAGES * 2)}
    assert reasons == {"unknown_event"}
    assert not stream.failed


def test_audio_is_played_to_the_stream_that_started() -> None:
    """What play writes is what Twilio accepts, and it is counted."""
    stream = opened(CONNECTED, START)
    text = stream.play(b"\xff\x7f" * 400)
    assert parse_gateway(text, stream_sid=STREAM_SID) == Play(STREAM_SID, b"\xff\x7f" * 400)
    assert list(json.loads(text)) == ["event", "streamSid", "media"]
    assert (stream.counters.frames_sent, stream.counters.bytes_sent) == (1, 800)


def test_playing_too_early_or_nothing_is_a_mistake() -> None:
    """Before start there is nobody to play to, and empty audio would earn a warning."""
    with pytest.raises(ValueError, match="started stream"):
        opened(CONNECTED).play(FRAME)
    with pytest.raises(ValueError, match="some audio"):
        opened(CONNECTED, START).play(b"")


def test_mark_and_clear_are_written_as_twilio_wants_them() -> None:
    """Mark and clear name the stream and hold nothing else."""
    stream = opened(CONNECTED, START)
    assert parse_gateway(stream.mark('turn "1"'), stream_sid=STREAM_SID) == SetMark(STREAM_SID, 'turn "1"')
    assert parse_gateway(stream.clear(), stream_sid=STREAM_SID) == Clear(STREAM_SID)
    assert (stream.counters.marks_sent, stream.counters.clears) == (1, 1)


def test_marks_come_back_played_or_flushed() -> None:
    """An echo after clear is flushed, one for a mark set after the clear is played, a strange one dropped."""
    stream = opened(CONNECTED, START)
    stream.mark("a")
    stream.mark("b")
    assert stream.receive(dump_twilio(Mark(STREAM_SID, 2, "a"))) == MarkReturned("a", flushed=False)
    stream.clear()
    stream.mark("c")
    assert stream.pending_marks == 2
    assert stream.receive(dump_twilio(Mark(STREAM_SID, 3, "b"))) == MarkReturned("b", flushed=True)
    assert stream.receive(dump_twilio(Mark(STREAM_SID, 4, "c"))) == MarkReturned("c", flushed=False)
    assert stream.receive(dump_twilio(Mark(STREAM_SID, 5, "c"))) is None
    counters = stream.counters
    assert (counters.marks_played, counters.marks_flushed, counters.marks_unprompted) == (2, 1, 1)
    assert stream.pending_marks == 0


class StreamOrders(RuleBasedStateMachine):
    """Any order of any messages: the state is the one the messages allow, and nothing else is raised."""

    def __init__(self) -> None:
        super().__init__()
        self.stream = MediaStream()
        self.expected = "opened"
        self.sequence = 0
        self.heard = 0

    def feed(self, message: TwilioMessage, allowed: bool, becomes: str | None = None) -> None:
        if self.expected == "stopped":
            assert self.stream.receive(dump_twilio(message)) is None
        elif allowed:
            assert self.stream.receive(dump_twilio(message)) == message
            self.expected = becomes or self.expected
        else:
            assert refusal(self.stream, message) != "error"
            assert self.stream.failed

    def next_sequence(self) -> int:
        self.sequence += 1
        return self.sequence

    @rule()
    def connect(self) -> None:
        self.feed(CONNECTED, self.expected == "opened", "connected")

    @rule()
    def start(self) -> None:
        if self.expected == "connected":
            self.sequence = 1
        self.feed(START, self.expected == "connected", "started")

    @rule(size=st.integers(1, 400))
    def speak(self, size: int) -> None:
        started = self.expected == "started"
        self.heard += size if started else 0
        chunk = self.next_sequence()
        self.feed(Media(STREAM_SID, chunk, chunk, chunk * 20, bytes(size)), started)

    @rule(digit=st.text(max_size=3))
    def press(self, digit: str) -> None:
        self.feed(Dtmf(STREAM_SID, self.next_sequence(), digit), self.expected == "started")

    @rule()
    def stop(self) -> None:
        self.feed(Stop(STREAM_SID, self.next_sequence()), True, "stopped")

    @precondition(lambda self: sum(self.stream.counters.bad_messages.values()) < MAX_BAD_MESSAGES - 1)
    @rule(text=st.text(max_size=30))
    def babble(self, text: str) -> None:
        assert refusal(self.stream, text) not in ("error", "too_many_errors")

    @invariant()
    def state_is_as_expected(self) -> None:
        assert self.stream.state == self.expected
        assert self.stream.counters.bytes == self.heard


StreamOrders.TestCase.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestStreamOrders = StreamOrders.TestCase
