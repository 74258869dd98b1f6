"""Hostile media sockets against the real server: each refused by name, nobody else disturbed."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import structlog
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway.records import Ending, Reason, Result
from gateway.twilio import messages as twilio
from tests.bridge.stage import QUIET, STREAM_SID
from tests.front_door import ACCOUNT, FrontDoor, Line, call_sid, front_door, sign

GOOD = "wss://voice.example.com"
START = twilio.Start(STREAM_SID, call_sid(), ACCOUNT, parameters={"token": "x"})
Attack = Callable[[Line], Awaitable[None]]


@asynccontextmanager
async def neighbour(door: FrontDoor) -> AsyncIterator[None]:
    """Keep a call going meanwhile, and check that it was not disturbed."""
    async with door.call(99) as line:
        mine = door.agents[-1]
        yield
        await line.speak(5)
        mine.start().speak("t1", 40)
        heard = b""
        async with asyncio.timeout(5):
            async for text in line.socket:
                message = twilio.parse_gateway(text, stream_sid=STREAM_SID)
                if not isinstance(message, twilio.Play):
                    break
                heard += message.payload
        assert len(heard) == 40 * 8
        await line.hang_up()


async def refusal(door: FrontDoor, attack: Attack) -> tuple[int | None, str]:
    """Return how a socket without a call is refused, and the reason it is counted under."""
    async with door.stream() as line:
        await attack(line)
        code, _ = await line.refused()
    (reason,) = door.phone.refused
    return code, reason


@pytest.mark.parametrize(
    ("signature", "status"),
    [
        (None, 403),
        ("nonsense", 403),
        (sign("/twilio/media", url="https://voice.example.com"), 403),
        (sign("/twilio/media", url="wss://evil.example.com"), 403),
        (sign("/twilio/media?token=x", url=GOOD), 403),
        (sign("/twilio/media", url=GOOD, token="54321"), 403),
        (sign("/twilio/media", url=GOOD), 101),
        (sign("/twilio/media/", url=GOOD), 101),
        (sign("/twilio/media", url=GOOD + ":443"), 101),
        (sign("/twilio/media/", url=GOOD + ":443"), 101),
    ],
)
async def test_upgrade_has_to_be_signed(signature: str | None, status: int) -> None:
    """Only the canonical forms of the public URL pass; the rest is refused before any upgrade."""
    headers = {"X-Twilio-Signature": signature} if signature else {}
    async with front_door() as door:
        url = f"ws://127.0.0.1:{door.port}/twilio/media"
        if status == 101:
            async with connect(url, additional_headers=headers, proxy=None) as socket:
                assert socket.protocol.extensions == []
        else:
            with pytest.raises(InvalidStatus, match=str(status)) as refused:
                await connect(url, additional_headers=headers, proxy=None)
            assert refused.value.response.body == b""

    assert door.sessions == []
    assert door.phone.refused.get("bad_signature", 0) == (status == 403)


async def test_request_that_is_no_upgrade() -> None:
    """A signed request that is no WebSocket handshake is a bad request."""
    async with front_door() as door:
        headers = {"X-Twilio-Signature": sign("/twilio/media", url=GOOD)}
        async with door.http.get(f"http://127.0.0.1:{door.port}/twilio/media", headers=headers) as answer:
            assert answer.status == 400


@pytest.mark.parametrize("token", [None, "", "wrong", "A" * 400])
async def test_token_made_up(token: str | None) -> None:
    """A stream without a token, or with one nobody gave it, is closed with 1008 before anything is made."""
    async with front_door() as door, neighbour(door):
        parameters = {} if token is None else {"token": token}

        async def attack(line: Line) -> None:
            await line.say(twilio.Connected())
            await line.say(twilio.Start(STREAM_SID, call_sid(), ACCOUNT, parameters=parameters))

        assert await refusal(door, attack) == (1008, "bad_token")
        assert len(door.sessions) == 1


async def test_token_shown_twice() -> None:
    """A token is good for one stream, also while fifty sockets show it at once."""
    async with front_door() as door:
        token = await door.dial()

        async def show() -> int | None:
            async with door.stream(token) as line:
                try:
                    async with asyncio.timeout(0.5):
                        return (await line.refused())[0]
                except TimeoutError:
                    await line.hang_up()
                    return None

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(show()) for _ in range(50)]
        await door.ended()

    codes = [task.result() for task in tasks]
    assert (codes.count(1008), codes.count(None)) == (49, 1)
    assert door.phone.refused == {"bad_token": 49}


async def test_token_that_is_too_old() -> None:
    """After 61 s a token opens nothing."""
    async with front_door() as door:
        token = await door.dial()
        door.skew_s[0] = 61.0
        assert await refusal(door, lambda line: line.start(token)) == (1008, "bad_token")


@pytest.mark.parametrize(("number", "account"), [(2, ACCOUNT), (1, "AC" + "3" * 32)])
async def test_token_of_another_call(number: int, account: str) -> None:
    """A token does not open the stream of another call or account."""
    async with front_door() as door:
        token = await door.dial()
        await door.dial(2)

        async def attack(line: Line) -> None:
            await line.start(token, account=account, sid=call_sid(number))

        assert await refusal(door, attack) == (1008, "bad_token")


async def test_socket_without_a_start() -> None:
    """A socket that says nothing is closed when its time is up."""
    async with front_door(start_timeout_s=0.1) as door:
        assert await refusal(door, lambda line: asyncio.sleep(0)) == (1008, "no_start")


async def test_sockets_without_a_start_are_bounded() -> None:
    """Beyond the bound further sockets are refused; a claimed one makes room."""
    async with front_door(most_unclaimed=2) as door:
        token = await door.dial()
        async with door.stream() as first, door.stream():
            with pytest.raises(InvalidStatus, match="503"):
                async with door.stream():
                    pass
            await first.start(token)
            await door.started.get()
            async with door.stream():
                pass
            await first.hang_up()

    assert door.phone.refused["too_many_unclaimed"] == 1


def raw(*frames: str | bytes) -> Attack:
    """Return an attack that sends frames as they are."""

    async def attack(line: Line) -> None:
        for frame in frames:
            await line.socket.send(frame, text=isinstance(frame, str))

    return attack


CONNECTED = twilio.dump_twilio(twilio.Connected())
MEDIA = twilio.dump_twilio(twilio.Media(STREAM_SID, 2, 1, 20, QUIET))


@pytest.mark.parametrize(
    ("attack", "code", "reason"),
    [
        (raw(MEDIA), 1008, "before_connected"),
        (raw(CONNECTED, MEDIA), 1008, "before_start"),
        (raw(CONNECTED, CONNECTED), 1008, "connected_twice"),
        (raw("{"), 1008, "bad_json"),
        (raw("[" * 50_000), 1008, "bad_type"),
        (raw('{"event":"start","x":' + "[" * 50_000 + "]" * 10_000 + "}"), 1008, "too_deep"),
        (raw('{"event":"start","sequenceNumber":NaN}'), 1008, "bad_json"),
        (raw('{"event":"unheard-of"}'), 1008, "unknown_event"),
        (raw(CONNECTED, MEDIA.replace('"2"', "9" * 5_000)), 1008, "bad_number"),
        (raw(b"\x00\x01"), 1003, "closed_1003"),
        (raw("x" * 1_000_000), 1009, "closed_1009"),
        (raw(json.dumps({"event": "connected", "x": "y" * 64_000})), 1008, "no_start"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_socket_that_breaks_the_protocol_first(attack: Attack, code: int, reason: str) -> None:
    """Whatever comes instead of a start ends in one close code and one counted reason, without a trace."""
    async with front_door(start_timeout_s=0.3) as door, neighbour(door):
        with structlog.testing.capture_logs() as logs:
            assert await refusal(door, attack) == (code, reason)
    assert not [entry for entry in logs if "exc_info" in entry]


async def test_text_that_is_no_utf8() -> None:
    """A text frame of broken UTF-8 is closed with 1007 and counted."""
    async with front_door() as door, neighbour(door), aiohttp.ClientSession() as http:
        headers = {"X-Twilio-Signature": sign("/twilio/media", url=GOOD)}
        url = f"http://127.0.0.1:{door.port}/twilio/media"
        async with http.ws_connect(url, headers=headers, autoclose=False) as socket:
            await socket.send_frame(b"\xff\xfe\xfd", aiohttp.WSMsgType.TEXT)
            message = await socket.receive(timeout=5)
            assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1007)
            await socket.close()
        await asyncio.sleep(0.05)
        assert door.phone.refused == {"closed_1007": 1}


@pytest.mark.parametrize(
    ("attack", "code", "ending"),
    [
        (raw(twilio.dump_twilio(START)), 1008, "start_twice"),
        (raw(CONNECTED), 1008, "connected_twice"),
        (raw(*["{"] * 50), 1008, "too_many_errors"),
        (raw(b"\x00"), 1003, "close_1003"),
        (raw("x" * 100_000), 1009, "close_1009"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_live_socket_that_breaks_the_protocol(attack: Attack, code: int, ending: str) -> None:
    """A breach on a live stream ends that stream alone, with a reason; the phone call has its redirect."""
    async with front_door() as door, neighbour(door), door.call() as line:
        await attack(line)
        assert (await line.refused())[0] == code
        ended = await door.ended()
        assert (ended.result, ended.detail) == (Result.FAILED, ending)
        assert ended.reason in (Reason.CALLER_PROTOCOL, Reason.CALLER_LOST)
        assert door.hung_up == []


async def test_stranger_and_junk_on_a_live_stream_are_counted() -> None:
    """Media of another stream, broken and unknown messages are counted and go by; the call goes on."""
    async with front_door() as door, door.call() as line:
        other = twilio.Media("MZ" + "f" * 32, 3, 2, 40, QUIET)
        junk = MEDIA.replace('"payload":"', '"payload":"?!')
        await raw(twilio.dump_twilio(other), junk, "null", '{"event":"news"}')(line)
        await line.speak(3)
        await line.hang_up()
        assert await door.ended() == Ending(Result.COMPLETED, Reason.CALLER_HUNG_UP)
        counters = door.sessions[0].snapshot()

    assert (counters["caller_ignored"], counters["caller_bad_messages"]) == (1, 3)
    assert counters["caller_frames"] == 4
