"""The comfort ladder on a clock turned by hand: what the caller hears of us while tools run, and when."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.audio.clips import HOLD_NOTE_BYTES
from gateway.bridge.comfort import ANNOUNCED_S, GAP_S, REPLY_S, ComfortLadder
from gateway.tools.question import ComfortPlan

NOTE_S = HOLD_NOTE_BYTES / 8_000
NOTES = [bytes([number]) * HOLD_NOTE_BYTES for number in range(1, 5)]
FILLER = b"\x50" * 4_000  # half a second
OTHER_FILLER = b"\x60" * 8_000
NAMES = {FILLER: "filler", OTHER_FILLER: "other filler"} | dict.fromkeys(NOTES, "note")
BOTH = ComfortPlan(filler_s=2.0, filler=FILLER, hold_s=6.0)
TONE = ComfortPlan(hold_s=1.0)


@dataclass
class Room:
    """A ladder with a line and a clock, which holds the ladder to its word; times count from its making.

    Attributes:
        given: when audio of ours was given, which, and whether it went on from what was given before.
        free_at: when the caller will have heard all that is in the line.
        talking_until: when the caller stopped, or nobody will believe any more that they talk.
        fillers: how many were given in this wait.
    """

    ladder: ComfortLadder = field(default_factory=lambda: ComfortLadder(b"".join(NOTES)))
    now: float = 0.0
    free_at: float = -1_000.0
    talking_until: float = -1_000.0
    emulated: bool = False
    fillers: int = 0
    given: list[tuple[float, bytes, bool]] = field(default_factory=list)

    def wait(self, seconds: float) -> "Room":
        """Let time pass, with all that falls due on the way."""
        until, ticks = self.now + seconds, 0
        while (due := self.ladder.next_deadline(self.free_at)) is not None and due <= until:
            self.now = max(self.now, due)
            self._take(self.ladder.tick(self.now, self.free_at))
            ticks += 1
            assert ticks < 1_000, "the clock does not get any further"
        self.now = until
        return self

    def _take(self, audio: bytes) -> None:
        if not audio:
            return
        goes_on = audio in NOTES[1:] or self.free_at > self.now
        if goes_on:
            assert audio in NOTES, "a filler goes on from nothing"
            assert self.free_at >= self.now - 1e-9, "the tone has a gap"
            assert self.free_at - self.now <= 0.5 + 1e-9, "the tone is fed too early"
        else:
            assert self.now >= self.free_at + GAP_S - 1e-9, "over what is in the line"
            assert self.now >= self.talking_until + GAP_S - 1e-9, "over the caller"
        self.fillers += audio not in NOTES
        assert self.fillers <= 1
        self.given.append((self.now, audio, goes_on))
        self.free_at = max(self.free_at, self.now) + len(audio) / 8_000

    def _drop_ours(self) -> None:
        if self.ladder.sounds(self.now):
            self.free_at = self.now

    def agent(self, seconds: float) -> "Room":
        """Let the agent say something so long, in place of ours."""
        self._drop_ours()
        self.free_at = max(self.free_at, self.now) + seconds
        self.ladder.agent_spoke(self.now)
        return self

    def caller(self, *, emulated: bool = False) -> "Room":
        """Let the caller begin to talk: ours is dropped."""
        self._drop_ours()
        self.ladder.caller_started(self.now, emulated=emulated)
        assert not self.ladder.sounds(self.now)
        if not emulated or self.emulated or self.talking_until <= self.now:
            self.emulated = emulated
            self.talking_until = self.now + (5.0 if emulated else 30.0)
        return self

    def said(self, *, final: bool) -> "Room":
        """Let words of the caller come."""
        self.ladder.talk.said(self.now, final=final)
        if self.talking_until > self.now:
            ends = final and self.emulated
            self.talking_until = self.now + (0.0 if ends else 5.0 if self.emulated else 30.0)
        return self

    def stopped(self) -> "Room":
        """Let the caller stop."""
        self.ladder.talk.stopped(self.now)
        self.talking_until = min(self.talking_until, self.now)
        return self

    def hold(self, seconds: float) -> "Room":
        """Let the agent ask for the hold tone."""
        self.ladder.hold(seconds, self.now)
        return self

    def ask(self, number: int = 1, plan: ComfortPlan = BOTH) -> "Room":
        """Let the agent ask for a tool."""
        if not self.ladder._wait.rungs:
            self.fillers = 0
        self.ladder.asked(number, plan, self.now)
        return self

    def answer(self, number: int = 1) -> "Room":
        """Answer a tool."""
        self.ladder.answered(number, self.now, self.free_at)
        return self

    @property
    def heard(self) -> list[tuple[float, str]]:
        """What began to sound since the last look, and when."""
        told = [(round(at, 3), NAMES[audio]) for at, audio, goes_on in self.given if not goes_on]
        self.given.clear()
        return told


def test_nobody_waits_for_nothing() -> None:
    """Without a tool nothing is due, whoever talks."""
    room = Room().caller().wait(1.0).agent(1.0).wait(10.0).stopped().answer(7)

    assert room.ladder.next_deadline(room.free_at) is None
    assert room.ladder.tick(room.now, room.free_at) == b""
    assert room.heard == []


def test_filler_then_hold_tone_until_the_agent_speaks() -> None:
    """The filler is heard once after t1, the tone from t2 on until the answer leads to the agent's words."""
    room = Room().ask().wait(20.0).answer().wait(1.0)
    assert room.heard == [(2.0, "filler"), (6.0, "note")]

    room.agent(3.0).wait(30.0)
    assert room.heard == []
    assert not room.ladder.sounds(room.now)


def test_answer_in_time_is_covered_by_nothing() -> None:
    """A tool that is answered, and an agent that speaks, before the filler is due are heard as they are."""
    room = Room().ask().wait(1.0).answer().wait(0.5).agent(2.0).wait(30.0)

    assert room.heard == []


def test_wait_goes_on_after_the_answer() -> None:
    """Until the agent speaks the caller waits, answered or not: the ladder goes on."""
    room = Room().ask().wait(1.5).answer().wait(1.0)
    assert room.heard == [(2.0, "filler")]

    room = Room().ask(plan=TONE).wait(0.5).answer().wait(2.0)
    assert room.heard == [(1.0, "note")]


def test_agent_that_says_nothing_to_the_answer() -> None:
    """An answer to which the agent says nothing for 5 s ends the wait, between two notes."""
    room = Room().ask(plan=TONE).wait(3.0).answer().wait(REPLY_S + 5.0)

    last = room.given[-1][0]
    assert room.free_at <= 3.0 + REPLY_S + NOTE_S + 0.5
    assert room.free_at == pytest.approx(1.0 + round((room.free_at - 1.0) / NOTE_S) * NOTE_S)
    assert last < 3.0 + REPLY_S
    assert room.ladder.next_deadline(room.free_at) is None


def test_plan_may_leave_out_either() -> None:
    """A plan without a filler has the tone alone, one without a tone the filler, an empty one nothing."""
    assert Room().ask(plan=TONE).wait(30.0).heard == [(1.0, "note")]
    assert Room().ask(plan=ComfortPlan(1.0, FILLER)).wait(30.0).heard == [(1.0, "filler")]
    assert Room().ask(plan=ComfortPlan(1.0)).wait(30.0).heard == []
    assert Room().ask(plan=ComfortPlan(0.0, FILLER)).wait(30.0).heard == []


def test_hold_tone_is_one_piece() -> None:
    """The notes go round in order, each given before the last was heard, never more than 1.3 s ahead."""
    room = Room().ask(plan=TONE).wait(31.0)

    assert [audio for _, audio, _ in room.given[:9]] == [*NOTES, *NOTES, NOTES[0]]
    assert room.free_at == pytest.approx(1.0 + len(room.given) * NOTE_S)
    assert 31.0 < room.free_at <= 31.0 + NOTE_S + 0.5
    assert room.heard == [(1.0, "note")]


def test_hold_tone_does_not_cut_the_filler() -> None:
    """A hold tone that falls due while the filler sounds waits for its end and a little longer."""
    plan = ComfortPlan(filler_s=1.0, filler=FILLER * 4, hold_s=2.0)
    NAMES[FILLER * 4] = "long filler"

    assert Room().ask(plan=plan).wait(10.0).heard == [(1.0, "long filler"), (3.0 + GAP_S, "note")]


def test_filler_goes_first_when_both_are_late() -> None:
    """After long words of the agent's both are due: the filler is heard first, then the tone."""
    room = Room().ask().agent(8.0).wait(20.0)

    assert room.heard == [(8.0 + GAP_S, "filler"), (8.0 + GAP_S + 0.5 + GAP_S, "note")]


def test_hold_tone_before_the_filler_leaves_no_place_for_it() -> None:
    """A plan whose tone comes first has the tone: a filler would cut it."""
    plan = ComfortPlan(filler_s=5.0, filler=FILLER, hold_s=1.0)

    assert Room().ask(plan=plan).wait(20.0).heard == [(1.0, "note")]


def test_agent_is_heard_out_before_anything_of_ours() -> None:
    """While the caller hears the agent, and half a second beyond, the ladder waits."""
    assert Room().ask().agent(3.0).wait(5.0).heard == [(3.0 + GAP_S, "filler")]

    room = Room().ask()
    for _ in range(40):  # an agent that speaks in real time, a chunk of 100 ms after the other
        room.agent(0.1).wait(0.1)
    assert room.heard == []
    assert room.wait(1.0).heard == [(4.0 + GAP_S, "filler")]


def test_line_that_is_held_back_is_not_free() -> None:
    """While the agent's words are held there is no time at which they will have been heard."""
    room = Room().ask()
    room.free_at = inf
    assert room.ladder.next_deadline(inf) is None
    assert room.ladder.tick(5.0, inf) == b""

    room.now, room.free_at = 6.0, 7.0
    assert room.wait(2.0).heard == [(7.0 + GAP_S, "filler")]


def test_agent_that_speaks_while_the_tool_runs() -> None:
    """Words of the agent's stop the tone; as the tool still runs it begins again, the filler does not."""
    room = Room().ask().wait(8.0)
    assert room.heard == [(2.0, "filler"), (6.0, "note")]

    room.agent(1.0).wait(5.0)
    assert room.heard == [(8.0 + 1.0 + GAP_S, "note")]


def test_filler_that_the_agent_forestalled_is_still_due() -> None:
    """A filler that was not heard yet when the agent spoke is heard once the agent has been."""
    assert Room().ask().wait(1.0).agent(0.5).wait(4.0).heard == [(2.0, "filler")]


def test_agent_that_spoke_with_its_question_has_said_all() -> None:
    """An answer that comes while the caller still hears the agent ends the wait: nothing chimes in."""
    room = Room().ask().agent(3.0).wait(0.2).answer().wait(30.0)

    assert room.heard == []


def test_nothing_sounds_while_the_caller_talks() -> None:
    """What sounds stops at once when the caller begins; the ladder goes on half a second after they stop."""
    room = Room().ask().wait(6.5)
    assert room.heard == [(2.0, "filler"), (6.0, "note")]
    room.caller()
    assert not room.ladder.sounds(room.now)
    assert room.wait(10.0).heard == []

    assert room.stopped().wait(3.0).heard == [(16.5 + GAP_S, "note")]


def test_hold_tone_begins_anew_from_its_first_note() -> None:
    """A tone that was cut inside a note starts over, not in the middle."""
    room = Room().ask(plan=TONE).wait(3.0).caller().wait(1.0)
    room.given.clear()
    room.stopped().wait(1.0)

    assert room.given[0] == (4.0 + GAP_S, NOTES[0], False)


def test_filler_cut_by_the_caller_is_not_repeated() -> None:
    """A filler that the caller talked over was heard; the ladder goes on with the hold tone."""
    room = Room().ask().wait(2.2).caller().wait(1.0)
    room.stopped().wait(10.0)

    assert room.heard == [(2.0, "filler"), (6.0, "note")]


def test_filler_that_fell_due_while_the_caller_talked() -> None:
    """A filler that had to wait for the caller is heard after them."""
    room = Room().ask().wait(1.0).caller().wait(3.0)

    assert room.stopped().wait(1.5).heard == [(4.0 + GAP_S, "filler")]


def test_speech_that_nobody_says_has_stopped() -> None:
    """A start that no stop follows is believed for 30 s after the last word, then no more."""
    room = Room().ask(plan=TONE).caller().wait(20.0)
    room.said(final=True).wait(60.0)

    assert room.heard == [(20.0 + 30.0 + GAP_S, "note")]


def test_speech_made_up_of_words_ends_with_them() -> None:
    """A start that was made up has no stop: it ends with the final words, or 5 s after the last."""
    room = Room().ask(plan=TONE).caller(emulated=True).wait(2.0)
    assert room.said(final=True).wait(5.0).heard == [(2.0 + GAP_S, "note")]

    room = Room().ask(plan=TONE).caller(emulated=True).wait(4.0)
    assert room.said(final=False).wait(20.0).heard == [(4.0 + 5.0 + GAP_S, "note")]


def test_real_start_outweighs_a_made_up_one() -> None:
    """What is made up during real speech does not shorten it; a real start after it gives it a real stop."""
    room = Room().ask(plan=TONE).caller().caller(emulated=True).wait(10.0)
    assert room.said(final=True).wait(5.0).heard == []
    assert room.stopped().wait(5.0).heard == [(15.0 + GAP_S, "note")]

    room = Room().ask(plan=TONE).caller(emulated=True).caller().wait(10.0)
    assert room.heard == []


def test_words_after_the_stop_are_no_speech() -> None:
    """The final words come when the caller has stopped: they silence nothing."""
    room = Room().ask(plan=TONE).caller().wait(2.0)
    room.stopped().wait(0.2)
    room.said(final=True).said(final=False)

    assert room.wait(5.0).heard == [(2.0 + GAP_S, "note")]


def test_stop_without_a_start_changes_nothing() -> None:
    """A caller who had not begun does not stop: nothing is put off."""
    room = Room().ask(plan=TONE).wait(0.9)

    assert room.stopped().wait(5.0).heard == [(1.0, "note")]


def test_several_tools_share_one_ladder() -> None:
    """The earliest filler and the earliest tone of all tools are heard, and each but once."""
    room = Room().ask(1, BOTH).wait(0.5).ask(2, ComfortPlan(1.0, OTHER_FILLER, 2.5)).wait(20.0)

    assert room.heard == [(1.5, "other filler"), (1.5 + 1.0 + GAP_S, "note")]


def test_wait_lasts_as_long_as_any_of_its_tools() -> None:
    """The agent's words after one answer do not end the wait for the other."""
    room = Room().ask(1, BOTH).ask(2, BOTH).wait(3.0).answer(1).agent(0.5).wait(10.0)
    assert room.heard == [(2.0, "filler"), (6.0, "note")]

    room.answer(2).agent(1.0).wait(10.0)
    assert room.heard == []


def test_tool_after_tool_without_a_word_is_one_wait() -> None:
    """An agent that asks again before it has spoken keeps the caller waiting: no second filler."""
    room = Room().ask(1).wait(3.0).answer(1).wait(0.2).ask(2).wait(5.0)

    assert room.heard == [(2.0, "filler"), (6.0, "note")]


def test_next_wait_has_a_filler_of_its_own() -> None:
    """Once the agent has spoken the next tool begins a new wait."""
    room = Room().ask(1).wait(3.0).answer(1).agent(1.0).wait(2.0).ask(2).wait(3.0)

    assert room.heard == [(2.0, "filler"), (7.0, "filler")]


def test_comfort_of_a_tool_that_is_answered_lasts_while_the_agent_is_silent() -> None:
    """Beside a tool without comfort another's ladder goes on for 5 s after its answer, no longer."""
    room = Room().ask(1, TONE).ask(2, ComfortPlan()).wait(2.0).answer(1).wait(30.0)

    assert room.heard == [(1.0, "note")]
    assert room.free_at < 2.0 + REPLY_S + NOTE_S + 0.5


def test_hold_at_a_wish() -> None:
    """The hold tone that an agent asks for begins at once and ends with its next words."""
    room = Room().wait(1.0).hold(60.0).wait(10.0).agent(1.0).wait(30.0)

    assert room.heard == [(1.0, "note")]


def test_hold_at_a_wish_ends_by_itself() -> None:
    """Without a word of the agent's the tone lasts as long as was asked for, to the end of its note."""
    room = Room().hold(10.0).wait(60.0)

    assert 10.0 - NOTE_S < room.free_at < 10.0 + NOTE_S + 0.5
    assert room.ladder.next_deadline(room.free_at) is None


def test_hold_that_is_announced() -> None:
    """Words of the agent's in the next 2 s announce the tone: it begins after them, and ends with others."""
    room = Room().hold(60.0).wait(ANNOUNCED_S - 0.1).agent(2.0).wait(5.0)
    assert room.heard == [(0.0, "note"), (3.9 + GAP_S, "note")]

    room.agent(1.0).wait(30.0)
    assert room.heard == []


def test_hold_asked_for_again_is_prolonged() -> None:
    """A second wish takes the place of the first."""
    room = Room().hold(5.0).wait(3.0)
    room.hold(20.0).wait(60.0)

    assert 23.0 - NOTE_S < room.free_at < 23.0 + NOTE_S + 0.5
    assert room.heard == [(0.0, "note")]


def test_nothing_follows_a_wait_that_is_forgotten() -> None:
    """A wait whose agent is gone ends at once, with its tools; their answers are nothing to it any more."""
    room = Room().ask().wait(7.0)
    room.ladder.forget()
    assert not room.ladder.sounds(room.now)
    room.given.clear()
    room.answer().wait(30.0)
    assert room.heard == []

    room.ask(2).wait(3.0)
    assert room.heard == [(39.0, "filler")]


def test_wait_goes_on_after_something_else_was_to_be_heard() -> None:
    """What is stopped for something else in the line begins again after that."""
    room = Room().ask(plan=TONE).wait(3.0)
    room.given.clear()
    room.ladder.stop()
    room.free_at = room.now + 2.0  # keys

    assert room.wait(5.0).heard == [(5.0 + GAP_S, "note")]


def test_wait_that_ends_inside_the_tone_leaves_no_rest_for_the_next() -> None:
    """A new wait begins its tone at the first note, once the line is free, whatever the last one left."""
    room = Room().hold(2.0).wait(2.1)
    room.given.clear()
    room.ask(plan=ComfortPlan(hold_s=0.1)).wait(5.0)

    at, first, _ = room.given[0]
    assert first == NOTES[0]
    assert at >= 2.4 + GAP_S - 0.01


def drop(room: Room, how: Callable[[], None]) -> None:
    """Let the shell stop what sounds."""
    room._drop_ours()
    how()


DEEDS: dict[str, Callable[[Room, int, float], object]] = {
    "ask": lambda room, number, seconds: room.ask(number, ComfortPlan(seconds / 2, FILLER, seconds)),
    "answer": lambda room, number, seconds: room.answer(number),
    "agent": lambda room, number, seconds: room.agent(seconds / 4),
    "caller": lambda room, number, seconds: room.caller(),
    "made up": lambda room, number, seconds: room.caller(emulated=True),
    "stopped": lambda room, number, seconds: room.stopped(),
    "words": lambda room, number, seconds: room.said(final=False),
    "final": lambda room, number, seconds: room.said(final=True),
    "hold": lambda room, number, seconds: room.hold(seconds),
    "stop": lambda room, number, seconds: drop(room, room.ladder.stop),
    "forget": lambda room, number, seconds: drop(room, room.ladder.forget),
}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(DEEDS)), st.integers(1, 4), st.floats(0, 8)), max_size=40))
def test_whatever_happens(story: list[tuple[str, int, float]]) -> None:
    """In any story the room holds the ladder to its word; when all is answered silence returns."""
    room = Room()
    for deed, number, seconds in story:
        DEEDS[deed](room, number, seconds)
        room.wait(seconds)
    for number in range(1, 5):
        room.answer(number)
    room.wait(60.0)
    assert room.ladder.next_deadline(room.free_at) is None
    assert not room.ladder.sounds(room.now)
