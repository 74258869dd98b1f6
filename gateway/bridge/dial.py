"""Reaches an agent: mints a token, opens the socket it is good for, once."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from gateway.backlog import Backlog
from gateway.bridge.conversation import ends_with_failed_transfer
from gateway.errors import AgentConnectError, VatelApiError
from gateway.records import CallInfo, Opening
from gateway.vatel.addresses import Addresses
from gateway.vatel.rest import VatelClient
from gateway.vatel.socket import AgentSocket, connect

_CONTEXT = """{prompt}

{why} This is the conversation so far; go on from its end, do not greet again:
{so_far}"""
_BROKE = "The phone line broke and this call was just reconnected."
_TRANSFER_FAILED = "You were putting the caller through to somebody else, which failed, and they are back."


class Dialer:
    """Lives as long as the process.

    Args:
        vatel: the REST client.
        socket_url: ``wss://…/v1/connection``.
        timeout_s: for one try, token and socket together.
        addresses: the process's DNS memory.
        backlog: where agents' long texts wait for their turn.
        resume_message: what the agent says first when it takes over after a loss.
        transfer_message: what it says first when a transfer failed and the caller is back.
    """

    def __init__(
        self,
        vatel: VatelClient,
        *,
        socket_url: str,
        timeout_s: float,
        resume_message: str,
        addresses: Addresses,
        backlog: Backlog,
        transfer_message: str = "I am sorry, I could not put you through.",
    ) -> None:
        self._vatel = vatel
        self._socket_url = socket_url
        self._timeout_s = timeout_s
        self._resume_message = resume_message
        self._transfer_message = transfer_message
        self._addresses = addresses
        self._backlog = backlog

    def to(self, call: CallInfo) -> Callable[[str], Awaitable[AgentSocket]]:
        """Return what opens the sessions of a call: with its own agent, which begins as the call says."""
        return partial(self._open, call.agent_id, call.opening)

    async def _open(self, agent_id: str, opening: Opening, so_far: str) -> AgentSocket:
        """Open a session.

        Args:
            agent_id: whom to reach.
            so_far: the conversation to go on with; empty for a new one.

        Raises:
            VatelApiError: no token.
            AgentConnectError: no socket.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                token = await self._mint(agent_id, opening, so_far)
        except TimeoutError:
            raise AgentConnectError("Vatel gave no session token in time.", reason="timeout") from None
        left_s = max(0.1, deadline - asyncio.get_running_loop().time())
        return await connect(
            self._socket_url,
            token=token,
            timeout_s=left_s,
            addresses=self._addresses,
            backlog=self._backlog,
        )

    async def _mint(self, agent_id: str, opening: Opening, so_far: str) -> str:
        prompt, first_message = opening.prompt, opening.first_message
        if so_far:
            back = ends_with_failed_transfer(so_far)
            prompt = await self._prompt_with(agent_id, prompt, so_far, _TRANSFER_FAILED if back else _BROKE)
            first_message = self._transfer_message if back else self._resume_message
        answer = await self._vatel.session_token(
            agent_id,
            version_id=opening.vatel_version_id,
            prompt=prompt,
            first_message=first_message,
            variables=dict(opening.variables) or None,
        )
        return answer.token

    async def _prompt_with(self, agent_id: str, prompt: str | None, so_far: str, why: str) -> str | None:
        """Return the prompt of the call, or else the agent's own, and the conversation.

        One given with the token replaces the agent's own. When that cannot be had the session keeps it:
        better forgetful than without its instructions.
        """
        if prompt is None:
            try:
                prompt = (await self._vatel.agents.get(agent_id)).prompt
            except VatelApiError:
                return None
        return _CONTEXT.format(prompt=prompt or "", why=why, so_far=so_far).strip()
