"""A headless Chromium with a voice: its microphone is a WAV file. Driven by the DevTools protocol."""

import asyncio
import base64
import json
import re
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any, Final

import aiohttp
import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from gateway.audio import wav
from gateway.speech import tts

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
RATE_HZ: Final = 48_000
_FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--mute-audio",
    "--no-first-run",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
    "--window-size=900,1000",
)
_PATIENCE_S: Final = 20.0
_BEAT_S: Final = 0.1
_LISTENING: Final = re.compile(r"DevTools listening on ws://([^/]+)/")


def installed() -> str | None:
    """Return where Chromium is, if it is."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def microphone(path: Path, lines: tuple[tuple[float, str], ...], length_s: float) -> None:
    """Write what the browser will hear: each line at its time, silence around them; 48 kHz, stereo."""
    samples = np.zeros(round(length_s * RATE_HZ), np.int16)
    for at_s, text in lines:
        spoken = tts.render(text, tts.CALLER_VOICE, RATE_HZ)
        start = round(at_s * RATE_HZ)
        samples[start : start + len(spoken)] = spoken
    wav.write_stereo(path, samples, samples, RATE_HZ)


class Page:
    """A page of the browser. Lives as long as :func:`opened` holds it.

    Attributes:
        complaints: what the page wrote to its console as an error, and exceptions nobody caught.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.complaints: list[str] = []

    async def listen(self) -> None:
        """Take what the browser says, for ever."""
        async for text in self._socket:
            message = json.loads(text)
            if "id" in message:
                self._waiting.pop(message["id"]).set_result(message)
            elif message["method"] == "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(message["params"])[:500])
            elif message["method"] == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"])

    async def command(self, method: str, **parameters: object) -> dict[str, Any]:
        """Give a command and return its result."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(_PATIENCE_S):
            answer = await self._waiting[number]
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    async def read(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        result = await self.command(
            "Runtime.evaluate", expression=expression, returnByValue=True, userGesture=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, expression: str, patience_s: float = _PATIENCE_S) -> None:
        """Wait until an expression is true."""
        for _ in range(round(patience_s / _BEAT_S)):
            if await self.read(expression):
                return
            await asyncio.sleep(_BEAT_S)
        raise AssertionError(f"not within {patience_s} s: {expression}; console: {self.complaints}")

    async def screenshot(self, path: Path) -> None:
        """Take a picture."""
        picture = await self.command("Page.captureScreenshot", format="png")
        await asyncio.to_thread(path.write_bytes, base64.b64decode(picture["data"]))


@asynccontextmanager
async def opened(chromium: str, url: str, voice: Path) -> AsyncIterator[Page]:
    """Open a page in a browser whose microphone plays a file once."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = await asyncio.create_subprocess_exec(
            *(chromium, *_FLAGS, f"--user-data-dir={profile}"),
            *(f"--use-file-for-fake-audio-capture={voice}%noloop", "about:blank"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with (
                connect(await _target(process), max_size=None, compression=None) as socket,
                asyncio.TaskGroup() as tasks,
            ):
                page = Page(socket)
                listening = tasks.create_task(page.listen())
                for domain in ("Page", "Runtime", "Log"):
                    await page.command(f"{domain}.enable")
                await page.command("Page.navigate", url=url)
                yield page
                listening.cancel()
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _target(process: asyncio.subprocess.Process) -> str:
    """Return where the browser's first page can be driven."""
    assert process.stderr is not None
    said = ""
    async with asyncio.timeout(_PATIENCE_S), aiohttp.ClientSession() as http:
        while (found := _LISTENING.search(said)) is None:
            said = (await process.stderr.readline()).decode()
            assert said, "the browser has left"
        async with http.get(f"http://{found[1]}/json/list") as answer:
            pages = [one for one in await answer.json() if one["type"] == "page"]
        url: str = pages[0]["webSocketDebuggerUrl"]
        return url
