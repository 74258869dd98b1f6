"""The demo's tool endpoint, over HTTP."""

import aiohttp
from aiohttp import web

from gateway.demo.desk import ReservationDesk


async def test_books_the_table_it_was_asked_for() -> None:
    """The answer repeats what was asked, and the request is remembered."""
    desk = ReservationDesk()
    runner = web.AppRunner(desk.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/tools"
    body = {"tool": "book_table", "arguments": {"people": 4, "time": "19:30"}}
    try:
        async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
            text = await answer.text()
    finally:
        await runner.cleanup()

    assert text == "A table for 4 at 19:30 is booked."
    assert desk.asked == [body]
