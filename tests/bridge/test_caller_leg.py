"""The caller's leg over a fake wire: Twilio's messages in, paced audio out, and a peer that misbehaves."""

import asyncio

import pytest

from gateway.audio import clips
from gateway.audio.heard import TurnHeard
from gateway.audio.playout import Playout
from gateway.audio.resample import make_resampler
from gateway.bridge import events as on
from gateway.bridge.caller_leg import CallerLeg
from gateway.bridge.media import Downlink
from gateway.recording.tape import Recorder
from gateway.recording.timeline import Timeline
from gateway.twilio import messages as twilio
from gateway.twilio.protocol import MediaStream
from tests.bridge.stage import CALL, QUIET, STREAM_SID, Phone, speech
from tests.virtual_time import on_virtual_time


class Call:
    """Stands where the call session stands: takes what the leg brings, and pumps it when it is due."""

    def __init__(self, *, recorded: bool = False) -> None:
        self.now = asyncio.get_running_loop().time
        self.recorder = Recorder("r-1", self.now()) if recorded else None
        self.phone = Phone()
        self.stream = MediaStream()
        self.stream.receive(twilio.dump_twilio(twilio.Connected()))
        self.stream.receive(twilio.dump_twilio(twilio.Start(STREAM_SID, CALL.call_sid, CALL.account_sid)))
        downlink = Downlink(make_resampler("soxr", 24_000, 8_000), Playout())
        self.leg = CallerLeg(self.stream, self.phone, downlink, self.now, self.recorder)
        self.audio = bytearray()
        self.keys: list[str] = []
        self.heard: list[tuple[str, TurnHeard]] = []
        self.events: list[on.Event] = []
        self.bugs: list[Exception] = []

    def caller_audio(self, payload: bytes) -> None:
        """Take a frame."""
        self.audio += payload

    def caller_key(self, digit: str) -> None:
        """Take a key."""
        self.keys.append(digit)

    def caller_heard(self, turn_id: str, heard: TurnHeard) -> None:
        """Take what was heard."""
        self.heard.append((turn_id, heard))

    def happened(self, event: on.Event) -> None:
        """Take an event."""
        self.events.append(event)

    async def run(self, seconds: float) -> None:
        """Listen and pump for so long, every 10 ms like the clock would."""
        listening = asyncio.get_running_loop().create_task(self.leg.listen(self, self.bugs.append))
        for _ in range(round(seconds * 100)):
            await asyncio.sleep(0.01)
            if (overdue := self.leg.overdue(self.now())) is not None:
                self.happened(overdue)
            self.leg.pump(self.now())
        if not listening.done():
            listening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listening


@on_virtual_time
async def test_frames_keys_and_stop() -> None:
    """Frames and keys are passed on as they come; ``stop`` is the caller's hang-up and ends the reading."""
    call = Call()
    call.phone.speak()
    call.phone.press("9")
    call.phone.hang_up()
    call.phone.speak()
    call.phone.drop()
    await call.leg.listen(call, call.bugs.append)

    assert (bytes(call.audio), call.keys) == (QUIET, ["9"])
    assert call.events == [on.CallerLeft("hung_up")]


@on_virtual_time
async def test_a_bug_in_what_a_message_leads_to_is_told() -> None:
    """It goes to whoever has to end the call, not to the loop, and the reading goes on until then."""
    call = Call()
    call.phone.press("9")
    call.phone.speak()
    call.phone.hang_up()
    call.keys = None  # type: ignore[assignment]
    call.phone.drop(1000)
    await call.leg.listen(call, call.bugs.append)

    assert [type(bug) for bug in call.bugs] == [AttributeError]
    assert bytes(call.audio) == QUIET


@pytest.mark.parametrize(
    ("code", "how"),
    [(1000, "hung_up"), (1005, "hung_up"), (1001, "lost"), (1003, "lost"), (1006, "lost"), (1009, "lost")],
)
def test_closed_socket(code: int, how: str) -> None:
    """A normal close is a hang-up; any other is a lost leg, by its code."""

    @on_virtual_time
    async def play() -> None:
        call = Call()
        call.phone.drop(code)
        await call.leg.listen(call, call.bugs.append)
        assert call.events == [on.CallerLeft(how, f"close_{code}")]  # type: ignore[arg-type]

    play()


@on_virtual_time
async def test_order_broken_ends_the_leg() -> None:
    """A second ``start`` is a breach that ends the leg at once, by name."""
    call = Call()
    call.phone.say(twilio.Start(STREAM_SID, CALL.call_sid, CALL.account_sid, sequence=2))
    call.phone.drop()
    await call.leg.listen(call, call.bugs.append)

    assert call.events == [on.CallerLeft("protocol", "start_twice")]
    assert call.leg.counters()["caller_bad_messages"] == 1
    assert call.leg.counters()["caller_bad_messages.start_twice"] == 1


@on_virtual_time
async def test_junk_is_counted_until_it_is_too_much() -> None:
    """Bad messages go by; the fiftieth ends the leg."""
    call = Call()
    for _ in range(49):
        call.phone.say_raw("{")
    call.phone.speak()
    call.phone.say_raw("{")
    call.phone.speak()
    call.phone.drop()
    await call.leg.listen(call, call.bugs.append)

    assert bytes(call.audio) == QUIET
    assert call.events == [on.CallerLeft("protocol", "too_many_errors")]


@on_virtual_time
async def test_stranger_on_the_stream_is_ignored() -> None:
    """Media and marks of another stream, repeats and marks never set are counted and change nothing."""
    call = Call()
    call.phone.say(twilio.Media("MZ" + "f" * 32, 2, 1, 20, QUIET))
    call.phone.say(twilio.Mark(STREAM_SID, 2, "never-set"))
    call.phone.say(twilio.Media(STREAM_SID, 3, 1, 20, QUIET))
    call.phone.say(twilio.Media(STREAM_SID, 3, 1, 20, QUIET))
    call.phone.hang_up()
    call.phone.drop(1000)
    await call.leg.listen(call, call.bugs.append)

    assert bytes(call.audio) == QUIET
    counters = call.leg.counters()
    assert (counters["caller_ignored"], counters["caller_frames"]) == (4, 1)


@on_virtual_time
async def test_turn_is_played_and_its_hearing_reported() -> None:
    """A burst leaves paced; when it has been heard, its mark says so."""
    call = Call()
    call.leg.play("t1", speech(1000), final=True)
    sent_at_once = call.phone.heard_ms
    await call.run(1.5)

    assert sent_at_once == 200
    assert call.phone.heard_ms == 1000
    assert call.heard == [("t1", TurnHeard("t1", 1000, 1000))]
    assert call.leg.next_deadline() is None


@on_virtual_time
async def test_clear_empties_both_sides() -> None:
    """A clear reaches Twilio at once and says what was heard; late audio of the turn is not sent."""
    call = Call()
    call.leg.play("t1", speech(3000), final=True)
    await call.run(1.0)
    cleared = call.leg.clear()
    assert not call.leg.play("t1", speech(500), final=True)
    await call.run(1.0)

    assert len(call.phone.clears) == 1
    assert call.phone.heard_ms == pytest.approx(1000, abs=20)
    ((turn, heard),) = cleared.turns
    assert (turn, heard.total_ms) == ("t1", 3000)
    assert heard.heard_ms == pytest.approx(call.phone.heard_ms, abs=20)
    assert call.heard == []


@on_virtual_time
async def test_agent_takes_the_place_of_a_clip() -> None:
    """Agent audio cuts a clip short at Twilio too."""
    call = Call()
    call.leg.insert("clip", clips.load("one_moment"))
    await call.run(0.3)
    assert call.leg.play("t1", speech(400), final=True)
    await call.run(1.0)

    assert len(call.phone.clears) == 1
    assert call.phone.heard_ms == pytest.approx(300 + 400, abs=20)
    assert call.phone.heard[: 250 * 8] == clips.load("one_moment")[: 250 * 8]


@on_virtual_time
async def test_comfort_is_hushed_at_twilio_too() -> None:
    """Comfort stops at once at the caller's ear; with none in the line Twilio is told nothing."""
    call = Call()
    call.leg.hush()
    assert call.phone.clears == []
    call.leg.insert("comfort", clips.load("hold"))
    await call.run(1.0)
    call.leg.hush()
    await call.run(1.0)

    assert len(call.phone.clears) == 1
    assert call.phone.heard_ms == pytest.approx(1000, abs=20)


@on_virtual_time
async def test_keys_in_the_ear_keep_twilio_from_clearing() -> None:
    """An interruption while keys are heard does not reach Twilio's buffer; the keys are heard whole."""
    call = Call()
    call.leg.insert("keys", b"\x30" * 8 * 400)
    call.leg.play("t1", speech(400), final=True)
    await call.run(0.1)
    call.leg.clear(keep_keys=True)
    await call.run(1.0)

    assert call.phone.clears == []
    assert call.phone.heard == b"\x30" * 8 * 400


@on_virtual_time
async def test_hold_and_release() -> None:
    """Held audio stays here; released, it goes on at once."""
    call = Call()
    call.leg.play("t1", speech(1000), final=True)
    call.leg.hold(True)
    await call.run(2.0)
    assert call.phone.heard_ms == 200

    call.leg.hold(False)
    assert call.phone.heard_ms == 400
    await call.run(1.0)
    assert call.phone.heard_ms == 1000


@on_virtual_time
async def test_drain_is_over_when_the_last_mark_is_back() -> None:
    """The end of a drain is reported once, when Twilio says that all was heard."""
    call = Call()
    call.leg.play("t1", speech(500), final=True)
    call.leg.drain()
    await call.run(0.7)
    assert call.events == []
    await call.run(5.0)

    assert call.events == [on.CallerHeardAll()]


@on_virtual_time
async def test_drain_is_over_without_its_mark() -> None:
    """A last mark that never comes back is waited for 2 s beyond the last word, reported once."""
    call = Call()
    call.phone.echoes = False
    call.leg.play("t1", speech(500), final=True)
    call.leg.drain()
    start = call.now()
    due = None
    while not call.events:
        await call.run(0.1)
        due = call.now() - start

    assert due == pytest.approx(0.75 + 2.0, abs=0.15)
    await call.run(5.0)
    assert call.events == [on.CallerHeardAll()]


@on_virtual_time
async def test_reader_too_slow_loses_audio_then_the_call() -> None:
    """A peer that takes nothing loses audio, counted; after 5 s of that it is given up."""
    call = Call()
    call.phone.stalled = True
    call.leg.play("t1", speech(20_000), final=True)
    await call.run(4.5)
    assert call.events == []
    assert call.leg.dropped >= 45
    await call.run(1.0)

    assert call.events[0] == on.CallerLeft("lost", "stalled")


@on_virtual_time
async def test_short_stall_before_a_silence_is_forgiven() -> None:
    """A piece refused at the end of a turn does not end the call in the silence after it, nor later."""
    call = Call()
    call.leg.play("t1", speech(1000), final=True)
    await call.run(0.7)
    call.phone.stalled = True
    await call.run(0.3)
    call.phone.stalled = False
    dropped = call.leg.dropped
    await call.run(20.0)
    call.phone.stalled = True
    call.leg.play("t2", speech(100), final=True)
    await call.run(0.5)

    assert dropped >= 1
    assert call.leg.dropped > dropped
    assert call.events == []


@on_virtual_time
async def test_silence_is_no_stall() -> None:
    """A peer that refused the last piece, and was offered nothing since, is not given up."""
    call = Call()
    call.phone.stalled, call.phone.echoes = True, False
    call.leg.play("t1", speech(100), final=True)
    await call.run(20.0)

    assert call.leg.dropped == 1
    assert call.events == []


@on_virtual_time
async def test_stall_that_passes_starts_anew() -> None:
    """Audio that is taken again ends a stall: the next one has its own 5 s."""
    call = Call()
    call.leg.play("t1", speech(30_000), final=True)
    for stalled in (True, False, True):
        call.phone.stalled = stalled
        await call.run(3.0)

    assert call.events == []


@on_virtual_time
async def test_counters_name_both_directions() -> None:
    """The snapshot holds plain numbers of both directions."""
    call = Call()
    call.leg.play("t1", speech(1000), final=True)
    call.phone.speak()
    await call.run(0.5)
    call.leg.clear()
    await call.leg.close(1000)

    counters = call.leg.counters()
    assert all(isinstance(value, int | float) for value in counters.values())
    assert (counters["caller_frames"], counters["agent_turns"]) == (1, 1)
    assert counters["agent_ms"] == 1000
    assert counters["cleared_ms"] == pytest.approx(500, abs=20)
    assert counters["pieces_sent"] >= 6
    assert call.phone.closed == [1000]


class Tape:
    """What a leg's recorder took down, when the call is over. Lives as long as a test."""

    def __init__(self, call: Call) -> None:
        assert call.recorder is not None
        timeline = Timeline(call.recorder.start_s)
        call.recorder.take(timeline)
        pairs = timeline.finish(call.now())
        self.left, self.right = pairs[::2], pairs[1::2]
        self.heard = call.phone.line[: len(self.right)].ljust(len(self.right), b"\xff")

    def misplaced_ms(self) -> float:
        """Return for how long the recording differs from what the phone played."""
        return sum(a != b for a, b in zip(self.right, self.heard, strict=True)) / 8


async def speak(call: Call, seconds: float) -> None:
    """Let the caller's frames come, 50 a second."""
    for _ in range(round(50 * seconds)):
        call.phone.speak(b"\x11" * 160)
        await asyncio.sleep(0.02)


@on_virtual_time
async def test_recording_holds_what_the_caller_said_and_heard() -> None:
    """Frames stand by their timestamps on the left; the right is what the phone played, at its time."""
    call = Call(recorded=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(call.run(2.5))
        group.create_task(speak(call, 2.5))
        await asyncio.sleep(0.3)
        call.leg.play("t1", speech(700), final=True)
        await asyncio.sleep(1.2)
        call.leg.play("t2", speech(500), final=True)
    tape = Tape(call)

    assert len(tape.left.replace(b"\xff", b"")) / 8 == pytest.approx(2_480, abs=20)
    assert len(tape.right.replace(b"\xff", b"")) / 8 == pytest.approx(1_200, abs=5)
    begins_ms = [len(side) - len(side.lstrip(b"\xff")) for side in (tape.right, tape.heard)]
    assert begins_ms[0] / 8 == pytest.approx(begins_ms[1] / 8, abs=5)


@on_virtual_time
async def test_recording_ends_where_the_caller_cut_in() -> None:
    """What was sent and cleared is not in the recording; what is said afterwards stands at its time."""
    call = Call(recorded=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(call.run(2.0))
        call.leg.play("t1", speech(3_000), final=True)
        await asyncio.sleep(0.75)
        call.leg.clear()
        await asyncio.sleep(0.25)
        call.leg.play("t2", speech(300), final=True)
    tape = Tape(call)

    assert len(tape.right.replace(b"\xff", b"")) / 8 == pytest.approx(1_050, abs=15)
    assert tape.misplaced_ms() <= 1


@on_virtual_time
async def test_recording_has_no_audio_that_was_not_sent() -> None:
    """What a peer that reads too slowly did not get, the caller did not hear."""
    call = Call(recorded=True)
    call.phone.stalled = True
    call.leg.play("t1", speech(500), final=True)
    await call.run(1.0)

    assert call.leg.dropped
    assert Tape(call).right.strip(b"\xff") == b""


@on_virtual_time
async def test_recording_takes_the_line_s_lag_into_account() -> None:
    """Marks show that the ear is behind our clock: the next spurt stands that much later."""
    call = Call(recorded=True)
    for late_s in (0.3, 0.1, 0.2):  # the quickest tells the way there and back, the others were held up
        call.phone.echo_late_s = late_s
        call.leg.play(f"t{late_s}", speech(200), final=True)
        await call.run(0.6)
    began_at = call.now()
    call.leg.play("t2", speech(400), final=True)
    await call.run(1.0)
    tape = Tape(call)
    start = round((began_at - call.recorder.start_s + 0.1) * 8_000) if call.recorder else 0

    assert tape.right[start - 80 : start] == b"\xff" * 80
    assert tape.right[start + 80 : start + 3_100].count(b"\xff") == 0


@on_virtual_time
async def test_first_piece_of_an_answer_is_timed() -> None:
    """Audio that is gathered has not left; the piece that leaves ends the caller's wait."""
    call = Call()
    waits: list[int] = []
    call.leg.response.tell = waits.append
    call.leg.response.notice(on.SpeechStopped(), call.now())
    await call.run(0.5)
    call.leg.play("t1", speech(20), final=False)
    assert waits == []
    await call.run(0.2)

    assert waits == [pytest.approx(560, abs=30)]
