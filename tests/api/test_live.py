"""Calls watched live over real sockets and real storage: order, lateness, rights, endings."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.api import live
from gateway.api.call_control import CANCELED
from gateway.storage.api_keys import ApiKeys
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import Call, CallEvent
from tests.live_room import (
    OTHER_ORIGIN,
    PUBLIC_URL,
    LiveRoom,
    live_room,
    real_now,
    said,
    statuses,
    texts,
    to_the_end,
)
from tests.tenants import Tenant, an_id, event
from tests.tenants import said as entry


def ended(call: Call, seq: int, result: str = "completed", reason: str = "caller_hung_up") -> CallEvent:
    """Return the event that ends a call."""
    return event(
        call.id,
        seq,
        "call_ended",
        at_s=1.0,
        counters={},
        ending={"result": result, "reason": reason, "detail": ""},
    )


async def over(room: LiveRoom, call: Call, seq: int) -> None:
    """End a call as the ledger does: event, row, word to the watchers."""
    await room.store(ended(call, seq))
    await room.end(call)
    room.tell(ended(call, seq))


async def test_whole_call_is_told_as_it_happens(acme: Tenant) -> None:
    """Connected, the status, each entry as it comes, the end with how it came, then the socket closes."""
    async with live_room(acme) as room:
        call = await acme.ring()
        async with room.watch(call.id) as socket:
            connected, waiting = await said(socket, 2)
            joined = event(call.id, 1, "agent_joined", at_s=0.0, session_id="s")
            await room.happen(joined, entry(call.id, 2, 0, "agent", "hello"))
            await Calls(acme.database).start(call.id, real_now())
            talking = await said(socket, 2)
            await room.happen(entry(call.id, 3, 1, "caller", "hi"), event(call.id, 4, "key", digit="*"))
            await over(room, call, 5)
            rest = await to_the_end(socket)
            code = socket.close_code

    assert connected == {"type": "connected", "data": {"call_id": call.id, "status": "initiated"}}
    assert waiting["data"] == {"call_id": call.id, "status": "initiated"}
    assert [message["type"] for message in talking] == ["call_status_update", "transcript_update"]
    assert statuses(talking) == ["in_progress"]
    assert texts(talking + rest) == ["hello", "hi"]
    told = talking[1]["data"]["transcript"][0]
    assert (told["role"], told["final"], told["offset_s"]) == ("agent", True, 2.0)
    assert rest[-1]["data"] | {"call_id": ""} == {
        "call_id": "",
        "status": "completed",
        "result": "completed",
        "reason": "caller_hung_up",
        "detail": "",
    }
    assert statuses(rest) == ["completed"]
    assert code == 1000


async def test_late_joiner_catches_up_in_one_message(acme: Tenant) -> None:
    """Who comes late gets what was said so far, then the rest, nothing twice."""
    async with live_room(acme) as room:
        call = await acme.talk()
        await room.happen(entry(call.id, 1, 0, "caller", "draft"), entry(call.id, 2, 0, "caller", "one"))
        await room.happen(entry(call.id, 3, 1, "agent", "two"))
        async with room.watch(call.id) as socket:
            messages = await said(socket, 3)
            await room.happen(entry(call.id, 4, 2, "caller", "three"))
            messages += await said(socket, 1)

    assert [message["type"] for message in messages] == [
        "connected",
        "transcript_update",
        "call_status_update",
        "transcript_update",
    ]
    assert texts(messages[:3]) == ["one", "two"]
    assert texts(messages[3:]) == ["three"]


async def test_opened_after_the_end_tells_all_and_closes(acme: Tenant) -> None:
    """A call that is over is told whole, with its final status, and the socket closes."""
    async with live_room(acme) as room:
        call = await acme.finished()
        async with room.watch(call.id) as socket:
            messages = await to_the_end(socket)
            code = socket.close_code

    assert texts(messages) == ["hello", "hi there"]
    assert statuses(messages) == ["completed"]
    assert code == 1000


async def test_call_that_never_talked_ends_for_its_watchers(acme: Tenant) -> None:
    """A call that is cancelled while it rings has no live events; its watchers learn of its end anyway."""
    async with live_room(acme) as room:
        call = await acme.ring()
        async with room.watch(call.id) as socket:
            await said(socket, 2)
            await room.end(call, CANCELED)
            messages = await to_the_end(socket)

    assert statuses(messages) == ["failed"]
    assert messages[-1]["data"]["detail"] == "canceled"


async def test_what_a_dead_node_stored_is_told_at_the_end(acme: Tenant) -> None:
    """Events that were stored and never told reach the watchers once the call is found to be over."""
    async with live_room(acme) as room:
        call = await acme.talk()
        async with room.watch(call.id) as socket:
            await said(socket, 2)
            await room.happen(entry(call.id, 1, 0, "caller", "one"))
            await room.store(entry(call.id, 2, 1, "agent", "two"))
            await room.end(call)
            messages = await to_the_end(socket)

    assert texts(messages) == ["one", "two"]
    assert statuses(messages) == ["completed"]


async def test_row_decides_how_the_call_ended(acme: Tenant) -> None:
    """A call that was cancelled while it was live failed, whatever its session says at its end."""
    async with live_room(acme, check_every_s=60) as room:
        call = await acme.talk()
        async with room.watch(call.id) as socket:
            await said(socket, 2)
            await room.end(call, CANCELED)
            await room.happen(ended(call, 1))
            messages = await to_the_end(socket)

    assert statuses(messages) == ["failed"]


async def test_watchers_come_and_go_and_all_are_told_the_same(acme: Tenant) -> None:
    """Five hundred watchers join and leave at random: each who stays is told everything, in order, once."""
    chance = random.Random(5)
    async with live_room(acme) as room:
        call = await acme.talk()
        wanted = [f"entry {number}" for number in range(60)]

        async def watcher(joins_after: int, leaves_early: bool) -> list[str]:
            await joined[joins_after].wait()
            async with room.watch(call.id) as socket:
                if leaves_early:
                    await said(socket, 2)
                    return []
                return texts(await to_the_end(socket))

        joined = [asyncio.Event() for _ in wanted]
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(watcher(chance.randrange(60), chance.random() < 0.3)) for _ in range(500)
            ]
            for number, text in enumerate(wanted):
                joined[number].set()
                await room.happen(entry(call.id, number + 1, number, "caller", text))
                await asyncio.sleep(0)
            async with asyncio.timeout(25):
                while room.live.watchers < sum(not task.done() for task in tasks):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await over(room, call, len(wanted) + 1)

    stayed = [task.result() for task in tasks if task.result()]
    assert len(stayed) > 200
    assert all(told == wanted for told in stayed)
    assert room.live.watchers == 0


async def test_crowd_leaves_the_database_to_others(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many join at once, few of them read at a time, none is sent away, and other readers get in."""
    reading, now, most = Database.reading, 0, 0

    @asynccontextmanager
    async def counted(database: Database) -> AsyncIterator[AsyncConnection]:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            async with reading(database) as connection:
                yield connection
        finally:
            now -= 1

    async with live_room(acme, check_every_s=60) as room:
        call = await acme.talk()
        await room.happen(entry(call.id, 1, 0, "caller", "hello"))
        with monkeypatch.context() as patched:
            patched.setattr(Database, "reading", counted)

            async def watcher() -> list[dict[str, Any]]:
                async with room.watch(call.id) as socket:
                    return await said(socket, 3)

            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(watcher()) for _ in range(100)]

    assert all(texts(task.result()) == ["hello"] for task in tasks)
    assert 1 < most <= live._READ_TOGETHER


async def test_crowd_that_takes_too_long_is_told_to_come_again(
    acme: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever would wait for the others for ever is refused, and let in when there are fewer."""
    monkeypatch.setattr(live, "_ADMIT_WITHIN_S", 0.05)
    async with live_room(acme, check_every_s=60) as room:
        call = await acme.talk()
        for _ in range(live._READ_TOGETHER):
            await room.live._turns.acquire()
        status, body = await room.refusal(call.id, api_key=room.key_text)
        monkeypatch.setattr(live, "_ADMIT_WITHIN_S", 10.0)
        room.live._turns.release()
        async with room.watch(call.id) as socket:
            first = (await said(socket, 1))[0]

    assert (status, body["details"]["reason"]) == (503, "storage")
    assert first["type"] == "connected"


async def test_more_events_than_are_kept_are_read_from_storage(acme: Tenant) -> None:
    """Live events that are kept no more are read from the database: nothing is lost between the two."""
    async with live_room(acme) as room:
        call = await acme.talk()
        many = [entry(call.id, seq, 0, "caller", f"draft {seq}") for seq in range(1, 2_501)]
        room.tell(*many)
        async with room.watch(call.id) as socket:
            messages = await said(socket, 2)
            await room.store(*many)
            messages += await said(socket, 1)

    assert texts(messages) == ["draft 2500"]


async def test_ping_is_answered_and_nonsense_is_told(acme: Tenant) -> None:
    """The client keeps the socket alive; what is no JSON object is told so, and the socket stays."""
    async with live_room(acme) as room:
        call = await acme.talk()
        async with room.watch(call.id) as socket:
            await said(socket, 2)
            await socket.send_str('{"type": "ping"}')
            await socket.send_str('{"type": "subscribe"}')
            await socket.send_str("hello")
            await socket.send_bytes(b"\0")
            await socket.send_str('{"type": "ping"}')
            answers = await said(socket, 4)

    assert [answer["type"] for answer in answers] == ["pong", "error", "error", "pong"]
    assert answers[1]["data"]["reason"] == "bad_message"


@pytest.mark.parametrize(
    ("case", "status", "reason"),
    [
        ("no key", 401, "unauthorized"),
        ("bad key", 401, "unauthorized"),
        ("bad token", 401, "unauthorized"),
        ("another call's token", 401, "unauthorized"),
        ("expired token", 401, "unauthorized"),
        ("another organization's call", 404, "not_found"),
        ("no such call", 404, "not_found"),
        ("foreign page", 403, "foreign_page"),
        ("no upgrade", 426, "upgrade_required"),
    ],
)
async def test_who_may_not_watch(acme: Tenant, rival: Tenant, case: str, status: int, reason: str) -> None:
    """Whoever may not watch is refused before the socket opens, in the envelope of the API."""
    async with live_room(acme) as room:
        call, other, theirs = await acme.talk(), await acme.talk(), await rival.talk()
        soon, past = real_now() + timedelta(minutes=5), real_now() - timedelta(seconds=1)
        key = {"api_key": room.key_text}
        asked = {
            "no key": (call.id, {}, {}),
            "bad key": (call.id, {"api_key": room.key_text[:-1] + "~"}, {}),
            "bad token": (call.id, {"session_token": "x" * 43}, {}),
            "another call's token": (call.id, {"session_token": await room.token(other, soon)}, {}),
            "expired token": (call.id, {"session_token": await room.token(call, past)}, {}),
            "another organization's call": (theirs.id, key, {}),
            "no such call": (an_id(), key, {}),
            "foreign page": (call.id, key, {"Origin": "https://evil.example.com"}),
            "no upgrade": (call.id, key, {"Upgrade": "", "Connection": "keep-alive"}),
        }
        call_id, query, headers = asked[case]
        told, body = await room.refusal(call_id, headers, **query)

    assert (told, body["details"]["reason"], body["success"]) == (status, reason, False)
    assert body["meta"]["request_id"]


@pytest.mark.parametrize("origin", [PUBLIC_URL, OTHER_ORIGIN, None])
@pytest.mark.parametrize("way", ["token", "header"])
async def test_who_may_watch(acme: Tenant, origin: str | None, way: str) -> None:
    """Our own page and those that the settings name may watch, and who is no page; token or header serve."""
    async with live_room(acme) as room:
        call = await acme.talk()
        headers = {} if origin is None else {"Origin": origin}
        query = {}
        if way == "token":
            query["session_token"] = await room.token(call, real_now() + timedelta(minutes=5))
        else:
            headers["Authorization"] = f"Bearer {room.key_text}"
            query["x"] = "y"
        async with room.watch(call.id, headers=headers, **query) as socket:
            (message,) = await said(socket, 1)

    assert message["type"] == "connected"


async def test_opening_sockets_counts_as_requests(acme: Tenant) -> None:
    """Sockets are opened within the key's rate limit."""
    async with live_room(acme, requests_per_key=1) as room:
        call = await acme.talk()
        async with room.watch(call.id) as socket:
            await said(socket, 1)
            status, body = await room.refusal(call.id, api_key=room.key_text)

    assert (status, body["details"]["reason"]) == (429, "rate_limit")


async def test_token_that_expires_closes_its_socket(acme: Tenant) -> None:
    """A session token is good for as long as it says, and not a moment longer."""
    async with live_room(acme) as room:
        call = await acme.talk()
        token = await room.token(call, real_now() + timedelta(seconds=1.0))
        async with room.watch(call.id, session_token=token) as socket:
            await said(socket, 2)
            messages = await to_the_end(socket)
            code = socket.close_code

    assert [message["data"]["reason"] for message in messages] == ["token_expired"]
    assert code == 1008


@pytest.mark.parametrize("way", ["revoked", "regenerated", "token of a revoked one"])
async def test_key_that_is_revoked_closes_its_sockets(acme: Tenant, way: str) -> None:
    """A key that is no longer good lets nobody watch on, nor does a token that was made with it."""
    async with live_room(acme) as room:
        call = await acme.talk()
        query: dict[str, Any] = {"api_key": room.key_text}
        if way == "token of a revoked one":
            query = {"session_token": await room.token(call, real_now() + timedelta(minutes=5))}
        async with room.watch(call.id, **query) as socket:
            await said(socket, 2)
            keys = ApiKeys(acme.database)
            if way == "regenerated":
                await keys.regenerate(acme.id, room.key.id, "0" * 16, "0" * 64)
            else:
                await keys.revoke(acme.id, room.key.id, real_now())
            messages = await to_the_end(socket)
            code = socket.close_code

    assert [message["data"]["reason"] for message in messages] == ["key_revoked"]
    assert code == 1008


async def test_process_that_stops_says_so(acme: Tenant) -> None:
    """Who watches when the gateway stops is told to come again."""
    async with live_room(acme) as room:
        call = await acme.talk()
        async with room.watch(call.id) as socket:
            await said(socket, 2)
            room.live.dismiss()
            messages = await to_the_end(socket)
            code = socket.close_code

    assert [message["data"]["reason"] for message in messages] == ["going_away"]
    assert code == 1001


async def test_watcher_that_leaves_is_forgotten(acme: Tenant) -> None:
    """A socket that its client closes leaves nothing behind."""
    async with live_room(acme) as room:
        call = await acme.talk()
        async with room.watch(call.id) as socket:
            await said(socket, 2)
            assert room.live.watchers == 1
        async with asyncio.timeout(5):
            while room.live.watchers:  # noqa: ASYNC110 - nothing else says so
                await asyncio.sleep(0.01)
        assert (await Calls(acme.database).find(acme.id, call.id)) is not None
