"""Vatel's REST API: agents, their versions, and dialling out."""

from collections.abc import Mapping

import msgspec

from gateway.vatel import models
from gateway.vatel.decoding import decode_agent, decode_agents, reader
from gateway.vatel.http import Exchange, ignored, path_of


class _Dialled(msgspec.Struct):
    success: bool


class Agents:
    """Agents, their versions, and dialling out."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def list(self) -> tuple[models.Agent, ...]:
        """List the agents."""
        return await self._exchange.call("GET", path_of("agents"), into=decode_agents)

    async def create(self, name: str, fields: models.AgentChange | None = None) -> models.Agent:
        """Create an agent; a version comes with it, to be published before it can take calls."""
        body = msgspec.structs.replace(fields or models.AgentChange(), name=name)
        return await self._exchange.call("POST", path_of("agents"), into=decode_agent, body=body)

    async def get(self, agent_id: str) -> models.Agent:
        """Fetch an agent."""
        return await self._exchange.call("GET", path_of("agents", agent_id), into=decode_agent)

    async def update(self, agent_id: str, change: models.AgentChange) -> models.Agent:
        """Change the fields that are set, and nothing else."""
        return await self._exchange.call("PATCH", path_of("agents", agent_id), into=decode_agent, body=change)

    async def delete(self, agent_id: str) -> None:
        """Delete an agent."""
        await self._exchange.call("DELETE", path_of("agents", agent_id), into=ignored)

    async def versions(self, agent_id: str) -> tuple[models.GraphVersion, ...]:
        """List an agent's versions."""
        path = path_of("agents", agent_id, "versions")
        return await self._exchange.call("GET", path, into=reader(tuple[models.GraphVersion, ...]))

    async def version(self, agent_id: str, version_id: str) -> models.GraphVersionDetail:
        """Fetch a version with its nodes."""
        path = path_of("agents", agent_id, "versions", version_id)
        return await self._exchange.call("GET", path, into=reader(models.GraphVersionDetail))

    async def publish(self, agent_id: str, version_id: str) -> models.GraphVersion:
        """Publish a version, which makes it the active one; ``conflict`` when it is published already."""
        path = path_of("agents", agent_id, "versions", version_id, "publish")
        return await self._exchange.call("POST", path, into=reader(models.GraphVersion))

    async def dial(
        self,
        agent_id: str,
        number: str,
        *,
        sip_trunk_id: str | None = None,
        caller_id: str | None = None,
        first_message: str | None = None,
        prompt: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> bool:
        """Have Vatel itself call a number: from the agent's Twilio number, or over a SIP trunk.

        Returns:
            Whether the provider took the request. The answer has no call id: list calls to find it.
        """
        parameters = {
            "number": number,
            "sipTrunkId": sip_trunk_id,
            "callerId": caller_id,
            "firstMessage": first_message,
            "prompt": prompt,
        }
        dialled = await self._exchange.call(
            "POST",
            path_of("agents", agent_id, "dial"),
            into=reader(_Dialled),
            query={name: value for name, value in parameters.items() if value is not None},
            body=None if variables is None else {"variables": key_values(variables)},
        )
        return dialled.success


def key_values(variables: Mapping[str, str] | None) -> list[dict[str, str]] | None:
    """Return variables as the API takes them, a list of ``{key, value}``; None when there are none."""
    if variables is None:
        return None
    return [{"key": key, "value": value} for key, value in variables.items()]
