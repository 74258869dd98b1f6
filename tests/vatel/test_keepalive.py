"""Pings at a fixed pace, and when silence means death. On virtual time: hours take no time."""

import asyncio

from gateway.vatel.keepalive import KeepAlive
from tests.virtual_time import on_virtual_time


class Line:
    """A line that notes pings and its death, and may answer."""

    def __init__(self, interval_s: float = 10.0, timeout_s: float = 4.0) -> None:
        self.keepalive = KeepAlive(interval_s, timeout_s, ping=self.ping, dead=self.die)
        self.loop = asyncio.get_running_loop()
        self.began = self.loop.time()
        self.answer_after_s: float | None = 0.1
        self.pings: list[float] = []
        self.deaths: list[float] = []

    def ping(self) -> None:
        """Note a ping; answer it later, if the line does."""
        self.pings.append(self.loop.time() - self.began)
        if self.answer_after_s is not None:
            self.loop.call_later(self.answer_after_s, self.hear)

    def hear(self) -> None:
        """Receive something."""
        self.keepalive.heard = True

    def die(self) -> None:
        """Note the death."""
        self.deaths.append(self.loop.time() - self.began)


@on_virtual_time
async def test_pings_keep_their_pace() -> None:
    """A line that answers is pinged every ten seconds, for hours."""
    line = Line()
    line.keepalive.start()
    await asyncio.sleep(3 * 3600 + 1)
    line.keepalive.stop()

    assert line.deaths == []
    assert line.pings == [10.0 * count for count in range(1, 1081)]


@on_virtual_time
async def test_silence_after_a_ping_is_death() -> None:
    """The peer is dead four seconds after the ping nobody answered, and only once."""
    line = Line()
    line.answer_after_s = None
    line.keepalive.start()
    await asyncio.sleep(100)

    assert line.pings == [10.0]
    assert line.deaths == [14.0]


@on_virtual_time
async def test_a_peer_that_falls_silent_is_found_within_fifteen_seconds() -> None:
    """Whenever the last byte came, death is known at most fourteen seconds later (fault matrix row 10)."""
    for silent_from_s in (0.0, 5.0, 9.9, 10.05, 13.9, 19.9):
        line = Line()
        line.keepalive.start()
        await asyncio.sleep(silent_from_s)
        line.hear()
        line.answer_after_s = None
        await asyncio.sleep(60)

        assert 0 < line.deaths[0] - silent_from_s <= 15


@on_virtual_time
async def test_an_answer_just_in_time_is_life() -> None:
    """A pong within the timeout counts, one after it does not."""
    for answer_after_s, dies in ((3.9, False), (4.1, True)):
        line = Line()
        line.answer_after_s = answer_after_s
        line.keepalive.start()
        await asyncio.sleep(60)
        line.keepalive.stop()

        assert bool(line.deaths) is dies


@on_virtual_time
async def test_any_data_is_an_answer() -> None:
    """A peer that talks but never pongs is alive."""
    line = Line()
    line.answer_after_s = None
    line.keepalive.start()
    for _ in range(600):
        await asyncio.sleep(0.1)
        line.hear()
    line.keepalive.stop()

    assert line.deaths == []
    assert len(line.pings) == 5 or len(line.pings) == 6


@on_virtual_time
async def test_data_before_the_ping_is_no_answer_to_it() -> None:
    """Only what comes after the ping proves life after it."""
    line = Line()
    line.answer_after_s = None
    line.keepalive.start()
    await asyncio.sleep(9.99)
    line.hear()
    await asyncio.sleep(10)

    assert line.deaths == [14.0]


@on_virtual_time
async def test_a_deaf_socket_judges_nobody() -> None:
    """While the socket does not read, silence proves nothing; once it does, the rules are as before."""
    line = Line()
    line.answer_after_s = None
    line.keepalive.deaf = True
    line.keepalive.start()
    await asyncio.sleep(100)
    assert line.deaths == []

    line.keepalive.deaf = False
    await asyncio.sleep(20)
    assert len(line.deaths) == 1


@on_virtual_time
async def test_stopping_ends_it_at_any_time() -> None:
    """No ping and no death come after the stop, before a ping or after one."""
    for stop_after_s in (0.0, 9.0, 10.0, 12.0):
        line = Line()
        line.answer_after_s = None
        line.keepalive.start()
        await asyncio.sleep(stop_after_s)
        line.keepalive.stop()
        line.keepalive.stop()
        pings = len(line.pings)
        await asyncio.sleep(60)

        assert len(line.pings) == pings
        assert line.deaths == []


@on_virtual_time
async def test_what_never_started_can_be_stopped() -> None:
    """A connection that failed before it was open has nothing to stop."""
    Line().keepalive.stop()
