"""Commands to a live call: carried out where it lives, and refused where it has no stream."""

import asyncio
from typing import cast

import pytest

from gateway.bridge import events as on
from gateway.bridge.departures import Departed
from gateway.bridge.registry import Registry
from gateway.bridge.session import CallSession
from gateway.cluster.inprocess import InProcessCluster
from gateway.errors import ClusterError, ToolError
from gateway.ledger import orders
from gateway.ledger.orders import Orders
from gateway.records import Ending, Reason, Result
from tests.ledger.bookkeeping import call_info
from tests.virtual_time import on_virtual_time

CALL = call_info()


class Session:
    """Stands for a live session: notes what it is told."""

    def __init__(self, wait_s: float = 0.0, refusal: ToolError | None = None) -> None:
        self.posted: list[on.Event] = []
        self.transfers: list[tuple[str, int]] = []
        self._wait_s = wait_s
        self.controls = self
        self._refusal = refusal

    def post(self, event: on.Event) -> None:
        """Take an event."""
        self.posted.append(event)

    async def transfer(self, number: str, ring_timeout_s: int) -> None:
        """Put a caller through."""
        self.transfers.append((number, ring_timeout_s))
        await asyncio.sleep(self._wait_s)
        if self._refusal is not None:
            raise self._refusal


class House:
    """Commands and a registry with one session, or none."""

    def __init__(self, session: Session | None) -> None:
        self.cluster = InProcessCluster()
        self.registry = Registry(max_active=5)
        self.orders = Orders(self.cluster.commands, self.registry)
        self.orders.serve(CALL)
        if session is not None:
            self.registry._live[CALL.call_sid] = cast(CallSession, session)


@on_virtual_time
async def test_live_call_is_ended() -> None:
    """The session says goodbye as for an operator."""
    session = Session()
    house = House(session)

    assert await house.cluster.commands.ask(CALL.call_id, "end") == {}
    assert session.posted == [on.OperatorEnded()]


@on_virtual_time
async def test_live_call_is_put_through() -> None:
    """The session is given the number, and for how long it may ring."""
    session = Session()
    house = House(session)
    await house.cluster.commands.ask(CALL.call_id, "transfer", {"number": "+1", "ring_timeout_s": 12})
    await house.cluster.commands.ask(CALL.call_id, "transfer", {"number": "+2"})

    assert session.transfers == [("+1", 12), ("+2", 30)]


@on_virtual_time
async def test_transfer_that_is_refused_is_told_so() -> None:
    """Who asked learns why."""
    house = House(Session(refusal=ToolError("The call is ending.", reason="call_ending")))

    with pytest.raises(ClusterError, match="The call is ending") as caught:
        await house.cluster.commands.ask(CALL.call_id, "transfer", {"number": "+1"})
    assert caught.value.reason == "refused"


@on_virtual_time
async def test_transfer_that_takes_its_time_is_under_way() -> None:
    """Who asked has an answer within their five seconds, whatever the caller still hears."""
    house = House(Session(wait_s=9.0))
    began_at = asyncio.get_running_loop().time()

    assert await house.cluster.commands.ask(CALL.call_id, "transfer", {"number": "+1"}) == {}
    assert asyncio.get_running_loop().time() - began_at == pytest.approx(orders._ANSWER_S)


@on_virtual_time
async def test_call_without_a_stream_is_the_carrier_s_to_end() -> None:
    """A call that waits for its stream gets none any more, and who asked is told to ask the carrier."""
    house = House(None)
    lost = Departed(CALL, Ending(Result.FAILED, Reason.CALLER_LOST), "", 1)
    over: list[bool] = []
    house.registry.departures.add(lost, lambda: over.append(True))

    with pytest.raises(ClusterError, match="no stream"):
        await house.cluster.commands.ask(CALL.call_id, "transfer", {"number": "+1"})
    assert over == []
    with pytest.raises(ClusterError, match="no stream"):
        await house.cluster.commands.ask(CALL.call_id, "end")
    assert over == [True]


@on_virtual_time
async def test_unknown_command_is_refused() -> None:
    """What no version of the gateway knows does nothing."""
    session = Session()

    with pytest.raises(ClusterError, match="no such command"):
        await House(session).cluster.commands.ask(CALL.call_id, "explode")
    assert session.posted == []


@on_virtual_time
async def test_call_that_is_over_takes_no_commands() -> None:
    """Once withdrawn it lives on no node; withdrawing twice is no fault."""
    house = House(Session())
    house.orders.withdraw(CALL)
    house.orders.withdraw(CALL)

    with pytest.raises(ClusterError, match="no node"):
        await house.cluster.commands.ask(CALL.call_id, "end")
