"""The books of all calls of a process."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from gateway.bridge.registry import Registry
from gateway.cluster.interface import Cluster
from gateway.journal import Journal
from gateway.ledger.carrier import Carrier
from gateway.records import CallInfo
from gateway.recording.recordings import Recordings
from gateway.recording.tape import Recorder
from gateway.storage.database import Database
from gateway.storage.rows import Call, NewCall


class Ledger:
    """Lives as long as the process; at work while :meth:`running` is held.

    Args:
        database: where the books are; migrated.
        cluster: the other nodes; its ``node`` is who holds the calls of this process.
        journal: what happens.
        registry: the live calls, which commands of other nodes go to.
        recordings: where audio is kept; None keeps none. It runs and is closed by whoever made it.
        carrier: the phone company; None when it cannot be asked.
        now: the clock of the calls (seconds, monotonic).
        keep_recordings_s: how long recordings are kept; None for ever.
    """

    def __init__(
        self,
        database: Database,
        cluster: Cluster,
        journal: Journal,
        registry: Registry,
        *,
        recordings: Recordings | None = None,
        carrier: Carrier | None = None,
        now: Callable[[], float],
        keep_recordings_s: float | None = None,
    ) -> None:
        raise NotImplementedError

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep the books until the context is left; what happened by then is stored first.

        Enter it before the server that takes calls and leave it after that, so that no end is missed.
        """
        raise NotImplementedError
        yield

    async def open(self, call: NewCall) -> Call:
        """Book a call before anybody answers it, and hold it; of one told twice, return the one there is.

        What is returned may be over, or another node's.

        Raises:
            StorageError: it is not booked: do not take the call.
        """
        raise NotImplementedError

    def stream_began(self, call: CallInfo) -> Recorder | None:
        """Book that a media stream of a call begins; return what records it, None when nothing does.

        Called when the session is put together, with the recorder given to ``CallerLeg(recorder=…)``. From
        here on the call takes the commands ``end`` ``{}`` and ``transfer``
        ``{"number": …, "ring_timeout_s": …}`` (cluster) until it is over; ``refused`` says that it has no
        live stream just now: ask the carrier instead. Returns at once and never raises.
        """
        raise NotImplementedError
