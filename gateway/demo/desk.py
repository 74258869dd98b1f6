"""The demo's own tool endpoint: what an operator would write, here a restaurant's reservation book."""

from aiohttp import web


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
