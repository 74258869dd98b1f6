"""The <Connect><Stream> verb: opening, failing, resetting, resuming."""

import pytest

from gateway.simulator import codes
from gateway.simulator.caller import SilentCaller, WavCaller
from gateway.simulator.microphone import cut
from gateway.simulator.options import CallOptions
from gateway.simulator.report import CallReport
from gateway.simulator.simulator import Simulator
from tests.simulator.answering import ACCOUNT_SID, AUTH_TOKEN, Answering, Stream, answering, idle, listen


async def call(
    gateway: Answering, options: CallOptions | None = None, seconds: float | None = 0.05
) -> CallReport:
    """Make one call by a silent caller, on a Twilio of its own."""
    async with Simulator(ACCOUNT_SID, AUTH_TOKEN) as twilio:
        return await twilio.call(gateway.url + "/twilio/voice", SilentCaller(seconds), options=options)


class TestOpening:
    """How a stream comes about."""

    async def test_parameters_reach_the_start_message(self) -> None:
        """As customParameters."""
        seen: dict[str, str] = {}

        async def behaviour(stream: Stream) -> None:
            start = await stream.started()
            seen.update(start["start"]["customParameters"])
            await stream.drain()

        async with answering(behaviour) as gateway:
            gateway.voice = gateway.stream_twiml(parameters='<Parameter name="token" value="a&amp;b"/>')
            await call(gateway)

        assert seen == {"token": "a&b"}

    async def test_stream_callbacks_frame_the_stream(self) -> None:
        """Started, stopped, with the name of the TwiML."""
        async with answering(listen) as gateway:
            gateway.voice = gateway.stream_twiml(
                f'statusCallback="{gateway.url}/twilio/stream-status" name="mine"'
            )
            await call(gateway)
            forms = gateway.forms("/twilio/stream-status")

        assert [form["StreamEvent"] for form in forms] == ["stream-started", "stream-stopped"]
        assert {form["StreamName"] for form in forms} == {"mine"}
        assert forms[0]["StreamSid"] == gateway.streams[0].sid

    async def test_a_refused_socket_is_told_and_the_next_verb_runs(self) -> None:
        """stream-error is the only push that says so."""
        async with answering(listen) as gateway:
            gateway.refuse_media = True
            gateway.voice = gateway.stream_twiml(f'statusCallback="{gateway.url}/twilio/stream-status"')
            report = await call(gateway)
            (form,) = gateway.forms("/twilio/stream-status")

        assert form["StreamEvent"] == "stream-error"
        assert form["StreamError"].startswith("31920")
        assert [fault.code for fault in report.faults] == [codes.HANDSHAKE_REFUSED]
        assert report.verbs == ("Connect", "Redirect", "Hangup")
        assert not report.kept

    async def test_another_track_is_31941(self) -> None:
        """A connected stream hears the caller only."""
        async with answering(listen) as gateway:
            gateway.voice = gateway.stream_twiml('track="both_tracks"')
            report = await call(gateway)

        assert [fault.code for fault in report.faults] == [codes.INVALID_TRACK]
        assert gateway.streams == []

    async def test_the_action_replaces_the_next_verb(self) -> None:
        """It is asked when the stream is over."""

        async def behaviour(stream: Stream) -> None:
            await stream.started()
            await stream.socket.close()

        async with answering(behaviour) as gateway:
            gateway.voice = gateway.stream_twiml().replace("<Connect>", '<Connect action="/twilio/resume">')
            report = await call(gateway, seconds=None)

        assert report.verbs == ("Connect", "Hangup")
        assert report.after_stream == "Hangup"


class TestClosing:
    """How a stream ends on the wire."""

    @pytest.mark.parametrize(("code", "seen"), [(None, {0, 1000, 1005}), (1000, {1000})])
    async def test_stop_then_a_close(self, code: int | None, seen: set[int]) -> None:
        """With 1005 or 1000, as asked for."""
        async with answering(listen) as gateway:
            await call(gateway, CallOptions(close_code=code))
            (stream,) = gateway.streams

        assert '"event":"stop"' in stream.texts[-1]
        assert stream.socket.close_code in seen

    async def test_a_reset_comes_without_a_stop(self) -> None:
        """A media server that crashed."""
        async with answering(listen) as gateway:
            report = await call(gateway, CallOptions(reset_after_s=0.1), seconds=None)
            (stream,) = gateway.streams

        assert (report.ending, report.ended_by) == ("stream_reset", "twilio")
        assert '"event":"stop"' not in "".join(stream.texts)
        assert stream.socket.close_code in (None, 1006)
        assert report.streams[0].frames_sent >= 3

    async def test_a_caller_who_is_faster_than_the_reset_ends_normally(self) -> None:
        """The reset never comes."""
        async with answering(listen) as gateway:
            report = await call(gateway, CallOptions(reset_after_s=5))

        assert report.ending == "caller_hung_up"

    async def test_a_server_that_vanishes_is_31903(self) -> None:
        """And the next verb runs."""

        async def behaviour(stream: Stream) -> None:
            await stream.started()
            stream.transport.abort()

        async with answering(behaviour) as gateway:
            report = await call(gateway, seconds=None)

        assert [fault.code for fault in report.faults] == [codes.BROKEN_PIPE]
        assert report.after_stream == "Redirect"


class TestResuming:
    """A second stream in the same call."""

    async def test_the_same_caller_goes_on(self) -> None:
        """It speaks on where the first stream broke off; the report has both."""
        line = cut(b"a" * 4_800)

        async def behaviour(stream: Stream) -> None:
            await stream.started()
            if len(gateway.streams) == 1:
                await stream.socket.receive()
                await stream.socket.close()
            else:
                await stream.drain()

        async with answering(behaviour) as gateway, Simulator(ACCOUNT_SID, AUTH_TOKEN) as twilio:
            gateway.resume = gateway.stream_twiml()
            report = await twilio.call(gateway.url + "/twilio/voice", WavCaller(line, linger_s=0))
            first, second = gateway.streams

        assert first.sid != second.sid
        assert report.verbs == ("Connect", "Redirect", "Connect")
        assert report.ending == "caller_hung_up"
        frames = [stream.frames_sent for stream in report.streams]
        assert sum(frames) == len(line) + 1
        assert all(frames)

    async def test_binary_from_the_gateway_is_reported(self) -> None:
        """31950, and the stream goes on."""

        async def behaviour(stream: Stream) -> None:
            await stream.started()
            await stream.socket.send_bytes(b"\xff" * 160)
            await stream.drain()

        async with answering(behaviour) as gateway:
            report = await call(gateway)

        assert [fault.code for fault in report.faults] == [codes.MALFORMED_MESSAGE]
        assert report.ending == "caller_hung_up"

    async def test_a_stream_that_never_begins_leaves_none(self) -> None:
        """The gateway is gone before the socket opens."""
        async with answering(idle) as gateway:
            gateway.voice = gateway.stream_twiml().replace("/twilio/media", "/nowhere")
            report = await call(gateway)

        assert report.streams == ()
        assert report.setup_ms is None
