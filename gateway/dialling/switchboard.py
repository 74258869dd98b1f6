"""Which agent answers a call that rings here: number, organization, settings, in this order."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from gateway.dialling.config import DialConfig
from gateway.records import CallInfo
from gateway.storage.database import Database
from gateway.storage.rows import Call, NewCall


class OpensCalls(Protocol):
    """What has a call's row before Twilio is answered: the ledger."""

    async def open(self, call: NewCall) -> Call:
        """Return the row of a new call, or the one there is of the same SID."""


class Switchboard:
    """Lives as long as the process.

    Args:
        ledger: opens the row of a call that rings here.
        node: this process's name.
        now: the wall clock.
    """

    def __init__(
        self,
        database: Database,
        ledger: OpensCalls,
        config: DialConfig,
        *,
        node: str,
        now: Callable[[], datetime],
    ) -> None:
        raise NotImplementedError

    async def answer(self, form: Mapping[str, str], call_id: str | None = None) -> CallInfo | None:
        """Return the call of a signed voice webhook, its row in the database; None when it is not taken.

        Args:
            call_id: of a call that we placed, from the URL that it was placed with.

        Raises:
            StorageError: the database is away.
        """
        raise NotImplementedError
