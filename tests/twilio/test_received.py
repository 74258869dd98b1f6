"""What a connection received: texts go through the backlog to whoever listens, and nothing overtakes them."""

import asyncio
from typing import cast

import pytest
from aiohttp import EofStream, WSMessage, WSMsgType, web

from gateway.backlog import MOST_CHARACTERS, Backlog
from gateway.twilio.received import Received


class Connection:
    """What the queue holds back; stands in for aiohttp's."""

    _reading_paused = False


def _text(text: str) -> WSMessage:
    return WSMessage(WSMsgType.TEXT, text, "")


def _received(backlog: Backlog) -> Received:
    return Received(cast(web.RequestHandler, Connection()), 1_000, backlog)


async def test_texts_wait_for_a_listener_and_then_go_to_it() -> None:
    """Without one they are read."""
    received, taken = _received(Backlog()), list[str]()
    received.feed_data(_text("a"), 1)
    assert (await received.read()).data == "a"
    received.hand = taken.append
    received.feed_data(_text("b"), 1)
    await asyncio.sleep(0.005)
    assert taken == ["b"]


@pytest.mark.parametrize("end", ["message", "eof", "failure"])
async def test_no_end_overtakes_a_text(end: str) -> None:
    """What was said before it is taken before anybody can read of it."""
    received, taken = _received(Backlog()), list[str]()
    received.hand = taken.append
    received.feed_data(_text("last words"), 10)
    assert not taken
    if end == "message":
        received.feed_data(WSMessage(WSMsgType.CLOSE, 1_000, ""), 0)
    elif end == "eof":
        received.feed_eof()
    else:
        received.set_exception(ConnectionResetError())
    assert taken == ["last words"]
    if end == "message":
        assert (await received.read()).type is WSMsgType.CLOSE
    else:
        with pytest.raises((EofStream, ConnectionResetError)):
            await received.read()


async def test_texts_that_wait_are_bounded() -> None:
    """More than that is taken before anything else is read."""
    received, taken = _received(Backlog()), list[str]()
    received.hand = taken.append
    text = "x" * (MOST_CHARACTERS // 2)
    received.feed_data(_text(text), len(text))
    received.feed_data(_text(text), len(text))
    assert not taken
    received.feed_data(_text("."), 1)
    assert taken == [text, text, "."]


async def test_empty_texts_are_bounded_too() -> None:
    """They hold nothing, and yet each takes memory and time; and nothing overtakes them."""
    received, taken = _received(Backlog()), list[str]()
    received.hand = taken.append
    received.feed_data(_text(""), 0)
    received.feed_eof()
    assert taken == [""]
    for _ in range(MOST_CHARACTERS // 100 + 1):
        received.feed_data(_text(""), 0)
    assert len(taken) > MOST_CHARACTERS // 100
