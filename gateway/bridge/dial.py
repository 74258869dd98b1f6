"""Reaches an agent: mints a token, opens the socket it is good for, once."""

import asyncio

from gateway.bridge.conversation import ends_with_failed_transfer
from gateway.errors import AgentConnectError, VatelApiError
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
        agent_id: whom to reach.
        socket_url: ``wss://…/v1/connection``.
        timeout_s: for one try, token and socket together.
        resume_message: what the agent says first when it takes over after a loss.
        transfer_message: what it says first when a transfer failed and the caller is back.
    """

    def __init__(
        self,
        vatel: VatelClient,
        *,
        agent_id: str,
        socket_url: str,
        timeout_s: float,
        resume_message: str,
        addresses: Addresses,
        transfer_message: str = "I am sorry, I could not put you through.",
    ) -> None:
        self._vatel = vatel
        self._agent_id = agent_id
        self._socket_url = socket_url
        self._timeout_s = timeout_s
        self._resume_message = resume_message
        self._transfer_message = transfer_message
        self._addresses = addresses

    async def dial(self, so_far: str) -> AgentSocket:
        """Open a session.

        Args:
            so_far: the conversation to go on with; empty for a new one.

        Raises:
            VatelApiError: no token.
            AgentConnectError: no socket.
        """
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(deadline):
                token = await self._mint(so_far)
        except TimeoutError:
            raise AgentConnectError("Vatel gave no session token in time.", reason="timeout") from None
        left_s = max(0.1, deadline - asyncio.get_running_loop().time())
        return await connect(self._socket_url, token=token, timeout_s=left_s, addresses=self._addresses)

    async def _mint(self, so_far: str) -> str:
        if not so_far:
            return (await self._vatel.session_token(self._agent_id)).token
        back = ends_with_failed_transfer(so_far)
        answer = await self._vatel.session_token(
            self._agent_id,
            prompt=await self._prompt_with(so_far, _TRANSFER_FAILED if back else _BROKE),
            first_message=self._transfer_message if back else self._resume_message,
        )
        return answer.token

    async def _prompt_with(self, so_far: str, why: str) -> str | None:
        """Return the agent's own prompt, which one given with the token replaces, and the conversation.

        When the agent's own cannot be had the session keeps it: better forgetful than without its
        instructions.
        """
        try:
            agent = await self._vatel.agents.get(self._agent_id)
        except VatelApiError:
            return None
        return _CONTEXT.format(prompt=agent.prompt or "", why=why, so_far=so_far).strip()
