"""Whether a catalogue would work: what each tool promises and would send, and where its host leads."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from gateway.egress.client import Outgoing
from gateway.errors import ToolError
from gateway.tooling import sample, showing
from gateway.tools import request
from gateway.tools.catalog import Builtin, Catalog, Webhook
from gateway.tools.question import Question

_LOOKUP_S = 5.0


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found.

    Attributes:
        lines: for people.
        held: False when a tool could not be asked.
    """

    lines: tuple[str, ...]
    held: bool


async def check(catalog: Catalog, *, online: bool) -> Checked:
    """Look at every tool of a catalogue; ``online``: look its host up, too."""
    lines: list[str] = []
    held = True
    for tool in catalog.tools:
        lines += ["", *showing.tool_lines(tool)]
        if isinstance(tool, Builtin):
            continue
        try:
            outgoing, arguments = _sample(catalog, tool)
        except ToolError as error:
            lines.append(f"  no sample can be shown: {error}")
            continue
        if online:
            place = await _place(catalog, outgoing.url)
            held &= not place.refused
            lines.append(f"  {place.text}")
        lines += ["  would send, for example:"]
        lines += _indented(showing.request_lines(outgoing, catalog, tool, arguments))
    return Checked(tuple(lines), held)


def _sample(catalog: Catalog, tool: Webhook) -> tuple[Outgoing, dict[str, object]]:
    spec = tool.spec
    agent = spec.agents[0] if spec.agents else "00000000-0000-0000-0000-000000000000"
    arguments = sample.arguments(spec.arguments)
    question = Question("call-1", tool.label, arguments, sample.call(agent))
    attempt = request.Attempt("0" * 32, "0" * 32, 1, datetime.now(UTC), "0" * 16)
    return request.build(tool, question, attempt, catalog.signing), arguments


@dataclass(frozen=True, slots=True)
class _Place:
    text: str
    refused: bool


async def _place(catalog: Catalog, url: str) -> _Place:
    """Say where a URL's host leads, and whether requests may go there."""
    host = urlsplit(url).hostname or ""
    try:
        async with asyncio.timeout(_LOOKUP_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, TimeoutError) as error:
        return _Place(f"{host} cannot be looked up ({type(error).__name__})", True)
    addresses = dict.fromkeys(str(entry[4][0]) for entry in found)
    refused = [
        f"{address} is {why}" for address in addresses if (why := catalog.policy.allowed.refusal(address))
    ]
    if refused:
        return _Place(
            f"{host} may not be reached: {', '.join(refused)}; name it in [egress] allow_private", True
        )
    return _Place(f"{host} is {', '.join(addresses)}", False)


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for text in lines for line in text.split("\n")]
