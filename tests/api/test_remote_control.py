"""Orders to calls: carried out where the call is live, else by the carrier."""

import pytest

from gateway.api.remote_control import RemoteControl
from gateway.cluster.inprocess import LocalCommands
from gateway.errors import ClusterError, ToolError
from gateway.storage.rows import Call
from tests.tenants import Tenant


class Town:
    """What stands behind the orders. Lives as long as a test."""

    def __init__(self, *, live: int = 3, limit: int = 10) -> None:
        self.commands = LocalCommands()
        self.done: list[tuple[str, object]] = []
        self.live = live
        self.control = RemoteControl(self.commands, self.stop, self, self.count, lambda: limit).control()

    async def stop(self, call: Call) -> None:
        """Be the carrier."""
        self.done.append(("stopped", call.id))

    async def erase(self, recording_id: str) -> None:
        """Be the recordings."""
        self.done.append(("erased", recording_id))

    async def count(self) -> int:
        """Count calls."""
        return self.live

    def host(self, call: Call, fault: Exception | None = None) -> None:
        """Let a call live here."""

        async def carry_out(name: str, arguments: object) -> dict[str, object]:
            self.done.append((name, arguments))
            if fault is not None:
                raise fault
            return {}

        self.commands.serve(call.id, carry_out)


async def test_live_call_is_told_to_end(acme: Tenant) -> None:
    """The node that hosts a call ends it, for end and cancel alike; the carrier is not asked."""
    town, call = Town(), await acme.talk()
    town.host(call)
    await town.control.end(call)
    await town.control.cancel(call)

    assert town.done == [("end", {}), ("end", {})]


async def test_call_that_no_node_hosts_is_ended_by_the_carrier(acme: Tenant) -> None:
    """A call that rings, or waits for its turn, is the carrier's to end."""
    town, call = Town(), await acme.ring()
    await town.control.end(call)

    assert town.done == [("stopped", call.id)]


async def test_call_without_a_stream_just_now_is_ended_by_the_carrier(acme: Tenant) -> None:
    """A node that has the call, but no stream of it, says so; then the carrier hangs up."""
    town, call = Town(), await acme.talk()
    town.host(call, ClusterError("no stream", reason="no_stream"))
    await town.control.end(call)

    assert town.done == [("end", {}), ("stopped", call.id)]


async def test_order_that_is_not_answered_is_told(acme: Tenant) -> None:
    """An order that may have been carried out is not given a second time in another way."""
    town, call = Town(), await acme.talk()

    async def unreachable(*_: object, **__: object) -> dict[str, object]:
        raise ClusterError("no answer", reason="timeout")

    town.commands.ask = unreachable  # type: ignore[method-assign]  # the server is away
    with pytest.raises(ClusterError, match="no answer"):
        await town.control.end(call)

    assert town.done == []


async def test_transfer_goes_to_the_node(acme: Tenant) -> None:
    """The number goes where the call is live; a refusal, or no such node, is told."""
    town, call = Town(), await acme.talk()
    with pytest.raises(ClusterError, match="lives on no node"):
        await town.control.transfer(call, "+4930123456")
    town.host(call)
    await town.control.transfer(call, "+4930123456")
    town.host(call, ToolError("no", reason="transfer_refused"))
    with pytest.raises(ClusterError, match="refused"):
        await town.control.transfer(call, "+4930123456")

    assert town.done == [("transfer", {"number": "+4930123456"})] * 2


async def test_recording_is_erased_by_the_call_s_id(acme: Tenant) -> None:
    """Recordings are named as their calls are."""
    town, call = Town(), await acme.finished()
    await town.control.erase_recording(call)

    assert town.done == [("erased", call.id)]


@pytest.mark.parametrize(("live", "limit", "available"), [(3, 10, 7), (10, 10, 0), (12, 10, 0)])
async def test_capacity(live: int, limit: int, available: int) -> None:
    """What is left is never less than nothing."""
    told = await Town(live=live, limit=limit).control.capacity()

    assert (told.active, told.limit, told.available) == (live, limit, available)
