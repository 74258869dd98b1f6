"""One media stream from Twilio's end, on a wire that the test holds."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest

from gateway.audio import ulaw
from gateway.simulator import codes, events
from gateway.simulator.caller import Caller, Phone, SilentCaller, WavCaller, sine
from gateway.simulator.codes import Fault
from gateway.simulator.forms import Identity
from gateway.simulator.handset import Handset
from gateway.simulator.microphone import cut
from gateway.simulator.playout import CAP_SAMPLES
from gateway.simulator.record import Cut
from gateway.simulator.stream import CallerStream, StreamOver
from gateway.simulator.wire import WireClosed
from gateway.twilio import messages
from gateway.twilio.messages import dump, dump_twilio, parse

SID = "MZ" + "f" * 32
IDENTITY = Identity("AC" + "0" * 32, "CA" + "1" * 32, "+14155550100", "+15005550001")
LOUD = ulaw.encode(sine(440, 1_600, -20))


@dataclass
class Line:
    """A stream with its clock and its wire in the test's hand."""

    caller: Caller = field(default_factory=SilentCaller)
    parameters: Mapping[str, str] = field(default_factory=dict)
    keep_audio: bool = True
    watch: events.Watcher = events.ignore
    now: float = 500.0
    congested: bool = False
    sent: list[str] = field(default_factory=list)
    overs: list[StreamOver] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.handset = Handset(self.caller, IDENTITY.call_sid, keep_audio=self.keep_audio, watch=self.watch)
        self.stream = CallerStream(
            IDENTITY,
            SID,
            self.handset,
            clock=lambda: self.now,
            on_over=self.overs.append,
            keep_audio=self.keep_audio,
            watch=self.watch,
        )
        self.stream.begin(self, self.parameters)

    def send(self, text: bytes) -> None:
        """Take a frame as the socket would."""
        self.sent.append(text.decode("ascii"))

    def ticks(self, count: int) -> None:
        """Let time pass, 20 ms a tick."""
        for _ in range(count):
            self.stream.tick(self.now)
            self.now += 0.02

    def receive(self, *said: messages.GatewayMessage) -> None:
        """Let the gateway say something."""
        for message in said:
            self.stream.on_text(dump(message))

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the messages of one kind that were sent."""
        return [message for message in map(json.loads, self.sent) if message["event"] == name]


class TestBegin:
    """The first two messages."""

    def test_connected_and_start_are_twilios_to_the_byte(self) -> None:
        """Key order and spacing as captured."""
        line = Line(parameters={"token": "abc"})

        assert line.sent == [
            '{"event":"connected","protocol":"Call","version":"1.0.0"}',
            '{"event":"start","sequenceNumber":"1","start":{"accountSid":"' + IDENTITY.account_sid + '",'
            '"streamSid":"' + SID + '","callSid":"' + IDENTITY.call_sid + '","tracks":["inbound"],'
            '"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},'
            '"customParameters":{"token":"abc"}},"streamSid":"' + SID + '"}',
        ]


class TestFrames:
    """Fifty a second."""

    def test_a_frame_is_what_the_shared_codec_writes(self) -> None:
        """The fast path gives the same bytes."""
        line = Line(WavCaller(cut(LOUD)))
        line.ticks(5)

        for text in line.sent[2:]:
            assert dump_twilio(parse(text)) == text
        assert base64.b64decode(line.events("media")[0]["media"]["payload"]) == LOUD[:160]

    def test_sequence_counts_everything_and_chunk_only_audio(self) -> None:
        """A mark in between moves only the one."""
        line = Line()
        line.ticks(2)
        line.receive(messages.SetMark(SID, "m"))
        line.ticks(1)

        assert [message["sequenceNumber"] for message in map(json.loads, line.sent[1:])] == list("12345")
        assert [message["media"]["chunk"] for message in line.events("media")] == list("123")

    def test_timestamps_start_late_and_wobble(self) -> None:
        """From 100 to 175 ms, then 20 ms steps that are not exact and never pile up."""
        line = Line()
        line.ticks(500)
        stamps = [int(message["media"]["timestamp"]) for message in line.events("media")]
        steps = {after - before for before, after in pairwise(stamps)}

        assert 100 <= stamps[0] <= 175
        assert abs(stamps[-1] - stamps[0] - 499 * 20) <= 4
        assert len(steps) > 2
        assert all(16 <= step <= 24 for step in steps)

    def test_a_congested_wire_loses_audio_and_time_goes_on(self) -> None:
        """31930 once; the next timestamp shows the gap, the numbers do not."""
        line = Line()
        line.ticks(1)
        line.congested = True
        line.ticks(10)
        line.congested = False
        line.ticks(1)
        first, second = line.events("media")

        assert int(second["media"]["chunk"]) - int(first["media"]["chunk"]) == 1
        assert int(second["media"]["timestamp"]) - int(first["media"]["timestamp"]) > 200
        record = line.stream.record()
        assert (record.frames, record.dropped_frames) == (2, 10)
        assert record.faults == (Fault(codes.CALLER_AUDIO_DISCARDED),)

    def test_keys_are_sent_as_dtmf(self) -> None:
        """On the track that only dtmf calls so."""

        @dataclass(frozen=True)
        class Presser:
            listens: bool = False

            def act(self, phone: Phone) -> Iterator[None]:
                phone.press("5#")
                yield

        line = Line(Presser())
        line.ticks(1)

        assert [message["dtmf"] for message in line.events("dtmf")] == [
            {"track": "inbound_track", "digit": "5"},
            {"track": "inbound_track", "digit": "#"},
        ]


class TestPlaying:
    """What the gateway sends is played."""

    def test_a_mark_comes_back_when_its_audio_was_heard(self) -> None:
        """Not before, and not twice."""
        line = Line()
        line.receive(messages.Play(SID, LOUD), messages.SetMark(SID, "end"))
        line.ticks(10)
        assert line.events("mark") == []

        line.ticks(2)
        line.ticks(10)
        assert [message["mark"]["name"] for message in line.events("mark")] == ["end"]

    def test_a_mark_on_an_idle_line_comes_back_at_once(self) -> None:
        """Before the next frame."""
        line = Line()
        line.receive(messages.SetMark(SID, "now"))

        assert line.sent[-1] == (
            '{"event":"mark","sequenceNumber":"2","streamSid":"' + SID + '","mark":{"name":"now"}}'
        )

    def test_a_clear_gives_every_mark_back(self) -> None:
        """In order, and the rest is not heard."""
        line = Line()
        for name in ("a", "b", "c"):
            line.receive(messages.Play(SID, LOUD), messages.SetMark(SID, name))
        line.ticks(1)
        line.receive(messages.Clear(SID))

        assert [message["mark"]["name"] for message in line.events("mark")] == ["a", "b", "c"]
        record = line.stream.record()
        assert record.heard == LOUD[:160]
        assert (record.flushed, record.buffered, record.clears) == (3 * 1_600 - 160, 0, 1)
        assert (record.marks, record.marks_echoed) == (3, 3)

    def test_the_caller_hears_what_has_played(self) -> None:
        """A listening ear gets it 20 ms after it began."""
        heard: list[int] = []

        @dataclass(frozen=True)
        class Listener:
            listens: bool = True

            def act(self, phone: Phone) -> Iterator[None]:
                while True:
                    heard.append(phone.ear.speech_ms)
                    yield

        line = Line(Listener())
        line.ticks(5)
        line.receive(messages.Play(SID, LOUD))
        line.ticks(5)

        assert heard == [0, 0, 0, 0, 0, 0, 20, 40, 60, 80]


class TestChecking:
    """What Twilio would warn of."""

    @pytest.mark.parametrize(
        "text",
        [
            "not json",
            "[]",
            '{"event":"media","streamSid":"' + SID + '","media":{"payload":"/w=="},"extra":1}',
            '{"event":"media","streamSid":"' + SID + '","media":{"payload":"/w==","track":"x"}}',
            '{"event":"media","streamSid":"' + SID + '","media":{"payload":"%%%"}}',
            '{"event":"media","streamSid":"' + SID + '","media":{}}',
            '{"event":"media","streamSid":"MZother","media":{"payload":"/w=="}}',
            '{"event":"media","stream_sid":"' + SID + '","media":{"payload":"/w=="}}',
            '{"event":"mark","streamSid":"' + SID + '"}',
            '{"event":"dance","streamSid":"' + SID + '"}',
            "\ud800",
        ],
    )
    def test_a_bad_message_is_31951_and_has_no_effect(self, text: str) -> None:
        """Nothing is played, nothing comes back."""
        line = Line()
        line.stream.on_text(text)
        line.ticks(2)
        record = line.stream.record()

        assert [fault.code for fault in record.faults] == [codes.INVALID_MESSAGE]
        assert (record.received, record.marks) == (0, 0)
        assert line.events("mark") == []

    def test_the_warning_comes_once_a_stream(self) -> None:
        """With what was wrong first."""
        line = Line()
        line.stream.on_text("not json")
        line.stream.on_text('{"event":"dance"}')

        assert line.stream.record().faults == (Fault(codes.INVALID_MESSAGE, "the message is not JSON"),)
        assert line.stream.record().messages == 2

    def test_a_binary_frame_is_31950(self) -> None:
        """Text frames only."""
        line = Line()
        line.stream.on_binary()

        assert [fault.code for fault in line.stream.record().faults] == [codes.MALFORMED_MESSAGE]

    def test_more_than_ten_minutes_are_31931(self) -> None:
        """Once, however much more comes."""
        line = Line()
        minute = bytes(CAP_SAMPLES // 10)
        line.receive(*[messages.Play(SID, minute)] * 12)

        assert [fault.code for fault in line.stream.record().faults] == [codes.AUDIO_DISCARDED]


class TestEnds:
    """How it stops."""

    def test_hanging_up_sends_stop_and_tells_the_call(self) -> None:
        """Stop is the last message, byte for byte."""
        line = Line(SilentCaller(0.1))
        line.ticks(20)

        assert line.overs == [StreamOver(hung_up=True)]
        assert line.sent[-1] == (
            '{"event":"stop","sequenceNumber":"8","streamSid":"' + SID + '",'
            '"stop":{"accountSid":"' + IDENTITY.account_sid + '","callSid":"' + IDENTITY.call_sid + '"}}'
        )

    def test_stop_is_sent_once(self) -> None:
        """Whoever asks for it."""
        line = Line()
        line.stream.stop()
        line.stream.stop()
        line.ticks(3)

        assert len(line.events("stop")) == 1
        assert line.events("media") == []

    def test_a_cut_off_stream_says_nothing(self) -> None:
        """As after a crash: no stop, no frames, no marks."""
        line = Line()
        line.stream.cut_off()
        line.stream.stop()
        line.receive(messages.SetMark(SID, "m"))
        line.ticks(3)

        assert len(line.sent) == 2

    def test_the_servers_close_is_told_with_its_fault(self) -> None:
        """Once, and nothing is sent after it."""
        line = Line()
        closed = WireClosed(1000, Fault(codes.SERVER_CLOSED, "code 1000"))
        line.stream.on_closed(closed)
        line.stream.on_closed(closed)

        assert line.overs == [StreamOver(closed=closed)]
        assert line.events("stop") == []

    def test_the_clock_of_the_report_stops_with_the_stream(self) -> None:
        """What would have played later was not heard: it is the tail."""
        line = Line()
        line.receive(messages.Play(SID, LOUD))
        line.ticks(5)
        line.stream.stop()
        line.now += 10
        record = line.stream.record()

        assert (record.samples, record.buffered) == (800, 800)


class TestRecord:
    """What is left for the report."""

    def test_interruptions_lie_on_the_callers_clock(self) -> None:
        """At the first sample of the frame that cut in."""

        @dataclass(frozen=True)
        class Rude:
            listens: bool = False

            def act(self, phone: Phone) -> Iterator[None]:
                yield
                yield
                phone.note_interruption(3)
                yield

        line = Line(Rude())
        line.now += 0.007
        line.ticks(5)

        assert line.stream.record().spoken_offset == 56
        assert line.stream.record().cuts == (Cut(56 + 320, 56 + 800),)

    def test_a_late_first_tick_does_not_move_the_grid(self) -> None:
        """The ticks that are made up show where it lies, and how late we were."""
        line = Line()
        line.now += 0.1
        for _ in range(5):
            line.stream.tick(line.now)
        line.ticks(5)
        record = line.stream.record()

        assert record.spoken_offset == 0
        assert record.late_ms == 100

    def test_a_stall_on_our_side_is_known(self) -> None:
        """Whatever else it makes the report say."""
        line = Line()
        line.ticks(5)
        line.now += 0.075
        line.ticks(5)

        assert line.stream.record().late_ms == pytest.approx(75, abs=0.2)

    def test_a_call_in_time_was_not_late(self) -> None:
        """To the sample."""
        line = Line()
        line.ticks(500)

        assert line.stream.record().late_ms < 0.3

    def test_faults_are_counted(self) -> None:
        """What Twilio logs once a stream counts once."""
        line = Line()
        for _ in range(3):
            line.stream.on_binary()
            line.stream.on_text("junk")

        assert [(fault.code, fault.count) for fault in line.stream.record().faults] == [
            (31950, 3),
            (31951, 1),
        ]

    def test_without_audio_only_numbers_are_left(self) -> None:
        """Load keeps nothing."""
        line = Line(keep_audio=False)
        line.receive(messages.Play(SID, LOUD))
        line.ticks(20)
        record = line.stream.record()

        assert (record.heard, record.spoken) == (b"", b"")
        assert (record.frames, record.received, len(record.spurts)) == (20, 1_600, 1)

    def test_a_second_stream_begins_with_its_own_microphone(self) -> None:
        """The handset goes on, the recording of the first does not come back."""
        line = Line(WavCaller(cut(LOUD)))
        line.ticks(4)
        second = CallerStream(IDENTITY, SID, line.handset, clock=lambda: line.now, on_over=line.overs.append)
        second.begin(line, {})
        second.tick(line.now)

        assert second.record().spoken == LOUD[640:800]


class TestWatching:
    """What the demo's terminal gets."""

    def test_levels_come_ten_times_a_second(self) -> None:
        """Who is audible, and how loud the agent is."""
        seen: list[events.Event] = []
        line = Line(WavCaller(cut(LOUD)), watch=seen.append)
        line.receive(messages.Play(SID, LOUD))
        line.ticks(50)
        levels = [event for event in seen if isinstance(event, events.Levels)]

        assert len(levels) == 10
        assert [(level.caller_speaks, level.agent_speaks) for level in levels[1:4]] == [
            (True, True),
            (False, True),
            (False, False),
        ]
        assert levels[1].agent_dbfs == pytest.approx(-20, abs=0.5)
