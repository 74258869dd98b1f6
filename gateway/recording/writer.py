"""The one thread that writes recordings: every quarter of a second it takes what the calls have put down.

Disk calls never run on the loop. A disk that hangs holds up this thread alone: the recorders' queues fill to
their bound, then drop and count. Between two tapes the thread always passes through a system call, which lets
the loop have the interpreter.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from gateway.recording.tape import Tape
from gateway.telemetry.log import get_logger

log = get_logger(__name__)

_FINISH_WITHIN_S = 5.0


class Writer:
    """Lives as long as the process.

    Args:
        now: the clock of the recorders.
        interval_s: how often the tapes are carried to the disk.
    """

    def __init__(self, now: Callable[[], float], *, interval_s: float = 0.25) -> None:
        self._now = now
        self._interval_s = interval_s
        self._tapes: dict[Tape, None] = {}
        self._at_work: Tape | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recording")

    @property
    def live(self) -> int:
        """How many streams are being recorded."""
        return len(self._tapes)

    def add(self, tape: Tape) -> None:
        """Carry a tape from now on."""
        self._tapes[tape] = None

    async def run(self) -> None:
        """Carry all tapes, again and again; ends by being cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.carry_all()

    async def carry_all(self) -> None:
        """Carry all tapes once."""
        if not self._tapes:
            return
        turn = asyncio.get_running_loop().run_in_executor(self._thread, self._turn, list(self._tapes))
        await asyncio.wait([turn])
        bug = turn.exception()
        if bug is not None and self._at_work is not None:
            self._give_up(self._at_work, bug)

    def _turn(self, tapes: list[Tape]) -> None:
        for tape in tapes:
            self._at_work = tape
            tape.carry(self._now())

    def _give_up(self, tape: Tape, bug: BaseException) -> None:
        """Stop a recording that a bug of ours broke; the others go on."""
        log.error("recording_broke", recording_id=tape.recorder.recording_id, exc_info=bug)
        tape.recorder.truncated = "internal_error"
        self._tapes.pop(tape, None)

    async def finish(self, tape: Tape, end_s: float) -> bool:
        """Write the rest of a tape and let go of its file.

        Returns:
            False when the disk did not answer in time: the file is still open and may grow.
        """
        self._tapes.pop(tape, None)
        end = asyncio.get_running_loop().run_in_executor(self._thread, tape.finish, end_s)
        done, _ = await asyncio.wait([end], timeout=_FINISH_WITHIN_S)
        if not done:
            log.warning("recording_stuck", recording_id=tape.recorder.recording_id)
            return False
        if (bug := end.exception()) is not None:
            self._give_up(tape, bug)
            tape.close()
        return True

    def close(self) -> None:
        """Let the thread end when it has done what it was given."""
        self._thread.shutdown(wait=False)
