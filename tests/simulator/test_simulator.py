"""Whole inbound calls against a gateway of the test's own: sockets, webhooks and REST are real."""

import asyncio
import base64

import aiohttp
import pytest

from gateway.audio import ulaw
from gateway.simulator import codes, events
from gateway.simulator.caller import SilentCaller, ToneCaller, WavCaller, sine
from gateway.simulator.microphone import cut
from gateway.simulator.options import CallOptions
from gateway.simulator.promises import Limits
from gateway.simulator.script import Interrupt, Say, ScriptedCaller, WaitAgentQuiet, WaitEnd
from gateway.simulator.simulator import Simulator
from gateway.twilio.rest import TwilioClient
from tests.simulator.answering import ACCOUNT_SID, AUTH_TOKEN, Stream, answering, echo, greet, listen

SPEECH = ulaw.encode(sine(440, 4_000, -15))  # half a second
CALLER_LINE = cut(ulaw.encode(sine(300, 4_000, -15)))


def simulator(watch: events.Watcher = events.ignore) -> Simulator:
    """Make a Twilio for one test."""
    return Simulator(ACCOUNT_SID, AUTH_TOKEN, watch=watch)


async def caller_speaks(stream: Stream) -> None:
    """Read until the caller is audible."""
    async for message in stream:
        if message["event"] == "media":
            frame = ulaw.decode(base64.b64decode(message["media"]["payload"]))
            if abs(frame.astype(int)).max() > 1_000:
                return


async def returned(stream: Stream, name: str) -> None:
    """Read until a mark comes back."""
    async for message in stream:
        if message["event"] == "mark" and message["mark"]["name"] == name:
            return


class TestCallerHangsUp:
    """The simplest call."""

    async def test_the_stream_is_stopped_and_closed(self) -> None:
        """Connected, start, media, stop; nothing was wrong."""
        async with answering(greet) as gateway, simulator() as twilio:
            report = await twilio.call(gateway.url + "/twilio/voice", SilentCaller(0.2))
            (stream,) = gateway.streams
            kinds = [text.split('"')[3] for text in stream.texts]

        assert kinds == ["connected", "start", *["media"] * 11, "stop"]
        assert (report.ending, report.ended_by, report.verbs) == ("caller_hung_up", "caller", ("Connect",))
        assert report.kept
        assert report.streams[0].frames_sent == 11

    async def test_the_webhook_is_signed_and_says_who_calls(self) -> None:
        """With the numbers that were given."""
        async with answering() as gateway, simulator() as twilio:
            await twilio.call(
                gateway.url + "/twilio/voice", SilentCaller(0), from_="anonymous", to="+15005550002"
            )
            (request,) = gateway.requests

        assert request.genuine
        assert (request.values["From"], request.values["To"]) == ("anonymous", "+15005550002")
        assert request.values["CallStatus"] == "ringing"

    async def test_watchers_follow_the_call(self) -> None:
        """From ringing to the end."""
        seen: list[events.Event] = []
        async with answering() as gateway, simulator(seen.append) as twilio:
            report = await twilio.call(gateway.url + "/twilio/voice", SilentCaller(0.15))

        states = [event.state for event in seen if isinstance(event, events.StateChanged)]
        assert states == ["ringing", "streaming", "stream_over", "ended"]
        assert {event.call_sid for event in seen} == {report.call_sid}
        assert any(isinstance(event, events.Levels) for event in seen)


class TestGatewayEnds:
    """The other side hangs up."""

    async def test_a_closed_stream_falls_through_to_the_next_verb(self) -> None:
        """The Redirect is asked, and hangs up; 31921 is noise."""

        async def behaviour(stream: Stream) -> None:
            await stream.started()
            await stream.play(SPEECH)
            await stream.mark("goodbye")
            await returned(stream, "goodbye")
            await stream.socket.close()

        async with answering(behaviour) as gateway, simulator() as twilio:
            report = await twilio.call(
                gateway.url + "/twilio/voice", SilentCaller(), limits=Limits(ended_by="gateway")
            )

            assert len(gateway.forms("/twilio/resume")) == 1
            assert gateway.forms("/twilio/resume")[0]["CallStatus"] == "in-progress"
        assert report.verbs == ("Connect", "Redirect", "Hangup")
        assert (report.ending, report.after_stream) == ("twiml_hangup", "Redirect")
        assert [fault.code for fault in report.faults] == [codes.SERVER_CLOSED]
        assert report.streams[0].tail_lost_ms == 0
        assert report.kept

    async def test_words_that_were_cut_off_are_a_broken_promise(self) -> None:
        """The gateway closed while half a second waited."""

        async def behaviour(stream: Stream) -> None:
            await stream.started()
            await stream.play(SPEECH[:800])
            await stream.mark("begun")
            await stream.play(SPEECH)
            await returned(stream, "begun")
            await stream.socket.close()

        async with answering(behaviour) as gateway, simulator() as twilio:
            report = await twilio.call(gateway.url + "/twilio/voice", SilentCaller())

        assert report.streams[0].tail_lost_ms == pytest.approx(490, abs=40)
        assert [promise.name for promise in report.promises if not promise.held] == ["last words heard"]

    async def test_rest_completes_the_call(self) -> None:
        """Stop comes before the close, and no verb after it runs."""
        async with answering() as gateway, simulator() as twilio, aiohttp.ClientSession() as session:
            client = TwilioClient(session, ACCOUNT_SID, AUTH_TOKEN, twilio.rest_url)

            async def behaviour(stream: Stream) -> None:
                start = await stream.started()
                assert await client.hang_up(start["start"]["callSid"])
                await stream.drain()

            gateway.behaviour = behaviour
            report = await twilio.call(gateway.url + "/twilio/voice", SilentCaller())
            kinds = [text.split('"')[3] for text in gateway.streams[0].texts]

            assert not await client.hang_up(report.call_sid)
        assert kinds[-1] == "stop"
        assert (report.ending, report.ended_by, report.verbs) == ("rest_completed", "gateway", ("Connect",))
        assert report.faults == ()


class TestSpeech:
    """What the caller hears and says."""

    async def test_an_echoed_tone_comes_back_whole(self) -> None:
        """Frequency and length; every sample that was sent was heard."""

        async def behaviour(stream: Stream) -> None:
            # A cushion of 60 ms, as any gateway has: echo without one hears our clock's wobble.
            await stream.started()
            await stream.play(b"\xff" * 480)
            async for message in stream:
                if message["event"] == "media":
                    await stream.play(base64.b64decode(message["media"]["payload"]))

        async with answering(behaviour) as gateway, simulator() as twilio:
            report = await twilio.call(gateway.url + "/twilio/voice", ToneCaller(1_004, 1.0, linger_s=0.3))

        assert report.tone is not None
        assert report.tone.samples == pytest.approx(8_000, abs=8)
        assert report.tone.hz == pytest.approx(1_004, abs=0.05)
        assert report.kept, [str(promise) for promise in report.promises if not promise.held]

    async def test_an_interruption_is_measured_to_the_last_sample_heard(self) -> None:
        """Ten seconds sent at once, cleared when the caller cuts in."""

        async def behaviour(stream: Stream) -> None:
            await stream.started()
            await stream.play(SPEECH * 20)
            await stream.mark("never heard")
            await caller_speaks(stream)
            await stream.clear()
            await returned(stream, "never heard")
            await stream.drain()

        steps = ScriptedCaller((Interrupt(CALLER_LINE, after_ms=300),))
        async with answering(behaviour) as gateway, simulator() as twilio:
            report = await twilio.call(
                gateway.url + "/twilio/voice",
                steps,
                options=CallOptions(max_seconds=1.2),
                limits=Limits(barge_in_ms=60),
            )
        (stream,) = report.streams

        assert len(stream.barge_in_ms) == 1
        assert stream.barge_in_ms[0] is not None
        assert 0 < stream.barge_in_ms[0] < 60
        assert [turn.end for turn in stream.turns] == ["clear"]
        assert stream.clears == 1
        assert report.kept

    async def test_caller_and_agent_take_turns(self) -> None:
        """The caller waits for silence, the agent for speech; nobody talks over the other."""

        async def behaviour(stream: Stream) -> None:
            await stream.started()
            for _ in range(2):
                await stream.play(SPEECH)
                await caller_speaks(stream)
                await stream.mark("listening")
                await returned(stream, "listening")
                await silence_after(stream, len(CALLER_LINE))
            await stream.socket.close()

        async def silence_after(stream: Stream, frames: int) -> None:
            async for message in stream:
                frames -= message["event"] == "media"
                if frames <= 0:
                    return

        quiet = WaitAgentQuiet(min_quiet_ms=100)
        steps = ScriptedCaller((quiet, Say(CALLER_LINE), quiet, Say(CALLER_LINE), WaitEnd(timeout_s=3)))
        async with answering(behaviour) as gateway, simulator() as twilio:
            report = await twilio.call(gateway.url + "/twilio/voice", steps)
        (stream,) = report.streams

        assert report.kept
        assert stream.talk_over_ms == 0
        assert len(stream.turns) == 2

    async def test_a_missed_step_breaks_the_call(self) -> None:
        """The agent never speaks, so the caller gives up."""
        steps = ScriptedCaller((WaitAgentQuiet(timeout_s=0.1),))
        async with answering() as gateway, simulator() as twilio:
            report = await twilio.call(gateway.url + "/twilio/voice", steps)

        assert report.missed == ("step 1: wait_agent_quiet",)
        assert not report.kept


class TestManyCalls:
    """One clock serves them all."""

    async def test_calls_do_not_disturb_each_other(self) -> None:
        """Twenty at once, each with its own numbers and all its frames."""
        caller = WavCaller(CALLER_LINE, linger_s=0)
        async with answering(echo) as gateway, simulator() as twilio, asyncio.TaskGroup() as tasks:
            url = gateway.url + "/twilio/voice"
            calls = [tasks.create_task(twilio.call(url, caller)) for _ in range(20)]
            reports = [await call for call in calls]

        assert len({report.call_sid for report in reports}) == 20
        assert {report.streams[0].frames_sent for report in reports} == {len(CALLER_LINE) + 1}

    async def test_nothing_is_left_behind(self) -> None:
        """No task, no call in the pacer's slots."""
        before = asyncio.all_tasks()
        async with answering() as gateway, simulator() as twilio:
            for _ in range(5):
                await twilio.call(gateway.url + "/twilio/voice", SilentCaller(0))
            assert not any(twilio.pacer._slots)

        assert asyncio.all_tasks() == before

    async def test_finished_calls_are_forgotten_in_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Only the latest can be asked for."""
        monkeypatch.setattr("gateway.simulator.simulator._REMEMBERED_CALLS", 2)
        async with answering(listen) as gateway, simulator() as twilio:
            for _ in range(4):
                await twilio.call(gateway.url + "/twilio/voice", SilentCaller(0))

            assert len(twilio._calls) == 2


async def test_the_rest_api_is_on_loopback() -> None:
    """On a port that was free."""
    async with simulator() as twilio:
        assert twilio.rest_url.startswith("http://127.0.0.1:")


async def test_an_error_inside_arrives_as_it_is() -> None:
    """Not wrapped in a group of the simulator's own tasks."""
    with pytest.raises(LookupError, match="mine"):
        async with simulator():
            raise LookupError("mine")


async def test_a_taken_port_is_said_plainly() -> None:
    """Not in a group of the simulator's own tasks."""
    async with simulator() as twilio:
        taken = int(twilio.rest_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await Simulator(ACCOUNT_SID, AUTH_TOKEN, rest_port=taken).__aenter__()


async def test_all_callers_can_hang_up() -> None:
    """Each call ends as if its caller had."""
    both = asyncio.Barrier(3)

    async def behaviour(stream: Stream) -> None:
        await stream.started()
        await both.wait()
        await stream.drain()

    async with answering(behaviour) as gateway, simulator() as twilio, asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(twilio.call(gateway.url + "/twilio/voice", SilentCaller())) for _ in "ab"]
        await both.wait()
        twilio.hang_up()
        reports = [await call for call in calls]

    assert [report.ending for report in reports] == ["caller_hung_up", "caller_hung_up"]
