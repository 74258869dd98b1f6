"""An agent's DTMF rules in whole calls: what the caller's keys do, and what is written down of them."""

import asyncio

import pytest
import structlog

from gateway.audio import clips
from gateway.bridge.actions import Timers
from gateway.bridge.controls import RING_TIMEOUT_S
from gateway.errors import ToolError
from gateway.records import (
    DtmfAction,
    DtmfRule,
    DtmfRuleRan,
    Ending,
    Happening,
    KeyPressed,
    Reason,
    Result,
    StreamLost,
)
from tests.bridge.stage import CALL, Agent, Carrier, Stage
from tests.virtual_time import on_virtual_time

DESK = "+4930999"
HOOK = "https://example.com/keys"
BY_RULE = Ending(Result.COMPLETED, Reason.OPERATOR_ENDED, "dtmf_rule")
RULES = {
    "0": DtmfRule("hangup", 2.0),
    "1": DtmfRule("transfer", 2.0, number=DESK),
    "2": DtmfRule("webhook", 2.0, url=HOOK),
    "22": DtmfRule("webhook", 1.0, url=f"{HOOK}/twice"),
    "3": DtmfRule("ignore", 2.0),
    "34": DtmfRule("hangup", 2.0),
}


def keys(stage: Stage) -> list[Happening]:
    """Return what was written down of keys."""
    return [one for one in stage.journaled if isinstance(one, KeyPressed | DtmfRuleRan)]


def ran(stage: Stage) -> list[tuple[str, DtmfAction, str, str]]:
    """Return what became of the rules, without the time."""
    return [
        (one.digits, one.action, one.status, one.detail)
        for one in stage.journaled
        if isinstance(one, DtmfRuleRan)
    ]


def counted(stage: Stage) -> tuple[int | float, ...]:
    """Return what was counted: keys, rules, rules that failed."""
    counters = stage.end().counters
    return counters["keys"], counters["dtmf_rules"], counters["dtmf_rules_failed"]


async def dial(stage: Stage, digits: str) -> None:
    """Press keys, one after the other, and give them a moment."""
    for digit in digits:
        stage.phone.press(digit)
        await stage.talk(0.1)


@on_virtual_time
async def test_without_rules_keys_are_booked_as_they_come() -> None:
    """Nothing else happens; none waits."""
    async with Stage().play() as stage:
        await dial(stage, "1*")

        assert [one.digit for one in stage.journaled if isinstance(one, KeyPressed)] == ["1", "*"]
    assert counted(stage) == (2, 0, 0)


@on_virtual_time
async def test_keys_of_no_rule_are_booked_with_their_times() -> None:
    """Those that waited for more, too."""
    async with Stage(dtmf_rules={"123": DtmfRule("hangup", 2.0)}).play() as stage:
        await dial(stage, "12")
        assert keys(stage) == []
        await stage.talk(2.5)

        pressed = [(one.at_s, one.digit) for one in stage.journaled if isinstance(one, KeyPressed)]
        assert pressed == [(0.0, "1"), (pytest.approx(0.1, abs=0.03), "2")]
        assert not stage.session.gone.is_set()
    assert counted(stage) == (2, 0, 0)


@on_virtual_time
async def test_hangup_ends_the_call_as_an_operator_does() -> None:
    """The agent is cut short, the caller hears goodbye and is hung up on; the ending says by what."""
    async with Stage(dtmf_rules=RULES).play() as stage:
        stage.agent.speak("t1", 5_000)
        await stage.talk(0.5)
        await dial(stage, "0")
        await stage.talk(2.0)

        assert await stage.ended() == BY_RULE
    assert clips.load("goodbye") in stage.phone.heard
    assert stage.phone.heard_ms < 2_500
    assert stage.hung_up == [stage.call]
    assert ran(stage) == [("0", "hangup", "ok", "")]
    assert counted(stage) == (1, 1, 0)


@on_virtual_time
async def test_hangup_while_the_agent_is_not_there_yet() -> None:
    """A caller need not wait for an agent to be rid of it."""
    async with Stage([], dtmf_rules=RULES).play() as stage:
        await dial(stage, "0")
        await stage.talk(1.0)

        assert await stage.ended() == BY_RULE


@on_virtual_time
async def test_longer_rule_takes_the_digits_of_the_shorter() -> None:
    """While it may be dialled the shorter one waits; when its time is over, that one runs."""
    async with Stage(dtmf_rules=RULES).play() as stage:
        await dial(stage, "2")
        assert stage.told == []
        await stage.talk(1.0)
        assert stage.told == [(HOOK, "2")]
        await dial(stage, "22")

        assert stage.told == [(HOOK, "2"), (f"{HOOK}/twice", "22")]
        assert [one.at_s for one in keys(stage) if isinstance(one, DtmfRuleRan)] == [
            pytest.approx(1.0, abs=0.03),
            pytest.approx(1.2, abs=0.03),
        ]
    assert ran(stage) == [("2", "webhook", "ok", ""), ("22", "webhook", "ok", "")]
    assert counted(stage) == (3, 2, 0)


@on_virtual_time
async def test_transfer_puts_the_caller_through() -> None:
    """By the way of all transfers: the agent is heard out, the carrier asked, the call leaves."""
    async with Stage(dtmf_rules=RULES).play() as stage:
        stage.agent.speak("t1", 1_000)
        await stage.talk(0.2)
        await dial(stage, "1")
        await stage.talk(2.0)

        assert await stage.ended() == Ending(Result.COMPLETED, Reason.TRANSFERRED)
    assert stage.carrier.asked == [(CALL.call_sid, DESK, RING_TIMEOUT_S)]
    assert stage.phone.heard_ms == 1_000
    assert stage.hung_up == []
    assert ran(stage) == [("1", "transfer", "ok", "")]
    assert stage.end().counters["dtmf_rules_failed"] == 0


@on_virtual_time
async def test_refused_transfer_lets_the_call_go_on() -> None:
    """Why it was refused is written down and logged; the caller may try again."""
    carrier = Carrier(refusal=ToolError("The line is busy.", reason="transfer_busy"))
    with structlog.testing.capture_logs() as logs:
        async with Stage(dtmf_rules=RULES, carrier=carrier).play() as stage:
            await dial(stage, "1")
            await stage.talk(0.5)
            await dial(stage, "1")
            await stage.talk(0.5)
            stage.agent.speak("t1", 500)
            await stage.talk(1.0)

            assert stage.phone.heard_ms == 500
            assert not stage.session.gone.is_set()
    assert ran(stage) == [("1", "transfer", "error", "transfer_busy")] * 2
    assert [entry["reason"] for entry in logs if entry["event"] == "dtmf_rule"] == ["transfer_busy"] * 2
    assert counted(stage) == (2, 2, 2)


@on_virtual_time
async def test_second_transfer_is_refused_while_the_first_is_under_way() -> None:
    """The first goes on."""
    async with Stage(dtmf_rules=RULES, carrier=Carrier(wait_s=1.0)).play() as stage:
        await dial(stage, "11")
        await stage.talk(2.0)

        assert (await stage.ended()).reason is Reason.TRANSFERRED
    assert ran(stage) == [("1", "transfer", "error", "transfer_under_way"), ("1", "transfer", "ok", "")]


@on_virtual_time
async def test_transfer_that_the_caller_does_not_wait_for_is_booked_too() -> None:
    """They hang up while the agent is still being heard out."""
    async with Stage(dtmf_rules=RULES).play() as stage:
        stage.agent.speak("t1", 5_000)
        await stage.talk(0.2)
        await dial(stage, "1")
        stage.phone.hang_up()

        assert (await stage.ended()).reason is Reason.CALLER_HUNG_UP
    assert stage.carrier.asked == []
    assert ran(stage) == [("1", "transfer", "error", "call_ended")]
    assert counted(stage) == (1, 1, 1)


@on_virtual_time
async def test_transfer_of_a_call_that_says_goodbye_is_refused() -> None:
    """What ends the call was first."""
    async with Stage(dtmf_rules=RULES).play() as stage:
        await dial(stage, "01")

        assert await stage.ended() == BY_RULE
    assert ran(stage) == [("0", "hangup", "ok", ""), ("1", "transfer", "error", "call_ending")]


@on_virtual_time
async def test_webhook_is_told_and_the_call_goes_on() -> None:
    """Nobody waits for it; the log has no digit, nor where they went."""
    with structlog.testing.capture_logs() as logs:
        async with Stage(dtmf_rules={"987": DtmfRule("webhook", 2.0, url=HOOK)}).play() as stage:
            await dial(stage, "987")

            assert stage.told == [(HOOK, "987")]
            assert not stage.session.gone.is_set()
    assert "987" not in str(logs)
    assert HOOK not in str(logs)
    assert "987" not in repr(stage.journaled)
    assert ran(stage) == [("987", "webhook", "ok", "")]


@on_virtual_time
async def test_webhook_is_not_flooded() -> None:
    """After a hundred in one call it hears nothing more; the books say so."""
    async with Stage(dtmf_rules={"2": DtmfRule("webhook", 2.0, url=HOOK)}).play() as stage:
        for _ in range(102):
            stage.phone.press("2")
        await stage.talk(0.1)

        assert len(stage.told) == 100
    assert ran(stage)[-3:] == [("2", "webhook", "ok", "")] + [("2", "webhook", "error", "too_many")] * 2
    assert counted(stage) == (102, 102, 2)


@on_virtual_time
async def test_ignored_digits_go_nowhere() -> None:
    """That a rule swallowed some is written down, no key of theirs is."""
    async with Stage(dtmf_rules=RULES).play() as stage:
        await dial(stage, "3")
        await stage.talk(2.0)
        await dial(stage, "5")

        assert [type(one) for one in keys(stage)] == [DtmfRuleRan, KeyPressed]
    assert ran(stage) == [("3", "ignore", "ok", "")]
    assert (stage.told, stage.carrier.asked, bytes(stage.agent.audio).strip(b"\x00")) == ([], [], b"")


@pytest.mark.parametrize(
    ("dialled", "told", "booked"),
    [
        ("2", [(HOOK, "2")], [("2", "webhook", "ok", "")]),
        ("3", [], [("3", "ignore", "ok", "")]),
        ("4", [], [("4", "hangup", "error", "call_ended")]),
        ("5", [], [("5", "transfer", "error", "call_ended")]),
    ],
)
@on_virtual_time
async def test_hanging_up_completes_what_was_dialled(
    dialled: str, told: list[tuple[str, str]], booked: list[tuple[str, str, str, str]]
) -> None:
    """A rule that waited for a longer one runs then, as far as a call that is over lets it."""
    longer = {f"{digit}9": DtmfRule("ignore", 2.0) for digit in "2345"}
    waiting = {"4": DtmfRule("hangup", 2.0), "5": DtmfRule("transfer", 2.0, number=DESK)}
    async with Stage(dtmf_rules=RULES | longer | waiting).play() as stage:
        await dial(stage, dialled)
        stage.phone.hang_up()

        assert (await stage.ended()).reason is Reason.CALLER_HUNG_UP
    assert (stage.told, ran(stage)) == (told, booked)
    assert stage.carrier.asked == []


@on_virtual_time
async def test_unfinished_keys_are_booked_when_the_stream_breaks() -> None:
    """They are no rule's; the call's next stream begins anew."""
    async with Stage(dtmf_rules={"12": DtmfRule("hangup", 2.0)}).play() as stage:
        await dial(stage, "1")
        stage.phone.drop()
        await stage.ended()

        journaled = [type(one) for one in stage.journaled if isinstance(one, KeyPressed | StreamLost)]
        assert journaled == [KeyPressed, StreamLost]


@on_virtual_time
async def test_time_limit_passes_while_a_rule_waits() -> None:
    """A rule holds nothing up: the call ends as it must, and the rule is too late to."""
    rules = {"4": DtmfRule("hangup", 10.0), "49": DtmfRule("ignore", 10.0)}
    async with Stage(dtmf_rules=rules, timers=Timers(call_s=1.0)).play() as stage:
        await dial(stage, "4")
        await stage.talk(3.0)

        assert (await stage.ended()).reason is Reason.TIME_LIMIT
    assert ran(stage) == [("4", "hangup", "error", "call_ended")]


@on_virtual_time
async def test_rules_hold_while_the_agent_is_replaced() -> None:
    """A session that is lost and comes back has nothing to do with them."""
    second = Agent().start()
    async with Stage(dtmf_rules=RULES).play() as stage:
        stage.agents.script.append(second)
        stage.agent.drop()
        await asyncio.sleep(0)
        await dial(stage, "22")

        assert stage.told == [(f"{HOOK}/twice", "22")]
