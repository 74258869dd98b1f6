"""The gateway put together: a real server between a Twilio that signs, a sandbox Vatel and a webhook."""

import asyncio
import contextlib
import gc
import io
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from websockets.asyncio.client import connect

from gateway import app
from gateway.app import Gateway, serve, serving
from gateway.errors import ConfigError
from gateway.foundations import Foundations, foundations
from gateway.records import CallEnded, Ending, Happening, Reason, Result, StateChanged, StreamLost, ToolRun
from gateway.sandbox.scripted import ToolUser
from gateway.sandbox.server import Sandbox
from gateway.sandbox.stage import Script
from gateway.settings import Settings
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.rows import Call
from gateway.telemetry import log
from gateway.twilio import messages as twilio
from gateway.vatel.messages import Argument
from tests.bridge.stage import STREAM_SID
from tests.databases import held
from tests.e2e.process import free_port
from tests.front_door import ACCOUNT, Line, call_sid, form, sign
from tests.heap import freeze_heap
from tests.tools.workshop import catalog

TOKEN = "canary-twilio-token"


@dataclass
class Town:
    """Everybody a gateway deals with, on free ports of the loopback. Made by :func:`town`."""

    sandbox: Sandbox
    http: aiohttp.ClientSession
    outside: str
    listener: socket.socket
    port: int
    folder: Path
    ended_calls: list[str] = field(default_factory=list)
    updates: list[dict[str, str]] = field(default_factory=list)
    tools_asked: list[dict[str, Any]] = field(default_factory=list)
    call_is_over: bool = False

    @property
    def public_url(self) -> str:
        """Where Twilio reaches the gateway."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self, agent: str, **changes: dict[str, object]) -> Settings:
        """Return complete settings; a section named replaces values of that section."""
        sections: dict[str, dict[str, object]] = {
            "vatel": {
                "base_url": self.sandbox.url,
                "api_key": self.sandbox.api_key,
                "agent_id": self.sandbox.agent_id(agent),
            },
            "twilio": {"account_sid": ACCOUNT, "auth_token": TOKEN, "api_base_url": self.outside},
            "calls": {"drain_grace_s": 0.1},
            "database": {"url": f"sqlite:///{self.folder / 'gateway.db'}"},
            "recordings": {"folder": str(self.folder / "recordings")},
        }
        for name, values in changes.items():
            sections[name] = sections.get(name, {}) | values
        main = {"public_url": self.public_url, "host": "127.0.0.1", "port": self.port}
        return Settings.model_validate(main | sections)

    async def ring(self, number: int = 1) -> str:
        """Post the voice webhook; return its TwiML."""
        headers = {
            "X-Twilio-Signature": sign("/twilio/voice", form(number), token=TOKEN, url=self.public_url)
        }
        url = self.public_url + "/twilio/voice"
        async with self.http.post(url, data=form(number), headers=headers) as answer:
            assert answer.status == 200
            return await answer.text()

    @asynccontextmanager
    async def call(self, number: int = 1) -> AsyncIterator[Line]:
        """Ring and open the media stream that the TwiML asks for."""
        token = (await self.ring(number)).partition('name="token" value="')[2].partition('"')[0]
        url = self.public_url.replace("http", "ws")
        headers = {"X-Twilio-Signature": sign("/twilio/media", token=TOKEN, url=url)}
        async with connect(url + "/twilio/media", additional_headers=headers, proxy=None) as media:
            line = Line(media, number)
            await line.start(token)
            yield line

    async def end_call(self, request: web.Request) -> web.StreamResponse:
        """Be Twilio's REST API: end a call, or say that it is over."""
        self.updates.append({name: str(value) for name, value in (await request.post()).items()})
        self.ended_calls.append(request.path.rpartition("/")[2].removesuffix(".json"))
        if self.call_is_over:
            answer = web.json_response({"code": 21220, "message": "Call is not in-progress."}, status=400)
        else:
            answer = web.json_response({"sid": call_sid(), "status": "completed"})
        answer.enable_compression()  # as servers do for whoever allows it
        return answer

    async def use_tool(self, request: web.Request) -> web.StreamResponse:
        """Be the operator's webhook."""
        self.tools_asked.append(await request.json())
        return web.Response(text="seven")


@asynccontextmanager
async def town(**agents: Script) -> AsyncIterator[Town]:
    """Build the town around a gateway that is yet to come."""
    sandbox = Sandbox()
    await sandbox.start()
    for name, script in agents.items():
        sandbox.add(name, script)
    outside = web.Application()
    runner = web.AppRunner(outside, shutdown_timeout=0.1)
    with tempfile.TemporaryDirectory() as folder:
        async with aiohttp.ClientSession() as http:
            listener = socket.create_server(("127.0.0.1", 0))
            place = Town(sandbox, http, "", listener, listener.getsockname()[1], Path(folder))
            outside.router.add_post("/2010-04-01/Accounts/{account}/Calls/{call}", place.end_call)
            outside.router.add_post("/tools", place.use_tool)
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            place.outside = f"http://127.0.0.1:{runner.addresses[0][1]}"
            try:
                yield place
            finally:
                place.listener.close()
                await runner.cleanup()
                await sandbox.stop()


async def listen(line: Line) -> bytes:
    """Be the caller's ear: return marks at once, keep the audio, until the gateway hangs up."""
    heard = b""
    async for text in line.socket:
        match twilio.parse_gateway(text, stream_sid=STREAM_SID):
            case twilio.Play(payload=payload):
                heard += payload
            case twilio.SetMark(name=name):
                line.sequence += 1
                await line.say(twilio.Mark(STREAM_SID, line.sequence, name))
            case twilio.Clear():
                pass
    return heard


@asynccontextmanager
async def witnessed(gateway: Gateway) -> AsyncIterator[list[Happening]]:
    """Note what the journal tells; on leaving, wait until a stream has ended, with its call or broken."""
    seen: list[Happening] = []
    with gateway.journal.watch() as watcher:
        yield seen
        async with asyncio.timeout(10):
            async for _, happening in watcher:
                seen.append(happening)
                if isinstance(happening, CallEnded | StreamLost):
                    return


async def test_whole_call() -> None:
    """A call that uses a tool: the agent asks, the webhook answers, the caller hears it and is hung up on."""
    async with town(helper=ToolUser(call_after_s=0.05)) as place:
        tools = catalog(default={"url": f"{place.outside}/tools"})
        async with serving(place.settings("helper"), place.listener, tools) as gateway:
            assert f"127.0.0.1:{gateway.port}" in place.public_url
            async with witnessed(gateway) as seen, place.call() as line:
                await line.speak(10)
                heard = await listen(line)
                assert line.socket.close_code == 1000
        assert gateway.registry.live == 0
        assert place.sandbox.live_sessions == 0

    assert len(heard) > 8 * 300
    (end,) = (e for e in seen if isinstance(e, CallEnded))
    assert end.ending == Ending(Result.COMPLETED, Reason.AGENT_ENDED)
    assert end.counters["caller_frames"] == 10
    assert place.ended_calls == [call_sid()]
    assert [(run.status, run.output) for run in seen if isinstance(run, ToolRun)] == [("ok", "seven")]
    (asked,) = place.tools_asked
    assert asked["tool"] == "look_up"
    assert asked["arguments"]["people"] == 4
    assert asked["call"]["from"] == form()["From"]


async def test_tool_that_nobody_answers() -> None:
    """Without a tools file the agent is told so, and the call goes on."""
    async with (
        town(helper=ToolUser(call_after_s=0.05)) as place,
        serving(place.settings("helper"), place.listener) as gateway,
    ):
        with structlog.testing.capture_logs() as logs:
            async with witnessed(gateway) as seen, place.call() as line:
                await listen(line)

    (run,) = (run for run in seen if isinstance(run, ToolRun))
    assert (run.status, run.detail) == ("error", "unknown_tool")
    assert [entry["reason"] for entry in logs if entry["event"] == "tool_ran"] == ["unknown_tool"]


async def test_tools_file_is_read_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the settings name is in force at the start, and what it becomes after that; secrets are masked."""
    monkeypatch.setenv("TOOL_TOKEN", "canary-0123456789")
    file = tmp_path / "tools.toml"
    out = io.StringIO()
    log.configure("info", "json", stream=out)
    async with town(helper=ToolUser(call_after_s=0.05)) as place:
        endpoint = (
            f'[default]\nurl = "{place.outside}/tools"\nheaders = {{ X-Key = "${{TOOL_TOKEN}}" }}\n'
            '[egress]\nallow_private = ["127.0.0.0/8"]\nallow_http = true\n'
        )
        file.write_text(endpoint.replace("/tools", "/nowhere"))
        settings = place.settings("helper", tools={"file": str(file)})
        async with serving(settings, place.listener) as gateway:
            file.write_text(endpoint)
            gateway.reload_tools()
            async with asyncio.timeout(5.0):
                while "tools_loaded" not in out.getvalue():  # noqa: ASYNC110 - the log is what says so
                    await asyncio.sleep(0.01)
            async with witnessed(gateway) as seen, place.call() as line:
                await listen(line)
            log.get_logger("test").info("told", what="canary-0123456789")

    assert [run.output for run in seen if isinstance(run, ToolRun)] == ["seven"]
    assert "canary" not in out.getvalue()


async def test_tools_file_that_cannot_be_used_keeps_the_gateway_from_starting(tmp_path: Path) -> None:
    """Better no gateway than one whose tools nobody gets."""
    (tmp_path / "tools.toml").write_text('[[tools]]\nnam = "x"\n')
    async with town(helper=ToolUser()) as place:
        settings = place.settings("helper", tools={"file": str(tmp_path / "tools.toml")})
        with pytest.raises(ConfigError, match="builtin"):
            async with serving(settings, place.listener):
                raise AssertionError("it serves")


async def test_metrics_have_a_listener_of_their_own() -> None:
    """They stand on their own port, and not on the one that the world reaches."""
    private = free_port()
    async with town(helper=ToolUser(call_after_s=0.05)) as place:
        settings = place.settings("helper", metrics={"port": private})
        async with serving(settings, place.listener) as gateway:
            async with witnessed(gateway), place.call() as line:
                await listen(line)
            async with place.http.get(f"http://127.0.0.1:{private}/metrics") as answer:
                text = await answer.text()
            async with place.http.get(f"{place.public_url}/metrics") as refused:
                status = refused.status

    assert 'gateway_tool_runs_total{result="unknown_tool",tool="(unknown)"}' in text
    assert status == 404


@pytest.mark.parametrize("case", ["done", "refused", "no credentials"])
async def test_transfer(case: str) -> None:
    """Twilio is asked to put the caller through and to say how it went; a refusal goes to the agent."""
    dial = ToolUser(
        tool_name="transfer",
        arguments=(Argument("to", "resolved", "string", value="desk"),),
        call_after_s=0.05,
    )
    async with town(helper=dial) as place:
        place.call_is_over = case == "refused"
        changes: dict[str, object] = {}
        if case == "no credentials":
            changes = {"account_sid": None, "auth_token": None, "validate_signatures": False}
        tools = catalog({"name": "transfer", "builtin": "transfer_call", "numbers": {"desk": "+15005550009"}})
        async with (
            serving(place.settings("helper", twilio=changes), place.listener, tools) as gateway,
            witnessed(gateway) as seen,
            place.call() as line,
        ):
            await listen(line)

    (run,) = (run for run in seen if isinstance(run, ToolRun))
    details = {"done": "", "refused": "transfer_not_in_progress", "no credentials": "no_account"}
    assert run.detail == details[case]
    if case == "done":
        (document,) = (form["Twiml"] for form in place.updates if "Twiml" in form)
        assert "+15005550009" in document
        assert f"{place.public_url}/twilio/transferred" in document


@pytest.mark.parametrize("case", ["over", "unreachable", "no credentials"])
async def test_hang_up(case: str) -> None:
    """A call that is over already, a Twilio that cannot be told, or none at all: the stream is closed."""
    async with town(brief=ToolUser(call_after_s=0.0)) as place:
        place.call_is_over = case == "over"
        changes: dict[str, object] = {}
        if case == "unreachable":
            changes = {"api_base_url": "http://127.0.0.1:9"}
        if case == "no credentials":
            changes = {"account_sid": None, "auth_token": None, "validate_signatures": False}
        async with serving(place.settings("brief", twilio=changes), place.listener) as gateway:
            with structlog.testing.capture_logs() as logs:
                async with witnessed(gateway) as seen, place.call() as line:
                    await listen(line)
                    assert line.socket.close_code == 1000

    assert isinstance(seen[-1], CallEnded)
    warned = [entry["reason"] for entry in logs if entry["event"] == "hang_up_failed"]
    assert warned == (["unreachable"] if case == "unreachable" else [])
    assert len(place.ended_calls) == (case == "over")


async def test_agent_lost_is_replaced() -> None:
    """An agent that breaks off is replaced over the real wire, with a fresh token."""
    async with town() as place, serving(place.settings("rude"), place.listener) as gateway:
        states: list[str] = []
        with gateway.journal.watch() as watcher:
            async with asyncio.timeout(10), place.call() as line:
                async for _, happening in watcher:
                    if isinstance(happening, StateChanged):
                        states.append(happening.state)
                        if states == ["talking", "connecting", "talking"]:
                            await line.hang_up()
                    if isinstance(happening, CallEnded):
                        assert happening.counters["sessions"] == 2
                        break

    assert states == ["talking", "connecting", "talking", "ended"]


async def test_settings_have_to_be_complete() -> None:
    """Without what taking calls needs nothing is served, and each missing key is named."""
    async with town() as place:
        with pytest.raises(ConfigError, match="GATEWAY_VATEL__API_KEY"):
            await serve(place.settings("echo", vatel={"api_key": None}))


async def test_port_that_is_taken_is_one_clear_line() -> None:
    """A port that cannot be listened on is told with what to set, not with a traceback."""
    async with town() as place:
        port = place.listener.getsockname()[1]
        settings = place.settings("echo").model_copy(update={"host": "127.0.0.1", "port": port})
        with pytest.raises(ConfigError, match=rf"cannot listen on 127.0.0.1 port {port}: .*GATEWAY_PORT"):
            await serve(settings)


async def test_settings_reach_their_parts() -> None:
    """Timers and limits of the settings are those of the call and of the door."""
    async with town() as place:
        settings = place.settings(
            "echo",
            calls={"no_media_timeout_s": 0.3, "max_active": 1},
            audio={"resampler": "low_delay", "lead_ms": 40, "barge_in": "pause"},
        )
        async with (
            serving(settings, place.listener) as gateway,
            witnessed(gateway) as seen,
            place.call() as line,
        ):
            await line.speak()
            assert "<Reject" in await place.ring(2)
            await line.refused()

    assert seen[-1].ending == Ending(Result.FAILED, Reason.CALLER_SILENT)  # type: ignore[union-attr]


async def test_call_whose_stream_broke_ends_with_the_process() -> None:
    """Whoever stops serving waits for no further stream: the call's one end is said, with how it broke."""
    async with town() as place:
        with structlog.testing.capture_logs() as logs:
            async with serving(place.settings("silent"), place.listener) as gateway, place.call() as line:
                with gateway.journal.watch() as watcher:
                    await line.speak()
                    line.socket.transport.abort()
                    async for _, happening in watcher:
                        if isinstance(happening, StreamLost):
                            break
                assert "call_ended" not in [entry["event"] for entry in logs]

    told = [entry for entry in logs if entry["event"] in ("stream_lost", "call_ended")]
    assert [(entry["event"], entry["reason"]) for entry in told] == [
        ("stream_lost", "caller_lost"),
        ("call_ended", "caller_lost"),
    ]
    assert told[0]["call_id"] == told[1]["call_id"]


@asynccontextmanager
async def process(place: Town, settings: Settings) -> AsyncIterator[asyncio.Task[int]]:
    """Run ``serve`` as a process does; it must end by itself, with 0."""
    place.listener.close()  # a process opens its port itself
    task = asyncio.get_running_loop().create_task(serve(settings))
    try:
        for _ in range(200):
            with contextlib.suppress(aiohttp.ClientError):
                if await probe(place, "/readyz") == 200:
                    break
            await asyncio.sleep(0.01)
        yield task
        assert await asyncio.wait_for(task, 10) == 0
    finally:
        task.cancel()
        gc.unfreeze()  # if it failed
        freeze_heap()  # which it undid


async def probe(place: Town, path: str) -> int:
    """Return the status of a probe."""
    async with place.http.get(place.public_url + path) as answer:
        return answer.status


def kill(number: signal.Signals) -> None:
    """Send this process a signal."""
    os.kill(os.getpid(), number)


@pytest.fixture
def few_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let goodbyes be short."""
    monkeypatch.setattr(app, "_LAST_WORDS_S", 0.2)
    monkeypatch.setattr(app, "_HURRIED_WORDS_S", 0.1)


async def test_sigterm_lets_calls_end() -> None:
    """After SIGTERM a live call goes on, both ways, until it ends; new ones are refused; the exit is 0."""
    async with town() as place:
        settings = place.settings("echo")
        async with process(place, settings) as task, place.call() as line:
            await line.speak(3)
            kill(signal.SIGTERM)
            await asyncio.sleep(0.05)
            assert (await probe(place, "/readyz"), await probe(place, "/healthz")) == (503, 200)
            assert "<Connect>" in await place.ring(2)  # balancers may not have noticed yet
            await asyncio.sleep(0.1)
            assert "<Reject" in await place.ring(3)
            await line.speak(20)
            assert "media" in str(await asyncio.wait_for(line.socket.recv(), 5))
            assert not task.done()
            await post_final(place, 2)
            await line.hang_up()


async def post_final(place: Town, number: int) -> None:
    """Tell that a call is over."""
    fields = form(number, CallStatus="completed")
    headers = {"X-Twilio-Signature": sign("/twilio/status", fields, token=TOKEN, url=place.public_url)}
    async with place.http.post(place.public_url + "/twilio/status", data=fields, headers=headers) as answer:
        assert answer.status == 204


@pytest.mark.usefixtures("few_words")
async def test_drain_limit_ends_calls_with_a_goodbye() -> None:
    """A call that outlives the drain limit hears a goodbye and is hung up on, its socket closed with 1001."""
    async with town() as place:
        settings = place.settings("silent", calls={"drain_max_s": 0.2, "drain_grace_s": 0.0})
        async with process(place, settings), place.call() as line:
            await line.speak(3)
            kill(signal.SIGTERM)
            heard = await listen(line)
            assert line.socket.close_code == 1001

    assert len(heard) > 1_000
    assert place.ended_calls == [call_sid()]


@pytest.mark.usefixtures("few_words")
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
async def test_second_signal_is_in_a_hurry(second: signal.Signals) -> None:
    """A second signal ends calls at once, with as much of a goodbye as there is time for."""
    async with town() as place, process(place, place.settings("silent")), place.call() as line:
        await line.speak(3)
        kill(signal.SIGTERM)
        await asyncio.sleep(0.05)
        kill(second)
        async with asyncio.timeout(2):
            await listen(line)
        assert line.socket.close_code == 1001


async def test_stop_without_calls_is_at_once() -> None:
    """With nobody on the line a process that is told to stop stops."""
    async with town() as place:
        settings = place.settings("silent", calls={"drain_grace_s": 0.0})
        with structlog.testing.capture_logs() as logs:
            async with process(place, settings):
                kill(signal.SIGINT)

    assert [entry["event"] for entry in logs] == ["serving", "draining", "stopped"]
    assert TOKEN not in str(logs)
    assert place.sandbox.api_key not in str(logs)


async def test_first_start_shows_its_key_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The first start prints a key that works, to standard output and no log; the second prints nothing."""
    async with town() as place:
        settings = place.settings("silent", calls={"drain_grace_s": 0.0})
        told: list[str] = []
        key = ""
        with structlog.testing.capture_logs() as logs:
            for _ in range(2):
                async with process(place, settings):
                    told.append(capsys.readouterr().out)
                    key = told[0].split()[-1]
                    headers = {"Authorization": f"Bearer {key}"}
                    url = f"{place.public_url}/api/v1/agents"
                    async with place.http.get(url, headers=headers) as answer:
                        assert answer.status == 200
                    kill(signal.SIGINT)

    assert told[0].startswith("first start: the API key of Default, shown this once: va_")
    assert told[1] == ""
    assert key not in str(logs)


async def test_call_is_kept() -> None:
    """A call has a row before Twilio is answered, and its end is in the database when serving is over."""
    async with town(brief=ToolUser(call_after_s=0.0)) as place:
        settings = place.settings("brief")
        async with serving(settings, place.listener) as gateway:
            async with place.call() as line:
                database = Database.open(settings.database.effective_url)
                ringing = await Calls(database).find_by_sid(call_sid())
                await listen(line)
            assert gateway.first is not None
        kept = await Calls(database).find_by_sid(call_sid())
        await database.close()

    assert ringing is not None
    assert ringing.live
    assert kept is not None
    assert (kept.status, kept.reason) == ("completed", "agent_ended")
    assert kept.id == ringing.id


async def test_call_is_kept_while_readers_hold_every_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many read, a call is booked, taken and written down over connections that are its own."""
    opened: list[Database] = []

    @asynccontextmanager
    async def overheard(*given: Any) -> AsyncIterator[Foundations]:
        async with foundations(*given) as ground:
            opened.append(ground.database)
            yield ground

    monkeypatch.setattr(app, "foundations", overheard)
    async with (
        town(brief=ToolUser(call_after_s=0.0)) as place,
        serving(place.settings("brief"), place.listener),
        held(opened[0]),
    ):
        async with place.call() as line:
            await listen(line)
        kept = await ended_call(opened[0].for_calls)

    assert (kept.status, kept.reason) == ("completed", "agent_ended")


async def ended_call(database: Database) -> Call:
    """Wait until the call's end is written down; return its row."""
    async with asyncio.timeout(5):
        while (kept := await Calls(database).find_by_sid(call_sid())) is None or kept.live:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return kept
