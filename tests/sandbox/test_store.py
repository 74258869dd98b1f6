import asyncio
import json
import sqlite3
import stat
from pathlib import Path

import pytest

from gateway.errors import ConfigError
from gateway.sandbox import store as store_module
from gateway.sandbox.documents import Document
from gateway.sandbox.store import Store, Tables, Where

OURS, THEIRS = "org-1", "org-2"


def call(number: int, **more: object) -> Document:
    """Return a call of a minute of the day."""
    return {"id": f"c{number}", "created_at": f"2026-11-26T00:{number:02d}:00.000000Z", **more}


async def test_document_comes_back_as_it_was(store: Store) -> None:
    """Whatever JSON holds is kept, and kept apart by kind."""
    document: Document = {"id": "x", "text": "é\u0000 😀", "none": None, "list": [1, {"a": 2.5}]}
    await store.run(lambda tables: tables.put("agent", document, OURS))
    assert await store.run(lambda tables: tables.get("agent", "x")) == document
    assert await store.run(lambda tables: tables.get("trunk", "x")) is None


async def test_documents_of_others_are_not_there(store: Store) -> None:
    """Whoever asks as an organization sees its own alone."""
    await store.run(lambda tables: tables.put("agent", {"id": "x"}, OURS))
    await store.run(lambda tables: tables.put("agent", {"id": "y"}, THEIRS))
    assert await store.run(lambda tables: tables.get("agent", "x", THEIRS)) is None
    assert await store.run(lambda tables: tables.get("agent", "x", OURS)) == {"id": "x"}
    assert await store.run(lambda tables: tables.of("agent", THEIRS)) == [{"id": "y"}]
    assert await store.run(lambda tables: tables.of("agent")) == [{"id": "x"}, {"id": "y"}]
    assert await store.run(lambda tables: tables.owner("agent", "y")) == THEIRS
    assert await store.run(lambda tables: tables.owner("agent", "z")) is None


async def test_change_keeps_the_place(store: Store) -> None:
    """A document that changes stays where it was among the others; a deleted one is gone."""
    for name in ("a", "b", "c"):
        await store.run(lambda tables, name=name: tables.put("agent", {"id": name}, OURS))  # type: ignore[misc]
    await store.run(lambda tables: tables.put("agent", {"id": "a", "new": True}, OURS))
    await store.run(lambda tables: tables.delete("agent", "b"))
    await store.run(lambda tables: tables.delete("agent", "nobody"))
    assert await store.run(lambda tables: tables.of("agent", OURS)) == [{"id": "a", "new": True}, {"id": "c"}]


async def test_page_is_newest_first_and_counts_all(store: Store) -> None:
    """Conditions, offset and limit apply; the total is of all that fit."""

    def fill(tables: Tables) -> None:
        for number in range(10):
            tables.put("call", call(number, even=number % 2 == 0), OURS)
        tables.put("call", call(30, even=True), THEIRS)

    await store.run(fill)
    even = Where("json_extract(body, '$.even') = ?", (1,))
    found, total = await store.run(lambda tables: tables.page("call", OURS, [even], 1, 2))
    assert ([each["id"] for each in found], total) == (["c6", "c4"], 5)
    found, total = await store.run(lambda tables: tables.page("call", OURS, [], 2**62, 5))
    assert (found, total) == ([], 10)


async def test_failed_job_takes_everything_back(store: Store) -> None:
    """What was written before the fault is not kept, and the store works on."""

    def fail(tables: Tables) -> None:
        tables.put("agent", {"id": "x"}, OURS)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.run(fail)
    assert await store.run(lambda tables: tables.get("agent", "x")) is None


async def test_rule_and_change_cannot_be_torn_apart(store: Store) -> None:
    """Of fifty who want the same name at once, one gets it."""

    def take(tables: Tables) -> bool:
        free = not tables.of("trunk")
        if free:
            tables.put("trunk", {"id": "only"}, OURS)
        return free

    async with asyncio.TaskGroup() as tasks:
        takers = [tasks.create_task(store.run(take)) for _ in range(50)]
    assert sum(taker.result() for taker in takers) == 1


async def test_reader_finds_what_was_noted_before(store: Store) -> None:
    """Jobs nobody waits for are done in their order, before what is asked later."""
    for number in range(100):
        store.note(
            lambda tables, number=number: tables.put("call", {"id": "c", "n": number}, OURS)  # type: ignore[misc]
        )
    assert await store.run(lambda tables: tables.get("call", "c")) == {"id": "c", "n": 99}


async def test_failed_note_is_told_in_the_end() -> None:
    """An error that nobody waited for is raised when the store is closed."""
    store = Store()
    await store.open()
    store.note(lambda tables: json.loads("{"))
    with pytest.raises(json.JSONDecodeError):
        await store.close()
    assert not store.is_open


async def test_recording_comes_in_parts(store: Store) -> None:
    """Size and any part of it can be had; of a call without one, nothing."""
    wav = bytes(range(256)) * 10
    await store.run(lambda tables: tables.put_recording("c", wav))
    assert await store.run(lambda tables: tables.recording_bytes("c")) == 2_560
    assert await store.run(lambda tables: tables.recording("c", 100, 50)) == wav[100:150]
    assert await store.run(lambda tables: tables.recording_bytes("d")) is None
    assert await store.run(lambda tables: tables.recording("d", 0, 1)) == b""


async def test_oldest_recordings_make_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the limit the newest are kept."""
    monkeypatch.setattr(store_module, "_RECORDINGS_BYTES", 250)
    for name in ("a", "b", "c"):
        await store.run(lambda tables, name=name: tables.put_recording(name, bytes(100)))  # type: ignore[misc]
    sizes = [
        await store.run(lambda tables, name=name: tables.recording_bytes(name))  # type: ignore[misc]
        for name in ("a", "b", "c")
    ]
    assert sizes == [None, 100, 100]


async def test_file_outlives_the_store(tmp_path: Path) -> None:
    """What one store kept the next one finds; the file is its owner's alone, since keys are in it."""
    path = tmp_path / "box.db"
    for expected in (None, {"id": "x"}):
        store = Store(path)
        await store.open()
        assert await store.run(lambda tables: tables.get("agent", "x")) == expected
        await store.run(lambda tables: tables.put("agent", {"id": "x"}, OURS))
        await store.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_reset_forgets(tmp_path: Path) -> None:
    """With reset a store is empty, whatever was in its file."""
    path = tmp_path / "box.db"
    for _ in range(2):
        store = Store(path)
        await store.open(reset=True)
        assert await store.run(lambda tables: tables.of("agent")) == []
        await store.run(lambda tables: tables.put("agent", {"id": "x"}, OURS))
        await store.close()


@pytest.mark.parametrize("reset", [False, True])
async def test_file_that_is_no_database_is_left_alone(tmp_path: Path, reset: bool) -> None:
    """A mistyped path destroys nothing, not even with reset, and the error says what to do."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada, " * 100)
    store = Store(path)
    with pytest.raises(ConfigError, match=r"--database .*letter\.txt: .*give another file") as caught:
        await store.open(reset=reset)
    assert caught.value.reason == "bad_database"
    assert path.read_text() == "Dear Ada, " * 100
    assert not store.is_open
    await store.close()


async def test_database_of_something_else_is_refused(tmp_path: Path) -> None:
    """Another program's SQLite file is not written into."""
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (x)")
    connection.commit()
    connection.close()
    with pytest.raises(ConfigError, match="not the database of a sandbox"):
        await Store(path).open()


async def test_folder_that_is_not_there_is_refused() -> None:
    """The error is the operator's to mend, not a trace."""
    with pytest.raises(ConfigError, match=r"--database /nowhere/box\.db"):
        await Store(Path("/nowhere/box.db")).open()


async def test_closed_store_does_nothing() -> None:
    """Before it is opened nothing can be asked of it."""
    with pytest.raises(RuntimeError, match="not open"):
        await Store().run(lambda tables: None)


async def test_nothing_is_noted_after_the_end() -> None:
    """A session that ends after its sandbox has nobody to tell, and does not fail for it."""
    store = Store()
    store.note(lambda tables: tables.put("agent", {"id": "x"}, OURS))
    await store.open()
    assert await store.run(lambda tables: tables.of("agent")) == []
    await store.close()
    store.note(lambda tables: tables.put("agent", {"id": "x"}, OURS))
