"""One HTTP webhook for every tool call: ``POST`` JSON, an answer within the deadline, always an answer."""

import asyncio
import json
from dataclasses import dataclass, field

import aiohttp

from gateway.errors import ToolError

_ANSWER_LIMIT_BYTES = 256 * 1024
_CONNECT_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class ToolRequest:
    """What the webhook is told.

    Attributes:
        arguments: name → value, as the agent resolved them.
        call: id, caller, called, agent of the phone call.
    """

    tool_call_id: str
    tool: str
    arguments: dict[str, object] = field(repr=False)
    call: dict[str, str] = field(repr=False)


class ToolWebhook:
    """Asks the operator's endpoint. Lives as long as the process.

    Args:
        session: an HTTP session that follows no proxies from the environment.
        url: the endpoint; None answers every tool with an error that says so.
        deadline_s: from the agent's question to our answer, connecting included.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str | None, deadline_s: float) -> None:
        self._session = session
        self._url = url
        self._deadline_s = deadline_s

    async def ask(self, request: ToolRequest) -> str:
        """Return the endpoint's answer as text.

        Raises:
            ToolError: there is no endpoint, no answer in time, a status other than 2xx, or an answer that
                is too large or not text; the message is meant for the agent.
        """
        if self._url is None:
            raise ToolError(f"No endpoint is configured for the tool {request.tool}.", reason="no_endpoint")
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._post(self._url, request)
        except TimeoutError:
            raise ToolError(
                f"The tool {request.tool} did not answer within {self._deadline_s:g} seconds.",
                reason="timeout",
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ToolError(
                f"The tool {request.tool} could not be reached ({type(error).__name__}).",
                reason="unreachable",
            ) from None

    async def _post(self, url: str, request: ToolRequest) -> str:
        timeout = aiohttp.ClientTimeout(total=self._deadline_s, sock_connect=_CONNECT_TIMEOUT_S)
        body = {
            "tool_call_id": request.tool_call_id,
            "tool": request.tool,
            "arguments": request.arguments,
            "call": request.call,
        }
        # What is not asked for compressed cannot grow on the way in, nor come as anything but text.
        headers = {"Accept-Encoding": "identity"}
        async with self._session.post(
            url, json=body, headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            if not 200 <= answer.status < 300:
                raise ToolError(
                    f"The tool {request.tool} failed with HTTP status {answer.status}.",
                    reason=f"http_{answer.status}",
                )
            return await _read_text(answer, request.tool)


async def _read_text(answer: aiohttp.ClientResponse, tool: str) -> str:
    body = bytearray()
    async for chunk in answer.content.iter_chunked(65_536):
        body += chunk
        if len(body) > _ANSWER_LIMIT_BYTES:
            raise ToolError(
                f"The answer of the tool {tool} is larger than {_ANSWER_LIMIT_BYTES // 1024} kB.",
                reason="too_large",
            )
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise ToolError(f"The answer of the tool {tool} is not UTF-8 text.", reason="not_text") from None


def error_output(error: ToolError) -> str:
    """Return what the agent gets for a failed tool: JSON it can read aloud from."""
    return json.dumps({"error": str(error), "reason": error.reason})
