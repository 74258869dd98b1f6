"""The table itself: no dead arrow, no gap behind a guard, and no call that its timers cannot end."""

from collections import defaultdict
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.bridge import commands as do
from gateway.bridge import events as on
from gateway.bridge import table
from gateway.bridge.actions import BargeIn, Facts, Timers
from gateway.bridge.machine import CallMachine
from gateway.bridge.table import ARROWS, Arrow, State, choose, diagram, waits
from gateway.vatel.messages import ToolCall

EXAMPLES: dict[type[on.Event], list[on.Event]] = {
    on.AgentFailed: [on.AgentFailed("x", retryable=True), on.AgentFailed("x", retryable=False)],
    on.AgentLost: [on.AgentLost("close_1006")],
    on.ToolCalled: [on.ToolCalled(ToolCall("t", "x"))],
    on.ToolAnswered: [on.ToolAnswered(1)],
    on.CallerLeft: [on.CallerLeft("hung_up"), on.CallerLeft("lost"), on.CallerLeft("protocol")],
}
BY_PAIR: dict[tuple[State, type[on.Event]], list[Arrow]] = defaultdict(list)
for _arrow in ARROWS:
    BY_PAIR[_arrow.state, _arrow.event].append(_arrow)
# What happens from outside; the timers come from the machine itself.
OUTSIDE = sorted((event for event in {a.event for a in ARROWS} if event.__name__[-3:] != "Due"), key=str)
TIMERS = get_args(on.Timer)


@pytest.mark.parametrize("pair", BY_PAIR, ids=lambda pair: f"{pair[0]}-{pair[1].__name__}")
def test_arrows_of_a_pair_leave_no_gap(pair: tuple[State, type[on.Event]]) -> None:
    """Of the arrows for one event in one state only the last has no guard: none is dead, none is missing."""
    guards = [arrow.when for arrow in BY_PAIR[pair]]

    assert guards[-1] is None
    assert None not in guards[:-1]


@pytest.mark.parametrize("arrow", ARROWS, ids=lambda a: f"{a.state}-{a.event.__name__}-{a.to}")
def test_ending_is_decided_once(arrow: Arrow) -> None:
    """The arrow that leaves a living call for good says how it ended; no other does."""
    alive = (State.CONNECTING, State.TALKING)
    leaves = arrow.state in alive and arrow.to not in alive

    assert (arrow.ending is not None) is leaves


def test_nothing_leads_back_to_life() -> None:
    """A draining call only ends, an ended one has no arrows."""
    assert {arrow.to for arrow in ARROWS if arrow.state is State.DRAINING} == {State.DRAINING, State.ENDED}
    assert not [arrow for arrow in ARROWS if arrow.state is State.ENDED]


def test_first_arrow_whose_guard_holds_is_taken() -> None:
    """Guards are asked in order."""
    facts = Facts(Timers(), "clear", tries=1)
    failure = on.AgentFailed("x", retryable=True)
    assert choose(State.CONNECTING, failure, facts, 0.0).to is State.CONNECTING

    facts.tries = 2
    assert choose(State.CONNECTING, failure, facts, 0.0).to is State.DRAINING


def test_unlisted_event_is_a_bug() -> None:
    """What the table does not list raises, naming state and event."""
    with pytest.raises(AssertionError, match="no arrow for CallerHeardAll in state talking"):
        choose(State.TALKING, on.CallerHeardAll(), Facts(Timers(), "clear"), 0.0)


def test_guard_that_fails_without_another_arrow_is_a_bug(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event all of whose guards fail raises like one that is not listed."""
    arrow = Arrow(State.TALKING, on.AgentReady, State.TALKING, when=lambda facts, event, now: False)
    monkeypatch.setattr(table, "_TABLE", {(State.TALKING, on.AgentReady): [arrow]})

    with pytest.raises(AssertionError, match="no arrow for AgentReady"):
        choose(State.TALKING, on.AgentReady(), Facts(Timers(), "clear"), 0.0)


def test_diagram_shows_every_change_of_state() -> None:
    """The diagram has a line for each arrow that changes the state, guard and ending named."""
    lines = diagram().splitlines()

    changes = [arrow for arrow in ARROWS if arrow.to is not arrow.state]
    assert len(lines) == len(changes) + 3
    assert (lines[0], lines[1], lines[-1]) == (
        "stateDiagram-v2",
        "    [*] --> connecting",
        "    ended --> [*]",
    )
    assert "    talking --> draining: AgentEnded / agent_ended" in lines
    assert "    talking --> ended: CallerLeft [hung up] / caller_hung_up" in lines
    assert "    talking --> ended: Transferred / transferred" in lines


def _walk(machine: CallMachine, data: st.DataObject, now: float) -> list[do.End]:
    """Let things happen that the table lists, in any order, at any time."""
    ends: list[do.End] = []
    for _ in range(data.draw(st.integers(0, 15))):
        listed = [e for e in OUTSIDE if (machine.state, e) in BY_PAIR and e not in TIMERS]
        if not listed:
            break
        kind = data.draw(st.sampled_from(listed))
        event = data.draw(st.sampled_from(EXAMPLES[kind])) if kind in EXAMPLES else kind()  # type: ignore[call-arg]
        now += data.draw(st.floats(0, 3))
        commands = machine.tick(now) + machine.handle(event, now)
        ends += [c for c in commands if isinstance(c, do.End)]
        if data.draw(st.booleans()):
            machine.caller_spoke(now)
    while (due := machine.next_deadline()) is not None:
        now = max(now, due)
        ends += [c for c in machine.tick(now) if isinstance(c, do.End)]
    return ends


@pytest.mark.parametrize("arrow", ARROWS, ids=lambda a: f"{a.state}-{a.event.__name__}-{a.to}")
def test_what_waits_for_a_transfer(arrow: Arrow) -> None:
    """What may end the call or change its agent waits once the carrier is asked, and only that."""
    facts = Facts(Timers(), "clear")
    assert not waits(arrow, facts)

    facts.transfer = "begun"
    ends = arrow.to is not arrow.state and arrow.to in (State.DRAINING, State.ENDED)
    assert waits(arrow, facts) is (
        (ends or arrow.event is on.AgentLost) and arrow.event is not on.Transferred
    )

    facts.transfer = "asked"
    if waits(arrow, facts):
        assert arrow.event not in (
            on.CallerLeft,
            on.CallerSilent,
            on.OperatorEnded,
            on.ShutdownDue,
            on.TimeUp,
        )


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_nobody_hangs_up_on_a_caller_who_is_put_through(data: st.DataObject) -> None:
    """Whatever happens besides, from the moment the carrier is asked nothing ends the call but its answer."""
    machine, now = CallMachine(), 0.0
    machine.start(now)
    machine.handle(on.AgentReady(), now)
    machine.handle(on.TransferBegun(), now)
    begun = True
    for _ in range(data.draw(st.integers(0, 12))):
        listed = [e for e in OUTSIDE if (machine.state, e) in BY_PAIR and e not in TIMERS]
        kind = data.draw(st.sampled_from(listed))
        if kind in (on.AgentReady, on.TransferAsked, on.TransferBegun) or not begun:
            continue  # one transfer at a time: the shell sees to that
        event = data.draw(st.sampled_from(EXAMPLES[kind])) if kind in EXAMPLES else kind()  # type: ignore[call-arg]
        commands = machine.tick(now) + machine.handle(event, now)
        ends = [command for command in commands if isinstance(command, do.End)]
        if kind is on.Transferred:
            assert [end.hang_up for end in ends] == [False]
        begun = kind is not on.TransferFailed
        assert not (begun and ends) or kind is on.Transferred
        if machine.state is State.ENDED:
            break
        now += data.draw(st.floats(0, 2.0))


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(["clear", "pause"]))
def test_every_story_has_one_end(data: st.DataObject, barge_in: BargeIn) -> None:
    """Whatever happens, in whatever order, the timers end a call that nobody feeds, exactly once."""
    machine = CallMachine(barge_in=barge_in)
    machine.start(0.0)

    ends = _walk(machine, data, 0.0)

    assert machine.state is State.ENDED
    assert len(ends) == 1
    assert ends[0].ending == machine.ending
