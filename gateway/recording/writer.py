"""Carries recordings to the disk: the loop puts them in order, some times a second, one thread writes.

Disk calls never run on the loop, and the thread does little else than disk calls: were it to do more, it
would take the interpreter from the loop for milliseconds at a time. A disk that hangs holds up the thread
alone: what waits for it fills to its bound, then time goes by as silence.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gateway.recording.tape import Tape
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_FINISH_WITHIN_S = 5.0
_BATCH = 16  # so that no turn keeps the interpreter busy for more than a millisecond or two


class Writer:
    """Lives as long as the process.

    Args:
        now: the clock of the recorders.
        interval_s: how often each tape is carried to the disk. With the 0.3 s that a timeline takes to
            settle it has to stay well below the second within which audio is promised to be there.
    """

    def __init__(self, now: Callable[[], float], *, interval_s: float = 0.4) -> None:
        self._now = now
        self._interval_s = interval_s
        self._tapes: dict[Tape, None] = {}
        self._written: asyncio.Future[None] | None = None  # the turn that the thread is at, or was
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recording")

    @property
    def live(self) -> int:
        """How many streams are being recorded."""
        return len(self._tapes)

    def add(self, tape: Tape) -> None:
        """Carry a tape from now on."""
        self._tapes[tape] = None

    async def run(self) -> None:
        """Carry all tapes, again and again, a few at a time; ends by being cancelled."""
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        while True:
            tapes = list(self._tapes)
            batches = [tapes[at : at + _BATCH] for at in range(0, len(tapes), _BATCH)] or [[]]
            for batch in batches:
                next_at = max(next_at + self._interval_s / len(batches), loop.time())
                await asyncio.sleep(next_at - loop.time())
                await self._carry([tape for tape in batch if tape in self._tapes])

    async def carry_all(self) -> None:
        """Carry all tapes once."""
        await self._carry(list(self._tapes))

    async def _carry(self, tapes: list[Tape]) -> None:
        now_s = self._now()
        await self._attempt(tapes, lambda tape: tape.settle(now_s))
        waiting = [tape for tape in tapes if tape.waits]
        if waiting and (self._written is None or self._written.done()):  # else the disk hangs
            self._written = self._in_thread(waiting, Tape.write)
            await asyncio.wait([self._written], timeout=self._interval_s)

    async def _attempt(self, tapes: list[Tape], step: Callable[[Tape], None]) -> None:
        """Take a step with each tape. It can fail only by a bug of ours, which costs the one recording."""
        at_work: list[Tape] = []

        async def take_steps() -> None:
            for tape in tapes:
                at_work.append(tape)
                step(tape)

        task = asyncio.get_running_loop().create_task(take_steps())
        task.add_done_callback(lambda done: self._blame(at_work, done))
        await asyncio.wait([task])

    def _in_thread(self, tapes: list[Tape], step: Callable[[Tape], None]) -> asyncio.Future[None]:
        at_work: list[Tape] = []

        def take_steps() -> None:
            for tape in tapes:
                at_work.append(tape)
                step(tape)

        done = asyncio.get_running_loop().run_in_executor(self._thread, take_steps)
        done.add_done_callback(lambda done: self._blame(at_work, done))
        return done

    def _blame(self, at_work: list[Tape], done: asyncio.Future[None]) -> None:
        if done.cancelled() or (bug := done.exception()) is None:
            return
        recorder = at_work[-1].recorder
        log.error("recording_broke", recording_id=recorder.recording_id, exc_info=bug)
        recorder.truncated = "internal_error"
        self._tapes.pop(at_work[-1], None)

    async def finish(self, tape: Tape, end_s: float) -> bool:
        """Write the rest of a tape and let go of its file.

        Returns:
            False when the disk did not answer in time: the file is still open and may grow.
        """
        self._tapes.pop(tape, None)
        await self._attempt([tape], lambda tape: tape.finish(end_s))
        ended = self._in_thread([tape], Tape.end)
        done, _ = await asyncio.wait([ended], timeout=_FINISH_WITHIN_S)
        if not done:
            log.warning("recording_stuck", recording_id=tape.recorder.recording_id)
        return bool(done)

    def close(self) -> None:
        """Let the thread end when it has done what it was given."""
        self._thread.shutdown(wait=False)
