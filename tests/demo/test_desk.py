"""The demo's tool endpoint, over HTTP."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from gateway.demo.desk import ReservationDesk


@pytest.fixture
async def desk() -> AsyncIterator[tuple[ReservationDesk, str]]:
    """A desk that is open, and its URL."""
    opened = ReservationDesk()
    runner = web.AppRunner(opened.application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield opened, f"http://127.0.0.1:{runner.addresses[0][1]}/tools"
    await runner.cleanup()


def booking(people: int, time: str) -> dict[str, object]:
    """Return what the gateway posts for a booking."""
    return {"tool": "book_table", "arguments": {"people": people, "time": time}}


async def test_books_the_table_it_was_asked_for(desk: tuple[ReservationDesk, str]) -> None:
    """The answer repeats what was asked, and the request is remembered."""
    opened, url = desk
    async with aiohttp.ClientSession() as http, http.post(url, json=booking(4, "19:30")) as answer:
        assert await answer.text() == "A table for 4 at 19:30 is booked."

    assert opened.asked == [booking(4, "19:30")]


async def test_second_booking_does_not_hide_the_first(desk: tuple[ReservationDesk, str]) -> None:
    """A tool that was asked twice is seen to have been asked twice, in order."""
    opened, url = desk
    async with aiohttp.ClientSession() as http:
        for people in (4, 2):
            await http.post(url, json=booking(people, "20:00"))

    assert opened.asked == [booking(4, "20:00"), booking(2, "20:00")]
