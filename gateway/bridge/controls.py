"""The deeds behind the gateway's own tools: what an agent may do to its call, and when it is done."""

import asyncio
from collections.abc import Awaitable, Callable

from gateway.audio import dtmf
from gateway.bridge import events as on
from gateway.bridge.agent_leg import Spawn
from gateway.bridge.caller_leg import MARK_GRACE_S, CallerLeg
from gateway.bridge.comforter import Comforter
from gateway.bridge.machine import CallMachine, State
from gateway.errors import ToolError
from gateway.records import CallInfo

Transfer = Callable[[CallInfo, str, int], Awaitable[None]]
"""Have the carrier put a call through to a number that may ring so many seconds.

Raises :class:`~gateway.errors.ToolError` when it has not; its reason ends in one of ``timeout``,
``unreachable``, ``server_error`` and ``bad_answer`` when it may have all the same.
"""

RING_TIMEOUT_S = 30
"""How long the other number rings where nobody says."""
_HEARD_OUT_S = 10.0
_CARRIER_S = 25.0
_LOOK_AGAIN_S = 0.25  # what is held back may be let go of at any time
_MARK_AGAIN_S = 0.02
_UNCERTAIN = ("timeout", "unreachable", "server_error", "bad_answer")
_LAST_ANSWER_S = 0.1  # the agent hears of its transfer before the call leaves it


class Controls:
    """Implements :class:`~gateway.tools.controls.CallControls`. Lives as long as its call.

    Args:
        call: who talks to whom.
        machine: decides.
        caller: the caller's leg.
        comforter: has the hold tone.
        transfer: asks the carrier.
        spawn: starts a task in the call's group.
        happened: takes the events.
        wake: asks the clock anew for the next time anything is due.
        now: the clock.
    """

    def __init__(
        self,
        call: CallInfo,
        machine: CallMachine,
        caller: CallerLeg,
        comforter: Comforter,
        transfer: Transfer,
        spawn: Spawn,
        happened: Callable[[on.Event], None],
        wake: Callable[[], None],
        now: Callable[[], float],
    ) -> None:
        self._call = call
        self._machine = machine
        self._caller = caller
        self._comforter = comforter
        self._transfer = transfer
        self._spawn = spawn
        self._happened = happened
        self._wake = wake
        self._now = now
        self._began_at = now()
        self._transferring = False

    def end(self) -> None:
        """End the call once the agent's goodbye, if one follows, has been heard."""
        self._happened(on.EndAsked())

    async def heard_all(self, limit_s: float) -> None:
        """Wait until the caller has heard all that the agent has said so far, at most so long.

        By our clock first, which knows nothing of the way to Twilio until a mark has come back; then until
        the marks behind the words have.
        """
        downlink, give_up_at = self._caller.downlink, self._now() + limit_s
        while True:
            heard_at = self._comforter.words_heard_at()
            confirmed_at = downlink.playout.ledger.mark_due_at + MARK_GRACE_S
            now = self._now()  # behind the others, else what is heard now would be heard later than that
            if now >= give_up_at or (max(heard_at, confirmed_at) <= now and not downlink.unmarked):
                return
            look_again_s = heard_at - now if heard_at > now else _MARK_AGAIN_S
            await asyncio.sleep(min(look_again_s, give_up_at - now, _LOOK_AGAIN_S))

    async def transfer(self, number: str, ring_timeout_s: int) -> None:
        """Put the caller through once they have heard the agent out; the call leaves the gateway.

        Once the carrier is asked its answer is waited for, whatever becomes of the tool that wants it.

        Raises:
            ToolError: the carrier refused, or the call is ending anyhow, or is being put through already.
        """
        if self._transferring:
            raise ToolError("The caller is being put through already.", reason="transfer_under_way")
        if not self._machine.may_transfer:
            raise ToolError("The call is ending.", reason="call_ending")
        self._transferring = True
        self._happened(on.TransferAsked())
        outcome: asyncio.Future[ToolError | None] = asyncio.get_running_loop().create_future()
        self._spawn(self._put_through(number, ring_timeout_s, outcome))
        refusal = await asyncio.shield(outcome)
        if refusal is not None:
            raise refusal

    async def _put_through(
        self, number: str, ring_timeout_s: int, outcome: "asyncio.Future[ToolError | None]"
    ) -> None:
        await self.heard_all(_HEARD_OUT_S)
        refusal = await self._ask_carrier(number, ring_timeout_s)
        outcome.set_result(refusal)
        if refusal is None:
            await asyncio.sleep(_LAST_ANSWER_S)
            self._happened(on.Transferred())
        else:
            self._transferring = False
            self._happened(on.TransferFailed())

    async def _ask_carrier(self, number: str, ring_timeout_s: int) -> ToolError | None:
        if not self._machine.may_transfer:
            return ToolError("The call is ending.", reason="call_ending")
        self._happened(on.TransferBegun())
        try:
            async with asyncio.timeout(_CARRIER_S):
                await self._transfer(self._call, number, ring_timeout_s)
        except ToolError as error:
            refusal = error
        except TimeoutError:
            refusal = ToolError(
                "The carrier did not say whether it put the caller through.", reason="timeout"
            )
        else:
            return None
        # New orders for the call end its stream: where one ended and the other is uncertain, it was that.
        return None if self._machine.caller_left and refusal.reason.endswith(_UNCERTAIN) else refusal

    def press(self, digits: str) -> None:
        """Send keys as tones in the call's audio, behind what the agent is saying.

        Raises:
            ValueError: a character is no key, or there are too many.
        """
        tones = dtmf.tones(digits)
        self._comforter.make_way()
        self._caller.insert("keys", tones)
        self._wake()

    def hold(self, seconds: float) -> None:
        """Let the caller hear the hold tone until the agent speaks again, at most so long."""
        if self._machine.state is State.TALKING:
            self._comforter.hold(seconds)
            self._wake()

    def facts(self) -> dict[str, object]:
        """Return what is known of the call as it runs: for how long it does."""
        return {"duration_s": round(self._now() - self._began_at, 1)}
