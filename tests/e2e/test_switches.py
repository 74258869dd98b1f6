"""Every oddity that the sandbox can be switched to, and what the caller hears of it: all at the same time."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import count
from typing import Any, Final
from uuid import UUID

import pytest

from gateway.records import Ending, Reason, Result
from gateway.sandbox.catalog import standard
from gateway.sandbox.delivery import Delivery
from gateway.sandbox.roster import Roster
from gateway.sandbox.scripted import Echo, ToolUser
from gateway.sandbox.signals import sine
from gateway.sandbox.stage import Agent, Script, Stage
from gateway.sandbox.switches import Switches
from gateway.simulator import tone
from gateway.simulator.caller import Caller, SilentCaller, ToneCaller
from gateway.simulator.options import CallOptions
from gateway.vatel.messages import InputTranscript, SpeechStarted, SpeechStopped
from tests.e2e.running import run_all, undisturbed
from tests.e2e.scenes import LONGEST_S, Evidence, Scene, longest_silence_s, play
from tests.e2e.town import AGENT, Plan, heard_clip, heard_turn

HZ: Final = 500.0
SPOKEN_S: Final = 2.0
TEXT: Final = "Good evening, the Blue Door."
CODES: Final = (
    1000,
    1001,
    1002,
    1003,
    1005,
    1006,
    1007,
    1008,
    1009,
    1010,
    1011,
    1012,
    1013,
    1014,
    3000,
    4999,
)
NORMAL: Final = (1000, 1005)


@dataclass(frozen=True, slots=True)
class Host:
    """An agent that says a sentence, as a tone, hears the caller say hello meanwhile, and ends the call."""

    def cast(self, stage: Stage) -> Agent:
        """Return the agent of a session."""
        return _HostAgent(stage)


class _HostAgent(Agent):
    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._delivery = Delivery(stage)

    def on_start(self, now: float) -> None:
        self._delivery.turn(sine(HZ, SPOKEN_S, -6.0), TEXT, now, lambda _now: self.stage.end())
        turn_id = "caller-1" if self.stage.switches.transcript_turn_ids else None
        self.stage.send(SpeechStarted(self.stage.switches.emulated))
        if self.stage.switches.interim:
            self.stage.send(InputTranscript("he", turn_id, False))
        self.stage.send(InputTranscript("hello", turn_id, True))
        self.stage.send(SpeechStopped())


def host(**switches: Any) -> Scene:
    """Return a call of somebody who only listens, to the host with some oddities."""
    return Scene(Plan(Host(), Switches(**switches)))


def tool(**switches: Any) -> Scene:
    """Return a call in which a tool is called, before anything is said."""
    return Scene(Plan(ToolUser(call_after_s=0.2), Switches(**switches)))


def first_odd(**switches: Any) -> Scene:
    """Return a call whose first session has the oddities, and whose second, by the seed, is plain."""
    return Scene(Plan(Host(), replace(Switches(**switches), share=0.5, seed=SEED)))


def _seed() -> int:
    """Find a seed by which the first session is one of the odd half, and the second is not."""
    for seed in count():
        roster = Roster(standard())
        agent_id: UUID = roster.add(AGENT, Host(), Switches(chunk_ms=20, share=0.5, seed=seed)).agent_id
        if [roster.draw(agent_id).chunk_ms for _ in range(2)] == [20, 100]:
            return seed
    raise AssertionError("there is none")


SEED: Final = _seed()

# What nobody hears anything of.
UNHEARD: Final[dict[str, Scene]] = {
    "plain": host(),
    "empty=object": host(empty="object"),
    "empty=absent": host(empty="absent"),
    "omit_is_final": host(omit_is_final=True, interim=False),
    "interim=off": host(interim=False),
    "transcript_turn_ids": host(transcript_turn_ids=True),
    "emulated": host(emulated=True),
    "chunk_ms=1": host(chunk_ms=1),
    "chunk_ms=60000": host(chunk_ms=60_000),
    "pace=1": host(pace=1.0, chunk_ms=20),
    "pace=0": host(pace=0.0),
    "odd_chunks": host(odd_chunks=True),
    "ragged_chunks": host(ragged_chunks=True, chunk_ms=40, seed=7),
    "empty_final": host(empty_final=True),
    "unknown_types": host(unknown_types=True),
    "binary_frame": host(binary_frame=True),
    "ended_message=off": host(ended_message=False),
    "refuse_variables": host(refuse_variables=True),
    "share=0": host(token_status=503, share=0.0),
    "stall": host(stall_after_s=0.1, stall_s=1.5),
}
# What comes no faster than it plays leaves no cushion against the moments in which this machine is busy.
NO_CUSHION: Final = ("pace=1",)
TOOLS: Final[dict[str, Scene]] = {
    "snake_case_tools": tool(snake_case_tools=True),
    "duplicate_tool_calls": tool(duplicate_tool_calls=True),
}
# What is covered by a sign of life, until the agent is there.
LATE: Final[dict[str, Scene]] = {
    name: Scene(Plan(Host(), Switches(**{name: 3.2}), {"vatel.connect_timeout_s": 5.0}))  # type: ignore[arg-type]
    for name in ("token_delay_s", "upgrade_delay_s", "started_delay_s")
}
# What ends in an apology, by how often the agent is tried.
HOPELESS: Final[dict[str, tuple[Scene, int]]] = {
    "token_status=429": (host(token_status=429), 2),
    "token_status=429, Retry-After": (host(token_status=429, retry_after_s=1), 2),
    "token_status=500": (host(token_status=500), 2),
    "token_status=503, Retry-After": (host(token_status=503, retry_after_s=1), 2),
    "upgrade_status=429": (host(upgrade_status=429), 2),
    "upgrade_status=503": (host(upgrade_status=503), 2),
    "token_ttl_s=0": (host(token_ttl_s=0.0), 1),
    "used_token": (host(used_token=True), 1),
}
SCENES: Final[dict[str, Scene]] = {
    **UNHEARD,
    **TOOLS,
    **LATE,
    **{name: scene for name, (scene, _) in HOPELESS.items()},
    **{
        f"leaves with {code}": first_odd(leave_after_s=1.0, pace=1.0, close_code=code, ended_message=False)
        for code in CODES
    },
    "refused once": first_odd(upgrade_status=503),
    "never_end": Scene(Plan(Host(), Switches(never_end=True)), caller=SilentCaller(5.0)),
}


def stalled_echo() -> Scene:
    """Return a call of a tone that the agent sends back, but for a second in which it does not read."""
    caller: Caller = ToneCaller(HZ + 4.0, 4.0)
    switches = Switches(stall_after_s=1.0, stall_s=1.0)
    script: Script = Echo()
    return Scene(Plan(script, switches), caller=caller, options=CallOptions(max_seconds=LONGEST_S))


@pytest.fixture(scope="module")
def calls() -> dict[str, Evidence]:
    """Every call of this module, all made at the same time."""

    async def make(name: str, scene: Scene) -> Evidence:
        return await undisturbed(lambda: play(scene), lambda heard: name not in UNHEARD or said_whole(heard))

    scenes = {**SCENES, "stalled echo": stalled_echo()}
    return run_all({name: partial(make, name, scene) for name, scene in scenes.items()})


def said_s(evidence: Evidence) -> float:
    """Return how much of the host's sentence the caller heard, seconds; what is torn does not count."""
    turns = range(len(evidence.report.streams[0].turns))
    found = [tone.match(heard_turn(evidence.report, turn), HZ) for turn in turns]
    return sum(one.samples for one in found if one and abs(one.hz - HZ) < 1 and not one.holes) / 8_000


def said_whole(evidence: Evidence) -> bool:
    """Tell whether the caller heard all of the host's sentence, as it was spoken."""
    return abs(said_s(evidence) - SPOKEN_S) <= 0.002


def odd_switches() -> Iterator[str]:
    """Yield the names of the switches that a scene of this module sets."""
    for scene in [*SCENES.values(), stalled_echo()]:
        for field in fields(Switches):
            if getattr(scene.plan.switches, field.name) != field.default:
                yield field.name


def test_every_switch_has_its_call() -> None:
    """Whoever adds a switch has to say what the caller hears of it."""
    assert set(odd_switches()) == {field.name for field in fields(Switches)}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("oddity", UNHEARD)
def test_caller_hears_nothing_of_it(calls: dict[str, Evidence], oddity: str) -> None:
    """The sentence is heard whole and at its speed, then the agent's end is the call's end."""
    evidence = calls[oddity]

    assert said_whole(evidence)
    if oddity not in NO_CUSHION:
        assert evidence.gaps_ms == []
    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)
    assert evidence.report.ending == "rest_completed"
    # What ran dry was heard in parts, and is told again with how much of it was.
    told = [word for word in evidence.words if word.final and (oddity in NO_CUSHION or word.heard_ms is None)]
    final = [(word.role, word.text) for word in told]
    assert sorted(set(final) if oddity in NO_CUSHION else final) == [("agent", TEXT), ("caller", "hello")]


@pytest.mark.parametrize("oddity", TOOLS)
def test_tool_is_answered_once_and_the_answer_is_heard(calls: dict[str, Evidence], oddity: str) -> None:
    """However its call is written, and how often, it gets one output, and the agent goes on to its end."""
    evidence = calls[oddity]

    assert [len(session.tool_outputs) for session in evidence.sessions] == [1]
    assert len(evidence.tools) == 1
    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)
    assert evidence.report.streams[0].turns


@pytest.mark.parametrize("oddity", LATE)
def test_wait_is_covered_and_the_agent_then_heard(calls: dict[str, Evidence], oddity: str) -> None:
    """After 2 s the caller hears a sign of life, and then the sentence, whole."""
    evidence = calls[oddity]

    assert heard_clip(evidence.report, "one_moment") == pytest.approx(2.0, abs=0.5)
    assert said_whole(evidence)
    assert longest_silence_s(evidence.report) <= 3.0
    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)


@pytest.mark.parametrize("oddity", HOPELESS)
def test_agent_that_cannot_be_reached_is_apologised_for(calls: dict[str, Evidence], oddity: str) -> None:
    """The whole apology, then the gateway hangs up; what may be better a moment later is tried once more."""
    evidence = calls[oddity]

    assert heard_clip(evidence.report, "apology") is not None
    assert (evidence.ending.result, evidence.ending.reason) == (Result.FAILED, Reason.AGENT_UNREACHABLE)
    assert evidence.counted("sessions") == HOPELESS[oddity][1]
    assert evidence.report.ending == "rest_completed"
    assert evidence.sessions == []


@pytest.mark.parametrize("code", [code for code in CODES if code not in NORMAL])
def test_agent_that_leaves_oddly_is_replaced(calls: dict[str, Evidence], code: int) -> None:
    """Whatever its close code, the caller hears the sentence broken off, and a second session's, whole.

    How much of the first is heard is told by the clock, so a loop that comes late lets more of it be said.
    """
    evidence = calls[f"leaves with {code}"]

    assert [session.close_code for session in evidence.sessions][:1] == [code]
    assert evidence.counted("sessions") == 2
    most_s = SPOKEN_S + 1.4 + evidence.worst_late_s
    assert SPOKEN_S + 0.8 <= said_s(evidence) <= most_s or said_whole(evidence)
    assert longest_silence_s(evidence.report) <= 3.0
    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)


@pytest.mark.parametrize("code", NORMAL)
def test_agent_that_leaves_normally_has_ended_the_call(calls: dict[str, Evidence], code: int) -> None:
    """A bare 1000, and a close without a code, end the call when what had come by then has been heard."""
    evidence = calls[f"leaves with {code}"]

    assert evidence.counted("sessions") == 1
    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)
    assert 0.8 <= said_s(evidence) <= 1.2  # of a sentence that came as fast as it is spoken
    assert heard_clip(evidence.report, "apology") is None


def test_second_attempt_is_not_noticed(calls: dict[str, Evidence]) -> None:
    """By the seed the first session is refused and the second is not: the caller hears the sentence."""
    evidence = calls["refused once"]

    assert evidence.counted("sessions") == 2
    assert said_whole(evidence)
    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)


def test_agent_that_never_ends_is_left_by_the_caller(calls: dict[str, Evidence]) -> None:
    """The caller hears the sentence, then nothing more, and hangs up."""
    evidence = calls["never_end"]

    assert said_whole(evidence)
    assert evidence.ending == Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)
    assert [session.close_code for session in evidence.sessions] == [1000]


def test_stalled_reader_gets_what_was_said_later(calls: dict[str, Evidence]) -> None:
    """The echo stops for the stall's second and then goes on; nothing is lost, nobody hangs up."""
    evidence = calls["stalled echo"]

    assert evidence.ending.result is Result.COMPLETED
    assert evidence.sessions[0].audio_frames >= 4.0 / 0.020
    assert 0.5 <= longest_silence_s(evidence.report) <= 2.5
