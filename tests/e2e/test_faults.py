"""What goes wrong, and what the caller hears of it: each fault in a town of its own, all at the same time.

The numbers are the rows of the fault matrix.
"""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Final

import pytest

from gateway.records import Ending, Reason, Result, StreamLost
from gateway.sandbox.scripted import Silent, ToolUser
from gateway.sandbox.stage import Exit, Script
from gateway.sandbox.switches import Switches
from gateway.simulator import tone
from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from gateway.vatel.messages import InputTranscript
from tests.e2e.acts import Act, Acts, InTurn, end, send, send_raw, send_text, speak
from tests.e2e.acts import tone as tone_of
from tests.e2e.running import run_all
from tests.e2e.scenes import LONGEST_S, Evidence, Scene, after, longest_silence_s, play
from tests.e2e.town import Plan, Town, heard_clip, heard_turn

GREETING: Final = "Good evening, the Blue Door."
WISH: Final = "a table for four please"
RESUMED: Final = "Where were we?"
GREETING_HZ, RESUMED_HZ = 500.0, 800.0
GREETING_S, RESUMED_S = 1.5, 1.0
SHORTEST_PAUSE_MS: Final = 250.0  # between clips of ours, which no mark ends
NO_NEWS_S: Final = 3.0  # more silence than this nobody should have to bear (rule G10)
BEGUN: Final[tuple[tuple[float, Act], ...]] = (
    (0.0, speak("greeting", tone_of(GREETING_HZ, GREETING_S), GREETING)),
    (0.3, send(InputTranscript(WISH, None, True))),
)
THREE_SECONDS: Final = tone_of(GREETING_HZ, 3.0)
RESET = end(Exit(1006, reset=True))

# How a session may be lost in the middle of a call, rows 8, 9 and 14, and what the gateway calls it.
LOSSES: Final[dict[str, tuple[Act, str]]] = {
    "reset": (RESET, "close_1006"),
    "gone without a close": (end(Exit(1006)), "close_1006"),
    "closed with 1001": (end(Exit(1001)), "close_1001"),
    "closed with 1011": (end(Exit(1011)), "close_1011"),
    "closed with 4000": (end(Exit(4000)), "close_4000"),
    "bytes that are no frame": (send_raw(b"\xff" * 64), "close_1002"),
    "invalid UTF-8": (send_text(b'{"type":"\xff"}'), "close_1007"),
    "a message of 10 MB": (send_text(b'"' + b"a" * 10_000_000 + b'"'), "close_1009"),
    "fifty bad messages": (send_text(b"{", times=50), "too_many_errors"),
}


def resumes_after(seconds: float) -> Acts:
    """Return an agent that takes its time, says something, and ends the call."""
    return Acts(
        ((seconds, speak("resumed", tone_of(RESUMED_HZ, RESUMED_S), RESUMED)), (seconds + 0.1, end()))
    )


def lost_by(act: Act, then: Script) -> Scene:
    """Return a call whose first session is lost while the agent still speaks."""
    return Scene(Plan(InTurn(Acts((*BEGUN, (1.0, act))), then)))


def says_goodbye(**switches: object) -> Scene:
    """Return a call that the agent ends, long before its last words have been heard."""
    farewell = Acts((*BEGUN, (0.4, end())))
    return Scene(Plan(farewell, Switches(**switches)))  # type: ignore[arg-type]


def cut(place: Town) -> None:
    """Cut the line between Twilio and the gateway, at both ends."""
    assert place.line is not None
    place.line.cut()


async def fall_silent(place: Town) -> None:
    """Let nothing more of the caller through, without a word, until the gateway has given the stream up."""
    assert place.line is not None
    await place.chronicle.talking()
    await asyncio.sleep(0.5)
    place.line.deaden("out")
    await place.chronicle.until(
        lambda: any(isinstance(line, StreamLost) for _, line in place.chronicle.lines)
    )
    place.line.mend()


def refuse_hang_up(place: Town) -> None:
    """Let the REST API answer 429 from now on."""
    place.simulator.rest.refuse_next = 1_000


TOKENS_REFUSED: Final = {401: "unauthorized", 403: "forbidden", 404: "not_found"}
UNREACHABLE: Final[dict[str, Scene]] = {
    **{f"token {status}": Scene(Plan(Silent(), Switches(token_status=status))) for status in TOKENS_REFUSED},
    "token 503": Scene(Plan(Silent(), Switches(token_status=503))),
    "token hangs": Scene(Plan(Silent(), Switches(token_delay_s=8.0))),
    "upgrade 403": Scene(Plan(Silent(), Switches(upgrade_status=403))),
    "upgrade 503": Scene(Plan(Silent(), Switches(upgrade_status=503))),
    "upgrade hangs": Scene(
        Plan(Silent(), Switches(upgrade_delay_s=5.0), {"vatel.connect_timeout_s": 0.5}),
    ),
}
SCENES: Final[dict[str, Scene]] = {
    **UNREACHABLE,
    "never starts": Scene(Plan(Silent(), Switches(started_delay_s=60.0), {"vatel.silence_timeout_s": 3.0})),
    **{f"lost: {name}": lost_by(act, resumes_after(3.0)) for name, (act, _) in LOSSES.items()},
    "lost, back at once": lost_by(RESET, resumes_after(0.0)),
    "lost twice": lost_by(RESET, Acts(((1.0, RESET),))),
    "goodbye: session_ended, then close": says_goodbye(),
    "goodbye: bare close": says_goodbye(ended_message=False),
    "goodbye: close without a code": Scene(Plan(Acts((*BEGUN, (0.4, send_raw(b"\x88\x00")))))),
    "goodbye: session_ended, then lost": says_goodbye(close_code=1006),
    "flood": Scene(
        Plan(
            Acts((*((n / 10, speak("flood", THREE_SECONDS, final=n == 9)) for n in range(10)), (1.1, end()))),
            settings={"audio.buffer_ms": 2_000},
        )
    ),
    "line cut": Scene(
        Plan(InTurn(Acts(BEGUN), resumes_after(0.2)), cuttable=True), trouble=after(1.0, cut), streams=2
    ),
    "line cut again and again": Scene(
        Plan(Acts(BEGUN), cuttable=True), trouble=after(0.5, cut, times=3), streams=3
    ),
    "caller reset": Scene(Plan(Acts(BEGUN)), options=CallOptions(reset_after_s=1.0)),
    "caller falls silent": Scene(
        Plan(
            InTurn(Acts(BEGUN), resumes_after(0.2)), settings={"calls.no_media_timeout_s": 1.0}, cuttable=True
        ),
        trouble=fall_silent,
        streams=2,
    ),
    "hang-up refused": replace(says_goodbye(), trouble=after(0.0, refuse_hang_up)),
    "hang-up hangs": replace(says_goodbye(), black_hole="twilio.api_base_url"),
    "no credentials": Scene(Plan(Acts((*BEGUN, (0.4, end()))), credentials=False)),
    "hung up while a tool works": Scene(
        Plan(ToolUser(call_after_s=0.2)), caller=SilentCaller(1.0), black_hole="tools"
    ),
    "hung up before the agent is there": Scene(
        Plan(Silent(), Switches(upgrade_delay_s=2.0)), caller=SilentCaller(0.2)
    ),
    "webhook delivered twice": Scene(
        Plan(Acts((*BEGUN, (0.4, end())))), options=CallOptions(max_seconds=LONGEST_S, duplicate_webhook=True)
    ),
}


@pytest.fixture(scope="module")
def calls() -> dict[str, Evidence]:
    """Every call of this module."""
    return run_all({name: partial(play, scene) for name, scene in SCENES.items()})


def resumed_whole(report: CallReport, stream: int = 0) -> bool:
    """Tell whether the caller heard all that the second session said."""
    found = tone.match(heard_turn(report, -1, stream), RESUMED_HZ)
    return (
        found is not None
        and abs(found.hz - RESUMED_HZ) < 1
        and abs(found.samples - RESUMED_S * 8_000) <= 16
        and not found.holes + found.clicks
    )


# --- the agent cannot be reached (rows 1, 2, 3, 6, 7)


@pytest.mark.timeout(90)
@pytest.mark.parametrize("fault", UNREACHABLE)
def test_caller_of_an_unreachable_agent_gets_an_apology(calls: dict[str, Evidence], fault: str) -> None:
    """Whatever kept the agent away, the caller hears the whole apology, then the gateway hangs up."""
    evidence = calls[fault]

    assert (evidence.ending.result, evidence.ending.reason) == (Result.FAILED, Reason.AGENT_UNREACHABLE)
    assert heard_clip(evidence.report, "apology") is not None
    assert evidence.report.ending == "rest_completed"
    assert longest_silence_s(evidence.report) <= NO_NEWS_S
    assert evidence.live_sessions == 0


@pytest.mark.parametrize("status", TOKENS_REFUSED)
def test_refused_token_is_not_asked_for_again(calls: dict[str, Evidence], status: int) -> None:
    """A key, an agent or a right that is missing will not come by asking twice: the apology comes at once."""
    evidence = calls[f"token {status}"]

    assert evidence.ending.detail == TOKENS_REFUSED[status]
    assert evidence.counted("sessions") == 1
    assert (heard_clip(evidence.report, "apology") or 0.0) < 1.0


@pytest.mark.parametrize("fault", ["token 503", "upgrade 503", "upgrade hangs"])
def test_failed_attempt_is_made_once_more(calls: dict[str, Evidence], fault: str) -> None:
    """What may be better a moment later is tried a second time, with a token of its own, within 5 s."""
    evidence = calls[fault]

    assert evidence.counted("sessions") == 2
    assert (heard_clip(evidence.report, "apology") or 0.0) < 5.5
    assert (
        evidence.ending.detail
        == {
            "token 503": "unavailable",
            "upgrade 503": "server_error",
            "upgrade hangs": "timeout",
        }[fault]
    )


def test_refused_upgrade_is_not_tried_again(calls: dict[str, Evidence]) -> None:
    """A 4xx to the upgrade means this gateway, not this moment."""
    assert calls["upgrade 403"].counted("sessions") == 1
    assert calls["upgrade 403"].ending.detail == "forbidden"


def test_hanging_token_is_covered_and_then_given_up(calls: dict[str, Evidence]) -> None:
    """The caller hears a sign of life after 2 s and the apology after 5 s, to half a second."""
    report = calls["token hangs"].report

    assert heard_clip(report, "one_moment") == pytest.approx(2.0, abs=0.5)
    assert heard_clip(report, "apology") == pytest.approx(5.0, abs=0.5)


def test_session_that_never_starts_is_given_up(calls: dict[str, Evidence]) -> None:
    """An open socket that says nothing is left with 1000 after its time, the wait being covered."""
    evidence = calls["never starts"]

    assert (evidence.ending.result, evidence.ending.reason) == (Result.FAILED, Reason.AGENT_SILENT)
    assert heard_clip(evidence.report, "one_moment") == pytest.approx(2.0, abs=0.5 + evidence.worst_late_s)
    assert heard_clip(evidence.report, "apology") == pytest.approx(3.0, abs=0.5 + evidence.worst_late_s)
    assert [session.close_code for session in evidence.sessions] == [1000]
    assert evidence.report.ending == "rest_completed"


# --- the agent is lost mid-call (rows 8, 9, 14)


@pytest.mark.parametrize("loss", LOSSES)
def test_lost_agent_is_replaced(calls: dict[str, Evidence], loss: str) -> None:
    """The caller hears the broken turn out, a sign of life, and the new session, which ends the call."""
    evidence = calls[f"lost: {loss}"]

    assert evidence.path == ["talking", "connecting", "talking", "draining", "ended"]
    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)
    assert evidence.counted("sessions") == 2
    assert GREETING_S <= (heard_clip(evidence.report, "one_moment") or 0.0) <= GREETING_S + 1.0
    assert [gap for gap in evidence.gaps_ms if gap < SHORTEST_PAUSE_MS] == []
    assert resumed_whole(evidence.report)
    assert longest_silence_s(evidence.report) <= NO_NEWS_S
    assert evidence.report.ending == "rest_completed"


@pytest.mark.parametrize("loss", LOSSES)
def test_new_session_knows_the_conversation(calls: dict[str, Evidence], loss: str) -> None:
    """The session asked for has the agent's own prompt, what was said, and words to resume with."""
    first, second = calls[f"lost: {loss}"].sessions

    assert (first.opening.prompt, first.opening.first_message) == (None, None)
    assert second.opening.first_message
    prompt = second.opening.prompt or ""
    assert prompt.startswith("You are the subject agent.")
    assert f"You: {GREETING}\nCaller: {WISH}" in prompt


def test_quick_reconnect_needs_no_filler(calls: dict[str, Evidence]) -> None:
    """When the new session speaks before the broken turn has been heard out, the caller notices nothing."""
    evidence = calls["lost, back at once"]

    assert heard_clip(evidence.report, "one_moment") is None
    assert evidence.gaps_ms == []
    assert longest_silence_s(evidence.report) < 0.5 + evidence.worst_late_s
    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)


def test_second_loss_ends_the_call(calls: dict[str, Evidence]) -> None:
    """An agent that is lost twice is not tried again: apology, hang-up, and the ending says so."""
    evidence = calls["lost twice"]

    assert evidence.ending == Ending(Result.FAILED, Reason.AGENT_LOST, "close_1006")
    assert heard_clip(evidence.report, "apology") is not None
    assert len(evidence.sessions) == 2
    assert evidence.report.ending == "rest_completed"


# --- the agent ends, or floods (rows 12, 15)


@pytest.mark.parametrize("goodbye", [name for name in SCENES if name.startswith("goodbye")])
def test_every_kind_of_end_is_the_same_end(calls: dict[str, Evidence], goodbye: str) -> None:
    """However the agent takes its leave, its last words are heard whole, then the gateway hangs up."""
    evidence = calls[goodbye]
    [turn] = [turn for turn in evidence.report.streams[0].turns if turn.stop - turn.start > 8_000]

    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)
    assert turn.stop - turn.start >= GREETING_S * 8_000
    assert evidence.report.streams[0].tail_lost_ms == 0
    assert evidence.report.ending == "rest_completed"
    assert len(evidence.endings) == 1


def test_flood_is_heard_at_its_normal_speed(calls: dict[str, Evidence]) -> None:
    """Of half a minute that comes in a second the caller hears what the buffer takes, without a skip."""
    evidence = calls["flood"]
    found = tone.match(heard_turn(evidence.report, 0), GREETING_HZ)

    assert found is not None
    assert found.samples / 8_000 == pytest.approx(
        3.0, abs=0.25
    )  # what left the buffer meanwhile, and the rest
    assert (found.holes, found.clicks, found.phase_jumps) == (0, 0, 0)
    assert evidence.counted("peak_pending_ms") <= 2_000
    assert evidence.counted("overflow_ms") + found.samples / 8 == pytest.approx(30_000, abs=300)


# --- the caller's leg (rows 16, 18, 19, 20, 21)


def test_cut_line_is_resumed(calls: dict[str, Evidence]) -> None:
    """The Redirect opens a fresh stream for the same call, whose new session knows what was said."""
    evidence = calls["line cut"]

    assert evidence.report.verbs == ("Connect", "Redirect", "Connect")
    assert [ended.ending.reason for ended in evidence.endings] == [Reason.CALLER_LOST, Reason.AGENT_ENDED]
    assert len(evidence.call_ids) == 1
    prompt = evidence.sessions[1].opening.prompt or ""
    assert f"You: {GREETING[:12]}" in prompt  # as far as it was heard
    assert f"[interrupted]\nCaller: {WISH}" in prompt
    assert evidence.sessions[1].opening.first_message
    assert resumed_whole(evidence.report, stream=1)


def test_line_that_keeps_breaking_ends_in_an_apology(calls: dict[str, Evidence]) -> None:
    """After three streams Twilio is told to say sorry and to hang up."""
    evidence = calls["line cut again and again"]

    assert evidence.report.verbs == (*("Connect", "Redirect") * 3, "Say", "Hangup")
    assert [ended.ending.reason for ended in evidence.endings] == [Reason.CALLER_LOST] * 3
    assert len(evidence.call_ids) == 1
    assert evidence.live_sessions == 0


def test_reset_caller_is_lost(calls: dict[str, Evidence]) -> None:
    """A media server that crashes leaves one ending and no session."""
    evidence = calls["caller reset"]

    assert (evidence.ending.result, evidence.ending.reason) == (Result.FAILED, Reason.CALLER_LOST)
    assert [session.close_code for session in evidence.sessions] == [1000]
    assert evidence.live_sessions == 0


def test_leg_without_media_is_given_up(calls: dict[str, Evidence]) -> None:
    """Twilio sends frames even in silence: a stream without any is closed, a fresh one takes its place."""
    evidence = calls["caller falls silent"]

    assert [ended.ending.reason for ended in evidence.endings] == [Reason.CALLER_SILENT, Reason.AGENT_ENDED]
    assert evidence.states[1].at_s - evidence.states[0].at_s == pytest.approx(1.5, abs=0.4)
    assert evidence.report.verbs == ("Connect", "Redirect", "Connect")
    assert len(evidence.call_ids) == 1
    assert resumed_whole(evidence.report, stream=1)


@pytest.mark.parametrize("fault", ["hang-up refused", "hang-up hangs", "no credentials"])
def test_call_ends_without_the_rest_api(calls: dict[str, Evidence], fault: str) -> None:
    """Twilio, which cannot be told to hang up, is led by the closed stream to the Redirect, and to an end."""
    evidence = calls[fault]

    assert evidence.report.verbs == ("Connect", "Redirect", "Hangup")
    assert evidence.report.ending == "twiml_hangup"
    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)
    assert evidence.report.streams[0].tail_lost_ms == 0


def test_caller_who_leaves_mid_tool_leaves_nothing_running(calls: dict[str, Evidence]) -> None:
    """The tool's request is dropped, and no answer goes to a session that is closed."""
    evidence = calls["hung up while a tool works"]

    assert evidence.ending == Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)
    assert evidence.counted("tools") == 1
    assert evidence.sessions[0].tool_outputs == []
    assert evidence.live_sessions == 0


def test_caller_who_leaves_early_leaves_no_orphan(calls: dict[str, Evidence]) -> None:
    """A session that was still being opened is not opened for nobody."""
    evidence = calls["hung up before the agent is there"]

    assert evidence.ending == Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)
    assert evidence.sessions == []
    assert evidence.live_sessions == 0


def test_webhook_delivered_twice_is_one_call(calls: dict[str, Evidence]) -> None:
    """The caller who was announced twice hears one agent."""
    evidence = calls["webhook delivered twice"]

    assert len(evidence.sessions) == 1
    assert evidence.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)
    assert evidence.report.ending == "rest_completed"


def test_every_call_has_one_ending(calls: dict[str, Evidence]) -> None:
    """Rule G1, over every fault of this module: a call ends once, whatever became of its streams."""
    assert {name for name, evidence in calls.items() if len(evidence.call_ends) != 1} == set()
    assert {name: len(evidence.endings) for name, evidence in calls.items()} == {
        name: scene.streams for name, scene in SCENES.items()
    }
