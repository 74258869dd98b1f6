"""One watcher of one call, where storage, feed or reader fail; what goes well the sockets' tests show."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from aiohttp import ClientConnectionResetError, WSMessage, web

from gateway.api import live_watch
from gateway.api.live_access import LiveGuard
from gateway.api.live_watch import Leave, Watch
from gateway.cluster.hub import Hub
from gateway.cluster.interface import LiveEvent
from gateway.errors import ClusterError, StorageError
from gateway.ledger.live import body_of
from gateway.storage.call_events import CallEvents
from gateway.storage.rows import Call, CallEvent
from tests.tenants import Tenant
from tests.tenants import said as entry


class Reader:
    """A socket that notes what it is sent, and takes it or not."""

    close_code = 1006

    def __init__(self, *, stuck: bool = False, gone: bool = False) -> None:
        self.said: list[str] = []
        self.stuck, self.gone = stuck, gone
        self.closed_with: tuple[int, bytes] | None = None
        self.client_left = asyncio.Event()

    async def send_str(self, text: str) -> None:
        """Take a message."""
        if self.gone:
            raise ClientConnectionResetError
        if self.stuck:
            await asyncio.Event().wait()
        self.said.append(text)

    async def close(self, *, code: int, message: bytes) -> None:
        """Be closed."""
        if self.stuck:
            await asyncio.Event().wait()
        self.closed_with = (code, message)

    def __aiter__(self) -> "Reader":
        return self

    async def __anext__(self) -> WSMessage:
        await self.client_left.wait()
        raise StopAsyncIteration


class Away(CallEvents):
    """Stored events that cannot be read now."""

    async def list_all(self, organization_id: str, call_id: str, after: int = 0) -> list[CallEvent]:
        """Fail."""
        raise StorageError("away", reason="unavailable")


class Broken(Hub):
    """A feed that never has what is asked for."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason
        self.asked = 0

    @asynccontextmanager
    async def watch(self, call_id: str, after: int = 0) -> AsyncIterator[AsyncIterator[LiveEvent]]:
        """Fail."""
        self.asked += 1
        raise ClusterError("no", reason=self.reason)
        yield cast(Any, None)


def watch_of(tenant: Tenant, call: Call, reader: Reader, **parts: Any) -> Watch:
    """Return a watcher of a call."""
    stored = parts.get("stored", CallEvents)(tenant.database)
    socket = cast(web.WebSocketResponse, reader)
    turns = asyncio.Semaphore(1)
    return Watch(call, socket, stored, parts.get("events", Hub()), LiveGuard(tenant.database, None), turns)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let deadlines be short."""
    monkeypatch.setattr(live_watch, "_SEND_WITHIN_S", 0.05)
    monkeypatch.setattr(live_watch, "_CLOSE_WITHIN_S", 0.05)
    monkeypatch.setattr(live_watch, "_RETRY_S", 0.001)


@pytest.mark.usefixtures("hasty")
async def test_reader_that_takes_nothing_is_dropped(acme: Tenant) -> None:
    """Who does not read is waited for a while, then closed with 1013; closing waits no longer either."""
    reader = Reader(stuck=True)
    watch = watch_of(acme, await acme.talk(), reader)
    leave = await watch.run()
    await watch.close(leave)

    assert (leave.code, leave.reason) == (1013, "slow_reader")
    assert reader.closed_with is None


@pytest.mark.usefixtures("hasty")
async def test_reader_whom_the_feed_has_overtaken_is_dropped(acme: Tenant) -> None:
    """More than the feed lets pile up is the reader's own loss, told with 1013."""
    events, reader = Hub(), Reader()
    call = await acme.talk()
    watch = watch_of(acme, call, reader, events=events)
    running = asyncio.get_running_loop().create_task(watch.run())
    while len(reader.said) < 2:  # noqa: ASYNC110 - until it waits for events
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    for seq in range(1, 400):
        one = entry(call.id, seq, 0, "caller", str(seq))
        events.publish(call.id, LiveEvent(seq, body_of(one)))
    leave = await running
    await watch.close(leave)

    assert (leave.code, leave.reason) == (1013, "slow_reader")
    assert reader.closed_with == (1013, b"slow_reader")


async def test_reader_who_has_gone(acme: Tenant) -> None:
    """A connection that broke ends the watch; there is nobody to tell."""
    watch = watch_of(acme, await acme.talk(), Reader(gone=True))
    leave = await watch.run()
    await watch.close(leave)

    assert leave.reason == "gone"


async def test_client_that_closes(acme: Tenant) -> None:
    """A socket that the client closes ends the watch."""
    reader = Reader()
    reader.client_left.set()
    leave = await watch_of(acme, await acme.talk(), reader).run()

    assert (leave.code, leave.reason) == (1006, "gone")


@pytest.mark.usefixtures("hasty")
async def test_stored_events_that_cannot_be_read(acme: Tenant) -> None:
    """Better no transcript than one with a hole: the watcher is told to come again."""
    reader = Reader()
    watch = watch_of(acme, await acme.talk(), reader, stored=Away)
    leave = await watch.run()
    await watch.close(leave)

    assert (leave.code, leave.reason) == (1013, "events_missed")
    assert '"error"' in reader.said[-1]


@pytest.mark.usefixtures("hasty")
async def test_live_events_that_cannot_be_had(acme: Tenant) -> None:
    """A cluster that does not bring the events is asked for a while; then the watcher has to come again."""
    events = Broken("unavailable")
    leave = await watch_of(acme, await acme.talk(), Reader(), events=events).run()

    assert (leave.code, leave.reason) == (1013, "events_missed")
    assert events.asked == live_watch._MOST_RETRIES


@pytest.mark.usefixtures("hasty")
async def test_end_that_the_row_does_not_tell(acme: Tenant) -> None:
    """When the row still says that the call lives, the last event has the last word."""
    events, reader = Hub(), Reader()
    call = await acme.talk()
    data = {"ending": {"result": "failed", "reason": "agent_lost", "detail": ""}, "counters": {}}
    last = CallEvent(call_id=call.id, seq=1, at=call.created_at, kind="call_ended", data=data)
    events.publish(call.id, LiveEvent(1, body_of(last), last=True))
    leave = await watch_of(acme, call, reader, events=events).run()

    assert (leave.code, leave.reason) == (1000, "call_over")
    assert '"status":"failed"' in reader.said[-1]


async def test_who_is_sent_away_first_goes_for_that_reason(acme: Tenant) -> None:
    """The first reason to leave counts."""
    watch = watch_of(acme, await acme.talk(), Reader())
    watch.leave(Leave(1008, "key_revoked"))
    watch.leave(Leave(1001, "going_away"))

    assert (await watch.run()).reason == "key_revoked"
