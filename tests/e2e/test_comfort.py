"""What the caller hears while a tool works, and what the gateway's own tools do: whole calls, by the ear."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from gateway.audio import clips, dtmf, ulaw, wav
from gateway.audio.clips import HOLD_NOTE_BYTES
from gateway.records import Ending, Reason, Result, ToolRun
from gateway.sandbox.session import SessionRecord
from gateway.sandbox.stage import Script
from gateway.simulator import tone
from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from gateway.vatel.messages import (
    Argument,
    InputTranscript,
    ResponseAudio,
    ServerMessage,
    SpeechStarted,
    SpeechStopped,
    ToolCall,
)
from tests.e2e.acts import Acts, InTurn, end, send, speak
from tests.e2e.acts import tone as tone_of
from tests.e2e.running import run_all, undisturbed
from tests.e2e.town import Plan, Said, town
from tests.tools.workshop import after, says, serving

FILLER_S, HOLD_S = 1.0, 2.5
LATE_S: Final = 0.1
GAP_S: Final = 0.5
HOLD: Final = clips.load("hold")
NOTE: Final = HOLD[:HOLD_NOTE_BYTES]
ONE_MOMENT: Final = clips.load("one_moment")
KEYS: Final = "12#"
AGENT_HZ: Final = 500.0

EGRESS = 'egress = { allow_private = ["127.0.0.0/8"], allow_http = true }\n'
SLOW = """
[[tools]]
name = "look_up"
url = "URL/look-up"
deadline_s = 20
comfort = { filler_s = 1.0, filler = "FILLER", hold_s = 2.5 }
"""
OWN = """
[[tools]]
name = "end_call"
builtin = "end_call"

[[tools]]
name = "send_dtmf"
builtin = "send_dtmf"

[[tools]]
name = "transfer_call"
builtin = "transfer_call"
numbers = { desk = "+15005550009" }
"""
LOOK_UP = send(ToolCall("t-1", "look_up", ()))


def ask(tool: str, **arguments: str) -> Callable[..., None]:
    """Let the agent ask for one of the gateway's own tools."""
    values = tuple(Argument(name, data_type="string", value=value) for name, value in arguments.items())
    return send(ToolCall("t-1", tool, values))


def says_something(seconds: float = 1.0, turn_id: str = "words") -> Callable[..., None]:
    """Let the agent say something."""
    return speak(turn_id, tone_of(AGENT_HZ, seconds), "Words.")


@dataclass(frozen=True, slots=True)
class Scene:
    """A call with a tool.

    Attributes:
        script: the agent.
        answer_s: what the tool's endpoint takes.
        seconds: how long the caller stays; None: until the other side ends the call.
        streams: how many the call has.
        filler: as the tools file names it; None: the scene's own WAV file.
    """

    script: Script
    answer_s: float = 0.0
    seconds: float = 6.0
    streams: int = 1
    filler: str | None = "one_moment"


SCENES: Mapping[str, Callable[[], Scene]] = {
    "ladder": lambda: Scene(Acts(((0.3, LOOK_UP), (6.0, says_something()))), 5.5, 8.0),
    "caller talks": lambda: Scene(
        Acts(
            (
                (0.3, LOOK_UP),
                (4.0, send(SpeechStarted(False))),
                (5.0, send(InputTranscript("Are you there?", None, True))),
                (5.2, send(SpeechStopped())),
            )
        ),
        9.0,
        8.0,
    ),
    "agent talks": lambda: Scene(Acts(((0.2, says_something(2.5)), (0.3, LOOK_UP))), 6.0, 5.0),
    "quick": lambda: Scene(Acts(((0.3, LOOK_UP), (1.0, says_something()))), 0.2, 5.0),
    "wav": lambda: Scene(Acts(((0.3, LOOK_UP),)), 4.0, 3.0, filler=None),
    "goodbye": lambda: Scene(Acts(((0.5, ask("end_call")), (1.2, says_something(2.0)))), seconds=20.0),
    "keys": lambda: Scene(
        Acts(
            (
                (0.3, says_something(1.0, "before")),
                (0.4, ask("send_dtmf", digits=KEYS)),
                (0.6, says_something(0.5, "after")),
            )
        ),
        seconds=4.0,
    ),
    "transfer": lambda: Scene(
        InTurn(
            Acts(((0.3, says_something(1.0)), (0.4, ask("transfer_call", to="desk")))),
            Acts(((0.3, says_something(1.0)), (2.0, end()))),
        ),
        seconds=20.0,
        streams=2,
    ),
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a scene left behind.

    Attributes:
        said: what the agents sent, and when on the loop's clock.
        filler: µ-law, as it is to be heard.
    """

    report: CallReport
    ending: Ending
    said: list[Said]
    runs: list[ToolRun]
    sessions: list[SessionRecord]
    filler: bytes

    @property
    def line(self) -> bytes:
        """All that was heard on the first stream: µ-law."""
        return self.report.record.streams[0].heard

    def heard_at(self, audio: bytes) -> float | None:
        """Return when the caller began to hear this very audio, in seconds of the stream; None: never."""
        at = self.line.find(audio)
        return None if at < 0 else at / 8_000

    def told_at(self, kind: type[ServerMessage]) -> float:
        """Return when an agent first sent a kind of message, in seconds of the first stream."""
        [first, *_] = (said.at_s for said in self.said if isinstance(said.message, kind))
        return first - self.report.streams[0].origin_s

    def is_silent(self, from_s: float, to_s: float) -> bool:
        """Say whether nothing at all was heard from one time to another."""
        return not np.any(ulaw.decode(self.line[round(from_s * 8_000) : round(to_s * 8_000)]))


async def play(scene: Scene, folder: Path) -> Evidence:
    """Make a scene's call."""
    async with serving(after(scene.answer_s, says("seven"))) as endpoint:
        file, filler = _write_tools(folder, endpoint.url, scene.filler)
        async with town(Plan(scene.script, settings={"tools.file": file})) as place:
            report = await place.call(SilentCaller(scene.seconds), CallOptions(dial_status="busy"))
            ending = await place.ending(report, scene.streams)
            runs = place.chronicle.of(report.call_sid, ToolRun)
            return Evidence(report, ending, place.said, runs, list(place.sandbox.records), filler)


def _write_tools(folder: Path, url: str, filler: str | None) -> tuple[str, bytes]:
    """Write a tools file, and a filler of its own if it is to have one; return its path and the filler."""
    sound = ONE_MOMENT
    if filler is None:
        # A falling tone, 0.8 s.
        at = np.arange(19_200) / 24_000
        falling = 8_000 * np.sin(2 * np.pi * (900 - 300 * at) * at) * np.hanning(len(at))
        wav.write(folder / "filler.wav", falling.astype(np.int16), 24_000)
        filler = str(folder / "filler.wav")
        sound = clips.from_wav((folder / "filler.wav").read_bytes())
    tools = SLOW.replace("URL", url).replace("FILLER", filler)
    (folder / "tools.toml").write_text(EGRESS + tools + OWN, encoding="utf-8")
    return str(folder / "tools.toml"), sound


def _is_whole(evidence: Evidence) -> bool:
    # One pause is meant: before the filler, or between it and the tone.
    gaps_ms = [gap_ms for stream in evidence.report.streams for gap_ms in stream.gaps_ms]
    return not gaps_ms or (len(gaps_ms) == 1 and gaps_ms[0] > 1000 * (GAP_S - LATE_S))


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evidence]:
    """Every call of this module, all made at the same time."""

    async def make(name: str, folder: Path) -> Evidence:
        return await undisturbed(lambda: play(SCENES[name](), folder), _is_whole)

    return run_all({name: partial(make, name, tmp_path_factory.mktemp("comfort")) for name in SCENES})


@pytest.mark.timeout(90)
def test_filler_and_hold_tone_are_heard_at_their_times(calls: dict[str, Evidence]) -> None:
    """The filler after t1, the hold tone after t2, both counted from the agent's question."""
    evidence = calls["ladder"]
    asked_at = evidence.told_at(ToolCall)

    assert evidence.heard_at(ONE_MOMENT) == pytest.approx(asked_at + FILLER_S, abs=LATE_S)
    assert evidence.heard_at(NOTE) == pytest.approx(asked_at + HOLD_S, abs=LATE_S)


def test_hold_tone_stops_with_the_agents_next_audio(calls: dict[str, Evidence]) -> None:
    """The tone is heard without a seam until the agent speaks, and 100 ms after that no more."""
    evidence = calls["ladder"]
    began_at = evidence.heard_at(NOTE)
    assert began_at is not None
    heard = np.frombuffer(evidence.line[round(began_at * 8_000) :], np.uint8)
    wanted = np.resize(np.frombuffer(HOLD, np.uint8), len(heard))
    stopped_at = began_at + float(np.argmax(heard != wanted)) / 8_000
    spoke_at = evidence.told_at(ResponseAudio)

    assert spoke_at - 0.02 <= stopped_at <= spoke_at + 0.1
    words = tone.match(ulaw.decode(evidence.line[round((spoke_at + 0.1) * 8_000) :]), AGENT_HZ)
    assert words is not None
    assert words.holes == 0
    assert [run.status for run in evidence.runs] == ["ok"]


def test_nothing_is_heard_while_the_caller_talks(calls: dict[str, Evidence]) -> None:
    """The tone stops when the caller begins, is silent while they talk, and comes back after they stop."""
    evidence = calls["caller talks"]
    began_at, stopped_at = evidence.told_at(SpeechStarted), evidence.told_at(SpeechStopped)

    assert not evidence.is_silent(began_at - 0.5, began_at)
    assert evidence.is_silent(began_at + LATE_S, stopped_at + GAP_S - 0.02)
    rest = evidence.line[round(stopped_at * 8_000) :]
    assert rest.find(NOTE) / 8_000 == pytest.approx(GAP_S, abs=LATE_S)
    assert evidence.line.count(ONE_MOMENT) == 1


def test_agent_is_heard_out_before_the_filler(calls: dict[str, Evidence]) -> None:
    """Whoever speaks while it asks is heard to the end, and half a second beyond, before the filler."""
    evidence = calls["agent talks"]
    [turn, *_] = evidence.report.streams[0].turns
    filler_at = evidence.heard_at(ONE_MOMENT)

    assert filler_at is not None
    assert filler_at == pytest.approx(evidence.told_at(ResponseAudio) + 2.5 + GAP_S, abs=0.2)
    assert filler_at >= evidence.told_at(ToolCall) + FILLER_S
    assert evidence.is_silent(filler_at - 0.3, filler_at)
    assert turn.start / 8_000 < 1.0


def test_quick_answer_is_covered_by_nothing(calls: dict[str, Evidence]) -> None:
    """With a tool that is answered at once, and an agent that speaks, nothing of ours is heard."""
    evidence = calls["quick"]

    assert evidence.heard_at(ONE_MOMENT) is None
    assert evidence.heard_at(NOTE[:800]) is None
    words = tone.match(ulaw.decode(evidence.line), AGENT_HZ)
    assert words is not None
    assert words.samples == pytest.approx(8_000, abs=16)


def test_filler_of_ones_own_is_heard(calls: dict[str, Evidence]) -> None:
    """A WAV file of 24 kHz is heard as the phone can carry it."""
    evidence = calls["wav"]

    assert evidence.heard_at(evidence.filler) == pytest.approx(
        evidence.told_at(ToolCall) + FILLER_S, abs=LATE_S
    )


def test_goodbye_is_heard_out_and_then_the_call_ends(calls: dict[str, Evidence]) -> None:
    """After end_call the caller hears the whole goodbye, then the gateway hangs up."""
    evidence = calls["goodbye"]

    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED, "end_call")
    assert evidence.report.ending == "rest_completed"
    words = tone.match(ulaw.decode(evidence.line), AGENT_HZ)
    assert words is not None
    assert words.samples == pytest.approx(16_000, abs=16)
    assert [run.status for run in evidence.runs] == ["ok"]


def test_keys_are_heard_between_the_agents_words(calls: dict[str, Evidence]) -> None:
    """Tones stand whole between what the agent said before and what it says after, in the same stream."""
    evidence = calls["keys"]
    keys_at = evidence.heard_at(dtmf.tones(KEYS))

    assert keys_at == pytest.approx(evidence.told_at(ResponseAudio) + 1.0, abs=0.2)
    assert len(evidence.report.streams) == 1
    assert evidence.report.streams[0].clears == 0
    assert [run.status for run in evidence.runs] == ["ok"]


def test_failed_transfer_comes_back_to_the_agent(calls: dict[str, Evidence]) -> None:
    """A caller whom nobody took is not hung up on: the agent has them again, and knows what failed."""
    evidence = calls["transfer"]
    first, second = evidence.sessions

    assert len(evidence.report.streams) == 2
    assert first.opening.prompt is None
    assert second.opening.first_message == "I am sorry, I could not put you through."
    assert second.opening.prompt is not None
    assert "[Your transfer of the caller failed: busy." in second.opening.prompt
    assert "You: Words." in second.opening.prompt
    words = tone.match(ulaw.decode(evidence.line), AGENT_HZ)
    assert words is not None
    assert words.samples == pytest.approx(8_000, abs=80)
    assert [run.status for run in evidence.runs] == ["ok"]
    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)
