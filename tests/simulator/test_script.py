"""Scripted callers, step by step, against an agent that the test plays into the ear."""

from gateway.audio import ulaw
from gateway.simulator.caller import sine
from gateway.simulator.handset import Handset
from gateway.simulator.microphone import SILENCE, cut
from gateway.simulator.script import (
    Dtmf,
    HangUp,
    Interrupt,
    Pause,
    Say,
    ScriptedCaller,
    Step,
    WaitAgentQuiet,
    WaitEnd,
)

LOUD = ulaw.encode(sine(440, 160, -20))
SILENT = b"\xff" * 160
SPEECH = cut(ulaw.encode(sine(300, 800, -20)))  # 100 ms


class Talk:
    """A call in slow motion: the agent's side is written down beforehand."""

    def __init__(self, *steps: Step) -> None:
        self.handset = Handset(ScriptedCaller(steps), "CA")
        self.frames: list[bytes] = []

    def agent(self, *, speaks_ms: int = 0, silent_ms: int = 0) -> "Talk":
        """Let the agent speak, then be silent, frame by frame."""
        for block in [LOUD] * (speaks_ms // 20) + [SILENT] * (silent_ms // 20):
            self.handset.ear.push(block)
            self.frames.append(self.handset.advance())
        return self

    @property
    def spoken_at_ms(self) -> list[int]:
        """When the caller's speech left, frame by frame."""
        return [n * 20 for n, frame in enumerate(self.frames) if frame not in SILENCE]


class TestWaitAgentQuiet:
    """Waiting for one's turn."""

    def test_caller_speaks_after_the_agent_has_finished(self) -> None:
        """700 ms after its last word."""
        talk = Talk(WaitAgentQuiet(700), Say(SPEECH)).agent(silent_ms=400, speaks_ms=0)
        talk.agent(speaks_ms=1_000, silent_ms=1_000)

        assert talk.spoken_at_ms[0] == 400 + 1_000 + 680

    def test_a_pause_of_the_agent_is_not_its_end(self) -> None:
        """Half a second is too short."""
        talk = Talk(WaitAgentQuiet(700), Say(SPEECH))
        talk.agent(speaks_ms=500, silent_ms=500).agent(speaks_ms=500, silent_ms=500)

        assert talk.spoken_at_ms == []

    def test_silence_alone_is_not_an_agent_that_has_finished(self) -> None:
        """It has to speak first."""
        talk = Talk(WaitAgentQuiet(700), Say(SPEECH)).agent(silent_ms=3_000)

        assert talk.spoken_at_ms == []

    def test_what_was_said_before_does_not_count(self) -> None:
        """After the caller's own words the agent must speak again."""
        talk = Talk(WaitAgentQuiet(700), Say(SPEECH), WaitAgentQuiet(700), Say(SPEECH))
        talk.agent(speaks_ms=200, silent_ms=3_000)
        assert len(talk.spoken_at_ms) == 5

        talk.agent(speaks_ms=200, silent_ms=1_000)

        assert len(talk.spoken_at_ms) == 10

    def test_a_patient_caller_speaks_up_when_nobody_does(self) -> None:
        """An agent that waits for the caller is not waited for."""
        talk = Talk(WaitAgentQuiet(700, patience_ms=2_000), Say(SPEECH)).agent(silent_ms=3_000)

        assert talk.spoken_at_ms[0] == 2_000

    def test_patience_does_not_cut_in(self) -> None:
        """An agent that has begun is heard out, however long it speaks."""
        talk = Talk(WaitAgentQuiet(700, patience_ms=2_000), Say(SPEECH)).agent(speaks_ms=3_000)

        assert talk.spoken_at_ms == []

    def test_a_deadline_is_reported_by_name(self) -> None:
        """The caller gives up and hangs up."""
        talk = Talk(Pause(100), WaitAgentQuiet(timeout_s=2)).agent(silent_ms=3_000)

        assert talk.handset.missed == ["step 2: wait_agent_quiet"]
        assert talk.handset.hung_up

    def test_a_long_speech_is_heard_out(self) -> None:
        """Only silence counts against the deadline."""
        talk = Talk(WaitAgentQuiet(700, timeout_s=2), Say(SPEECH)).agent(silent_ms=1_000, speaks_ms=0)
        talk.agent(speaks_ms=17_000, silent_ms=1_000)

        assert talk.handset.missed == []
        assert talk.spoken_at_ms[0] == 1_000 + 17_000 + 680

    def test_silence_counts_before_and_after_the_speech(self) -> None:
        """Together they may not be longer than the deadline."""
        talk = Talk(WaitAgentQuiet(1_500, timeout_s=2)).agent(silent_ms=1_000)
        talk.agent(speaks_ms=5_000, silent_ms=1_280)
        assert not talk.handset.hung_up

        talk.agent(silent_ms=40)
        assert talk.handset.missed == ["step 1: wait_agent_quiet"]


class TestInterrupt:
    """Cutting in."""

    def test_caller_cuts_in_after_the_agent_spoke_long_enough(self) -> None:
        """A second into its speech, and the frame is remembered."""
        talk = Talk(Interrupt(SPEECH, after_ms=1_000)).agent(silent_ms=200).agent(speaks_ms=2_000)

        assert talk.spoken_at_ms[0] == 200 + 980
        assert talk.handset.cuts == [(talk.spoken_at_ms[0] // 20, len(SPEECH))]

    def test_an_agent_that_stops_early_is_not_interrupted(self) -> None:
        """Its time counts from its first word after the pause."""
        talk = Talk(Interrupt(SPEECH, after_ms=1_000))
        talk.agent(speaks_ms=600, silent_ms=400).agent(speaks_ms=600)

        assert talk.spoken_at_ms == []

    def test_an_agent_that_never_speaks_is_reported(self) -> None:
        """The step's deadline passes."""
        talk = Talk(Interrupt(SPEECH, timeout_s=1)).agent(silent_ms=2_000)

        assert talk.handset.missed == ["step 1: interrupt"]
        assert talk.handset.cuts == []


class TestOtherSteps:
    """Speech, keys, pauses, ends."""

    def test_say_speaks_to_its_end(self) -> None:
        """The next step waits for the last frame."""
        talk = Talk(Say(SPEECH), Say(SPEECH)).agent(silent_ms=300)

        assert talk.spoken_at_ms == list(range(0, 200, 20))

    def test_pause_lets_time_pass(self) -> None:
        """To the frame."""
        talk = Talk(Pause(200), Say(SPEECH)).agent(silent_ms=400)

        assert talk.spoken_at_ms[0] == 200

    def test_keys_are_pressed_one_by_one(self) -> None:
        """Each after its gap."""
        talk = Talk(Dtmf("1#", gap_ms=200))
        talk.agent(silent_ms=20)
        assert list(talk.handset.digits) == ["1"]

        talk.agent(silent_ms=200)
        assert list(talk.handset.digits) == ["1", "#"]

    def test_hang_up_ends_everything(self) -> None:
        """No later step runs."""
        talk = Talk(HangUp(), Say(SPEECH)).agent(silent_ms=200)

        assert talk.handset.hung_up
        assert talk.spoken_at_ms == []

    def test_wait_end_waits_for_the_other_side(self) -> None:
        """If nobody ends the call, that is a broken promise."""
        talk = Talk(WaitEnd(timeout_s=1)).agent(silent_ms=980)
        assert not talk.handset.hung_up

        talk.agent(silent_ms=100)
        assert talk.handset.missed == ["step 1: wait_end"]

    def test_a_finished_script_leaves_the_caller_on_the_line(self) -> None:
        """Silent, until somebody hangs up."""
        talk = Talk(Say(SPEECH)).agent(silent_ms=1_000)

        assert not talk.handset.hung_up
        assert len(talk.frames) == 50

    def test_a_script_listens(self) -> None:
        """Its ear must be fed."""
        assert ScriptedCaller(()).listens
