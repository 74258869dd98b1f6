"""The floor: a gateway that does nothing with what it carries: `python -m tests.bench calls --floor`.

The same event loop, the same two sockets, the same messages in and out, but no parsing, no resampling, no
pacing: each caller frame makes one prebuilt `input_audio`, each `response_audio` one prebuilt `media`. What
it costs on a machine is what nobody who stays with these libraries can save there.
"""

import asyncio
import json
import os
import sys

import aiohttp
import uvloop
from aiohttp import web

from gateway.backlog import Backlog
from gateway.settings import Settings, load
from gateway.twilio.messages import PLAY_SUFFIX, play_prefix
from gateway.twilio.socket import CallerSocket, prepare
from gateway.vatel.inbox import Take
from gateway.vatel.messages import dump_input_audio
from gateway.vatel.socket import SocketClosed, connect

_INPUT_AUDIO = dump_input_audio(bytes(960))
_SPEECH, _STOP = '{"type":"response_audio"', '{"event":"stop"'
_PAYLOAD = "f" * 1_068  # 800 bytes of base64, but for the padding


async def _voice(request: web.Request) -> web.Response:
    await request.read()
    return web.Response(
        text='<Response><Parameter name="token" value="t"/></Response>', content_type="text/xml"
    )


async def _ready(request: web.Request) -> web.Response:
    return web.Response()


class _Relay:
    """Lives as long as the process."""

    def __init__(self, settings: Settings, http: aiohttp.ClientSession) -> None:
        self._base = settings.vatel.base_url
        self._http = http
        self._backlog = Backlog()

    async def media(self, request: web.Request) -> web.StreamResponse:
        """Carry one call."""
        caller = await prepare(request, self._backlog)
        await caller.receive()
        start = json.loads(str(await caller.receive()))
        async with self._http.post(f"{self._base}/v1/session-token", json={}) as answer:
            token = (await answer.json())["token"]
        url = "ws" + self._base.removeprefix("http") + "/v1/connection"
        agent = await connect(url, token=token, timeout_s=5, backlog=self._backlog)
        stopped = asyncio.Event()

        def up(text: str) -> None:
            if text.startswith(_STOP):
                stopped.set()
            else:
                agent.send(_INPUT_AUDIO)

        agent.listen(_down(caller, start["streamSid"]))
        listening = asyncio.get_running_loop().create_task(caller.listen(up))
        listening.add_done_callback(lambda _: stopped.set())
        await stopped.wait()
        await agent.close()
        await caller.close()
        await listening
        return caller.response


def _down(caller: CallerSocket, stream_sid: str) -> Take:
    media = play_prefix(stream_sid) + _PAYLOAD + PLAY_SUFFIX

    def take(received: str | SocketClosed) -> None:
        if isinstance(received, str) and received.startswith(_SPEECH):
            caller.send(media)

    return take


async def _main() -> None:
    settings = load()
    async with aiohttp.ClientSession() as http:
        app = web.Application()
        app.add_routes(
            [
                web.post("/twilio/voice", _voice),
                web.get("/twilio/media", _Relay(settings, http).media),
                web.get("/readyz", _ready),
            ]
        )
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, settings.host, settings.port).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(_main())
