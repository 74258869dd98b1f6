"""Whether a catalogue would work: what each tool promises and would send, and where its hosts lead."""

import asyncio
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from gateway.errors import ToolError
from gateway.tooling import sample, showing
from gateway.tools import request
from gateway.tools.catalog import Builtin, Catalog, Webhook

_LOOKUP_S = 5.0
_NO_ID = "0" * 32


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
    """Look at every tool of a catalogue; ``online``: look its hosts up, too."""
    lines: list[str] = []
    places: dict[str, _Place] = {}
    held = True
    for tool in catalog.tools:
        lines += ["", *showing.tool_lines(tool)]
        if isinstance(tool, Builtin):
            continue
        for what, url in _addresses(tool) if online else ():
            host = urlsplit(url).hostname or ""
            if host not in places:
                places[host] = await _place(catalog, host)
            held &= not places[host].refused
            lines.append(f"  {what}: {places[host].text}")
        lines += _sample_lines(catalog, tool)
    return Checked(tuple(lines), held)


def _addresses(tool: Webhook) -> Iterator[tuple[str, str]]:
    """Yield the URLs that a tool's requests may go to, and what each is called."""
    yield "url", tool.url.sample()
    if tool.spec.callback_url is not None:
        yield "callback_url", tool.spec.callback_url


def _sample_lines(catalog: Catalog, tool: Webhook) -> list[str]:
    question, now = sample.question(tool), datetime.now(UTC)
    key = _NO_ID
    try:
        if tool.idempotency is not None:
            key = tool.idempotency.render(request.scope(question, now))
        attempt = request.Attempt(_NO_ID, key, 1, now, _NO_ID[:16])
        outgoing = request.build(tool, question, attempt, catalog.signing)
    except ToolError as error:
        return [f"  no sample can be shown: {error}"]
    shown = showing.request_lines(outgoing, catalog, tool, question.arguments)
    return ["  would send, for example:", *_indented(shown)]


@dataclass(frozen=True, slots=True)
class _Place:
    text: str
    refused: bool


async def _place(catalog: Catalog, host: str) -> _Place:
    """Say where a host leads, and whether requests may go there."""
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
