"""Vatel's whole REST API (vatel.md 1.1), typed and async. Nothing is retried here: the caller decides."""

from collections.abc import Mapping

import aiohttp
import msgspec

from gateway.vatel import models
from gateway.vatel.decoding import reader
from gateway.vatel.http import Exchange
from gateway.vatel.rest_agents import Agents, key_values
from gateway.vatel.rest_calls import Calls
from gateway.vatel.rest_phones import SipAssignments, SipTrunks, TwilioNumbers


class _Llms(msgspec.Struct):
    llms: tuple[str, ...] = ()


class _Voices(msgspec.Struct):
    voices: tuple[models.Voice, ...] = ()


class VatelClient:
    """Every operation, grouped as the API groups them. Lives as long as the process.

    Every method raises `VatelApiError` when the answer is an error, does not come, or makes no sense.
    Its ``reason`` is one of ``bad_request``, ``unauthorized``, ``forbidden``, ``not_found``,
    ``method_not_allowed``, ``conflict``, ``rate_limited``, ``server_error``, ``bad_gateway``,
    ``unavailable``, ``redirect``, ``timeout``, ``dns``, ``tls``, ``unreachable``, ``too_large``,
    ``bad_answer``, ``bad_id``.

    Args:
        session: the process's HTTP client.
        base_url: such as ``https://api.vatel.ai``.
        api_key: the organization's key.
        timeout_s: deadline of each call.

    Attributes:
        agents: agents, their versions, and dialling out.
        calls: calls and recordings.
        twilio_numbers: numbers imported from Twilio.
        sip_trunks: SIP trunks.
        sip_assignments: which agent answers on which trunk.
    """

    def __init__(
        self, session: aiohttp.ClientSession, base_url: str, api_key: str, timeout_s: float = 10.0
    ) -> None:
        self._exchange = Exchange(session, base_url, api_key, timeout_s)
        self.agents = Agents(self._exchange)
        self.calls = Calls(self._exchange)
        self.twilio_numbers = TwilioNumbers(self._exchange)
        self.sip_trunks = SipTrunks(self._exchange)
        self.sip_assignments = SipAssignments(self._exchange)

    async def organization(self) -> models.Organization:
        """Fetch the organization of the key."""
        return await self._exchange.call("GET", "/v1/organization", into=reader(models.Organization))

    async def llms(self) -> tuple[str, ...]:
        """List the language models, as ``provider/model``."""
        return (await self._exchange.call("GET", "/v1/llms", into=reader(_Llms))).llms

    async def voices(self) -> tuple[models.Voice, ...]:
        """List the voices."""
        return (await self._exchange.call("GET", "/v1/voices", into=reader(_Voices))).voices

    async def session_token(
        self,
        agent_id: str,
        *,
        version_id: str | None = None,
        chat_id: str | None = None,
        transport: models.Transport = "websocket",
        first_message: str | None = None,
        prompt: str | None = None,
        chat: bool | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> models.SessionToken:
        """Mint the token of one session; each connection needs its own.

        Only what is given is sent, and the default transport not at all: an older deployment answers 400
        to a field it does not know, such as ``variables`` (vatel.md 1.3).
        """
        fields = {
            "agent_id": agent_id,
            "version_id": version_id,
            "chat_id": chat_id,
            "transport": None if transport == "websocket" else transport,
            "first_message": first_message,
            "prompt": prompt,
            "chat": chat,
            "variables": key_values(variables),
        }
        body = {name: value for name, value in fields.items() if value is not None}
        return await self._exchange.call(
            "POST", "/v1/session-token", into=reader(models.SessionToken), body=body
        )
