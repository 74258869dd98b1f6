"""The writing thread: on time, apart from the loop, unmoved by what breaks."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from gateway.recording.segments import LiveFolder
from gateway.recording.tape import Recorder, Tape
from gateway.recording.writer import Writer

MS = 8
ID = "3f0c2b1a-0000-4000-8000-00000000abcd"


def tape_of(folder: Path, start_s: float, number: int = 0) -> tuple[Recorder, Tape]:
    """Return a recorder and its tape in a folder of their own."""
    recorder = Recorder(ID, start_s)
    return recorder, Tape(recorder, LiveFolder(folder / str(number)), 0, None)


def talk(recorder: Recorder, ms: int) -> None:
    """Let the caller speak from the start of the stream."""
    for at_ms in range(0, ms, 20):
        recorder.caller(b"\x01" * 160, at_ms, recorder.start_s + at_ms / 1000)


async def test_what_was_heard_is_on_disk_within_a_second(tmp_path: Path) -> None:
    """While a call goes on, each sample is in the file within a second of being heard."""
    now = asyncio.get_running_loop().time
    writer = Writer(now, interval_s=0.05)
    recorder, tape = tape_of(tmp_path, now() - 2.0)
    writer.add(tape)
    talk(recorder, 2_000)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(writer.run())
        file = tmp_path / "0" / "0000000000000.ulaw"
        async with asyncio.timeout(1.0):
            while not file.exists() or file.stat().st_size < 2 * 1_600 * MS:  # noqa: ASYNC110 - it is a file
                await asyncio.sleep(0.01)
        running.cancel()

    assert await writer.finish(tape, recorder.start_s + 2.0)
    assert file.stat().st_size == 2 * 2_000 * MS
    writer.close()


async def test_disk_is_touched_by_one_thread_that_is_not_the_loops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All tapes are written and ended by the same thread; the loop only puts them in order."""
    threads = {"settle": set[threading.Thread](), "write": set[threading.Thread]()}
    write, settle = Tape.write, Tape.settle

    def noted_write(tape: Tape) -> None:
        threads["write"].add(threading.current_thread())
        write(tape)

    def noted_settle(tape: Tape, now_s: float) -> None:
        threads["settle"].add(threading.current_thread())
        settle(tape, now_s)

    monkeypatch.setattr(Tape, "write", noted_write)
    monkeypatch.setattr(Tape, "settle", noted_settle)
    writer = Writer(lambda: 1.0)
    tapes = [tape_of(tmp_path, 0.0, number) for number in range(3)]
    for recorder, tape in tapes:
        talk(recorder, 1_000)
        writer.add(tape)

    await writer.carry_all()
    await writer.finish(tapes[0][1], 1.0)

    assert threads["settle"] == {threading.current_thread()}
    assert len(threads["write"]) == 1
    assert threading.current_thread() not in threads["write"]
    assert writer.live == 2
    writer.close()


async def test_bug_in_one_recording_leaves_the_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What breaks is stopped and flagged, and the next turn carries the rest."""
    writer = Writer(lambda: 1.0)
    broken, bad = tape_of(tmp_path, 0.0, 0)
    whole, good = tape_of(tmp_path, 0.0, 1)
    monkeypatch.setattr(bad, "timeline", None)
    talk(broken, 1_000)
    talk(whole, 1_000)
    writer.add(bad)
    writer.add(good)

    with caplog.at_level(logging.ERROR):
        await writer.carry_all()
        await writer.carry_all()

    assert broken.truncated == "internal_error"
    assert whole.truncated == ""
    assert writer.live == 1
    assert (tmp_path / "1" / "0000000000000.ulaw").stat().st_size == 2 * 700 * MS
    writer.add(bad)
    assert await writer.finish(bad, 1.0)
    writer.close()


async def test_disk_that_hangs_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a stream waits for a hanging disk so long and no longer."""
    monkeypatch.setattr("gateway.recording.writer._FINISH_WITHIN_S", 0.05)
    released = threading.Event()
    monkeypatch.setattr(Tape, "end", lambda tape: released.wait(10))
    writer = Writer(lambda: 0.0)
    _, tape = tape_of(tmp_path, 0.0)

    assert not await writer.finish(tape, 0.0)

    released.set()
    writer.close()


async def test_turn_without_tapes_does_nothing() -> None:
    """With nothing to record the thread is not even started."""
    before = set(threading.enumerate())
    writer = Writer(lambda: 0.0)

    await writer.carry_all()

    assert writer.live == 0
    assert set(threading.enumerate()) <= before
    writer.close()


async def test_hanging_disk_stops_no_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the thread hangs tapes are settled as ever, what waits is bounded, and then all is written."""
    released, write, now = threading.Event(), Tape.write, 1.0
    monkeypatch.setattr(Tape, "write", lambda tape: (released.wait(10), write(tape))[1])
    writer = Writer(lambda: now, interval_s=0.01)
    recorder, tape = tape_of(tmp_path, 0.0)
    recorder.limit_bytes = 2 * 500 * MS
    writer.add(tape)
    for second in range(3):
        for at_ms in range(second * 1_000, second * 1_000 + 1_000, 20):
            recorder.caller(b"\x01" * 160, at_ms, at_ms / 1000)
            if at_ms % 200 == 180:
                now = (at_ms + 20) / 1000
                await writer.carry_all()

    assert recorder.dropped_bytes > 0
    assert len(tape._waiting) <= 3
    released.set()
    assert await writer.finish(tape, 3.0)
    assert (tmp_path / "0" / "0000000000000.ulaw").stat().st_size == 2 * 3_000 * MS
    writer.close()


async def test_bug_in_the_thread_costs_one_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What breaks while it is written is flagged as well, and the thread goes on with the others."""
    writer = Writer(lambda: 1.0)
    broken, bad = tape_of(tmp_path, 0.0, 0)
    whole, good = tape_of(tmp_path, 0.0, 1)
    monkeypatch.setattr(bad, "_live", None)
    for recorder, tape in ((broken, bad), (whole, good)):
        talk(recorder, 1_000)
        writer.add(tape)

    with caplog.at_level(logging.ERROR):
        await writer.carry_all()
        await writer.carry_all()
        await writer.finish(good, 1.0)

    assert (broken.truncated, whole.truncated) == ("internal_error", "")
    assert (tmp_path / "1" / "0000000000000.ulaw").stat().st_size == 2 * 1_000 * MS
    writer.close()
