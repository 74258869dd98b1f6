"""Tools at work in tests: a real endpoint on the loopback, a catalogue that may reach it, and one call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from aiohttp import web

from gateway.audio.fillers import load_filler
from gateway.records import CallInfo
from gateway.tools.calltools import Asked, CallTools
from gateway.tools.catalog import Catalog
from gateway.tools.question import Question, ToolOutcome
from gateway.tools.toolbox import opened

CALL = CallInfo(
    call_id="c" * 32,
    call_sid="CA" + "1" * 32,
    account_sid="AC" + "1" * 32,
    caller_number="+15005550006",
    called_number="+15005550001",
    agent_id="3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11",
)
EGRESS: Mapping[str, object] = {"allow_private": ["127.0.0.0/8"], "allow_http": True}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that an endpoint got."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Endpoint:
    """A server that remembers what it was asked, and answers as it is told. Made by :func:`serving`."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    answers: list[Handler] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer as the next handler does; the last one again and again."""
        body = await request.read()
        self.seen.append(Seen(request.method, request.path_qs, request.headers, body))
        self.asked.set()
        handler = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return await handler(request)


def says(text: str = "done", status: int = 200, **headers: str) -> Handler:
    """Answer with a text."""

    async def handler(request: web.Request) -> web.StreamResponse:
        kept = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(text=text, status=status, headers=kept)

    return handler


def after(seconds: float, handler: Handler) -> Handler:
    """Answer later."""

    async def late(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await handler(request)

    return late


@asynccontextmanager
async def serving(*answers: Handler) -> AsyncIterator[Endpoint]:
    """Serve an endpoint."""
    endpoint = Endpoint(answers=list(answers) or [says()])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", endpoint.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield endpoint
    finally:
        await runner.cleanup()


def catalog(
    *entries: Mapping[str, object], env: Mapping[str, str] = MappingProxyType({}), **tables: object
) -> Catalog:
    """Return a catalogue that may reach the loopback."""
    return Catalog.parse(
        {"tools": list(entries), "egress": EGRESS, **tables},
        env=env,
        folder=Path(),
        read_file=Path.read_bytes,
        load_filler=load_filler,
    )


def question(tool: str = "book", tool_call_id: str = "t-1", **arguments: object) -> Question:
    """Return a tool call."""
    return Question(tool_call_id, tool, arguments, CALL)


class Controls:
    """A call that remembers what was done to it."""

    def __init__(self) -> None:
        self.done: list[tuple[object, ...]] = []

    def end(self) -> None:
        """Remember it."""
        self.done.append(("end",))

    async def heard_all(self, limit_s: float) -> None:
        """Remember it."""
        self.done.append(("heard_all", limit_s))

    async def transfer(self, number: str, ring_timeout_s: int) -> None:
        """Remember it."""
        self.done.append(("transfer", number, ring_timeout_s))

    def press(self, digits: str) -> None:
        """Remember it."""
        self.done.append(("press", digits))

    def hold(self, seconds: float) -> None:
        """Remember it."""
        self.done.append(("hold", seconds))

    def facts(self) -> dict[str, object]:
        """Return what a call knows of itself."""
        return {"duration_s": 12.5}


@asynccontextmanager
async def tools_of(shelf: Catalog) -> AsyncIterator[CallTools]:
    """Return one call's tools."""
    async with opened(shelf) as toolbox:
        tools = toolbox.enter(CALL)
        try:
            yield tools
        finally:
            tools.leave()


async def run(tools: CallTools, asked: Question) -> ToolOutcome:
    """Ask a call's tools something."""
    found: Asked = tools.ask(asked)
    return await tools.run(found, Controls())
