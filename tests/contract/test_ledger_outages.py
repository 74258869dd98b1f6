"""A ledger on a real PostgreSQL that hangs: live calls lose nothing, new ones are refused in time."""

import asyncio
import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import StorageError
from gateway.storage.database import Database
from gateway.storage.transcript import transcript_of
from tests.databases import PostgresServer, postgres_server
from tests.ledger.bookkeeping import ENDED, JOINED, at_work, ending_of, said, until
from tests.tenants import HUNG_UP, new_call, tenant

CALLS = 5
REFUSED_WITHIN_S = 3.0  # and Twilio's webhook is answered within 5


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A server of the test's own, which it may harm."""
    with postgres_server() as server:
        yield server


def tell(server: PostgresServer, number: signal.Signals) -> None:
    """Send a signal to all of a server's processes."""
    assert server._process is not None
    pid = server._process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for process in (pid, *map(int, children)):
        os.kill(process, number)


# The drivers drop sockets of a server that does not answer; they are picked up here, not in another test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.timeout(60)
async def test_database_that_hangs_costs_live_calls_nothing(own_postgres: PostgresServer) -> None:
    """What happens meanwhile is stored when it answers again, once and in order; a new call is refused."""
    database = Database.open(await own_postgres.create())
    acme = await tenant(database)
    now = asyncio.get_running_loop().time
    async with at_work(database) as office:
        calls = [await office.ring(acme) for _ in range(CALLS)]
        for call in calls:
            office.happens(call, JOINED, said(0))
        await office.settled()
        tell(own_postgres, signal.SIGSTOP)
        try:
            asked_at = now()
            for turn in range(1, 20):
                for call in calls:
                    office.happens(call, said(turn))
            with pytest.raises(StorageError):
                await office.ledger.open(new_call(acme.id))
            refused_after_s = now() - asked_at
            await until(lambda: not office.ledger.storing)
        finally:
            tell(own_postgres, signal.SIGCONT)
        for call in calls:
            office.happens(call, ENDED)
        await until(lambda: not office.ledger.unstored, within_s=30.0)

        assert refused_after_s < REFUSED_WITHIN_S
        for call in calls:
            stored = await office.stored(call)
            assert [event.seq for event in stored] == list(range(1, 23))
            assert len(transcript_of(stored)) == 20
            assert ending_of(await office.row(call)) == HUNG_UP
    await database.close()
    gc.collect()
