import asyncio
from typing import Any

from gateway.audio import wav
from gateway.sandbox.calllog import CallLog, close_left_over
from gateway.sandbox.callsheet import Subject
from gateway.sandbox.store import Store
from gateway.vatel.messages import Interruption, ResponseAudio, ResponseText

SUBJECT = Subject("c", "o", "a", "Ada", "v")
FRAME = b"\x07\x00" * 480


async def kept(store: Store) -> dict[str, Any]:
    """Return the call as the database has it."""
    call = await store.run(lambda tables: tables.get("call", "c", "o"))
    assert call is not None
    return call


async def test_call_is_in_the_database_from_the_first_moment(store: Store) -> None:
    """And grows there with each entry, while the session goes on."""
    log = CallLog(store, SUBJECT, 0.0)
    assert (await kept(store))["status"] == "connected"
    log.sheet.started(0.1)
    log.sent(ResponseText("t", "Hello.", True), 0.2)
    call = await kept(store)
    assert call["status"] == "in_progress"
    assert [entry["message"] for entry in call["transcript"]["entries"]] == ["Hello."]


async def test_recording_is_there_when_the_call_is_over(store: Store) -> None:
    """Caller left, agent right, what the interruption dropped left out."""
    log = CallLog(store, SUBJECT, 0.0)
    log.heard(FRAME, 0.02)
    log.sent(ResponseAudio("t", FRAME * 50, True), 0.0)
    log.sent(Interruption(), 0.5)
    log.ended("ended_by_user", 2.0)
    assert (await kept(store))["status"] == "ended"
    size = await store.run(lambda tables: tables.recording_bytes("c")) or 0
    content = await store.run(lambda tables: tables.recording("c", 0, size))
    pcm, rate_hz = wav.read(content)
    assert (rate_hz, len(pcm)) == (24_000, 12_000)


async def test_silent_call_has_no_recording(store: Store) -> None:
    """Nothing said, nothing kept."""
    CallLog(store, SUBJECT, 0.0).ended("connection_lost", 1.0)
    assert await store.run(lambda tables: tables.recording_bytes("c")) is None


async def test_calls_left_open_are_closed_at_the_next_start(store: Store) -> None:
    """A call of a sandbox that was killed has ended; one that had ended before is left alone."""
    await store.run(lambda tables: tables.put("organization", {"id": "o"}, "o"))
    CallLog(store, SUBJECT, 0.0)
    done = CallLog(store, Subject("d", "o", "a", "Ada", "v"), 0.0)
    done.ended("ended_by_user", 1.0)
    at = "2026-11-26T00:00:00.000000Z"
    await store.run(lambda tables: close_left_over(tables, at))
    call = await kept(store)
    assert (call["status"], call["termination_reason"], call["ended_at"]) == ("ended", "server_stopped", at)
    other = await store.run(lambda tables: tables.get("call", "d"))
    assert other is not None
    assert other["termination_reason"] == "ended_by_user"


async def test_two_hundred_endings_do_not_hold_the_loop_up(store: Store) -> None:
    """Recordings are put together in the store's thread: the loop goes on meanwhile."""
    logs = [CallLog(store, Subject(f"c{n}", "o", "a", "Ada", "v"), 0.0) for n in range(200)]
    for log in logs:
        for number in range(100):
            log.heard(FRAME, number * 0.02)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for log in logs:
        log.ended("ended_by_user", 2.0)
    handed_over_s = loop.time() - began
    assert await store.run(lambda tables: tables.recording_bytes("c199")) == 44 + 100 * 960 * 2
    assert handed_over_s < (loop.time() - began) / 2
