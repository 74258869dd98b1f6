"""The demo's own tool endpoint: what an operator would write, here a restaurant's reservation book."""

from pathlib import Path

from aiohttp import web

from gateway.audio.fillers import load_filler
from gateway.tools.catalog import Catalog


def catalog(url: str) -> Catalog:
    """Return the tools file that an operator would write for this endpoint, read."""
    return Catalog.parse(
        {
            "tools": [{"name": "book_table", "url": url}],
            "egress": {"allow_private": ["127.0.0.0/8"], "allow_http": True},
        },
        env={},
        folder=Path(),
        read_file=Path.read_bytes,
        load_filler=load_filler,
    )


class ReservationDesk:
    """Answers ``book_table``. Lives as long as the demo.

    Attributes:
        asked: the requests that came, newest last.
    """

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []

    def application(self) -> web.Application:
        """Return the HTTP application that serves the endpoint."""
        app = web.Application()
        app.add_routes([web.post("/tools", self._answer)])
        return app

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        people, time = body["arguments"].get("people"), body["arguments"].get("time")
        return web.Response(text=f"A table for {people} at {time} is booked.")
