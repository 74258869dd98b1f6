"""The life of a call: TwiML verb by verb, and what breaks into it."""

import asyncio
from dataclasses import replace

import aiohttp
import pytest

from gateway.simulator import codes
from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from gateway.simulator.progress import CallbackOptions
from gateway.simulator.report import CallReport
from gateway.simulator.simulator import Simulator
from gateway.twilio.rest import TwilioClient
from tests.simulator.answering import ACCOUNT_SID, AUTH_TOKEN, Answering, Stream, answering, idle

QUICK = CallOptions(say_s=0.01)


async def call(gateway: Answering, options: CallOptions = QUICK, seconds: float | None = 0.0) -> CallReport:
    """Make one call by a silent caller, on a Twilio of its own."""
    async with Simulator(ACCOUNT_SID, AUTH_TOKEN) as twilio:
        return await twilio.call(gateway.url + "/twilio/voice", SilentCaller(seconds), options=options)


class TestTwiml:
    """Documents without a stream."""

    @pytest.mark.parametrize(
        ("inner", "ending", "verbs"),
        [
            ("", "twiml_exhausted", ()),
            ("<Hangup/>", "twiml_hangup", ("Hangup",)),
            ("<Say>Hi</Say><Hangup/><Say>never</Say>", "twiml_hangup", ("Say", "Hangup")),
            ('<Pause length="0"/><Play>a.mp3</Play>', "twiml_exhausted", ("Pause", "Play")),
            ("<Dial>+15005550009</Dial>", "twiml_exhausted", ("Dial",)),
            ('<Reject reason="busy"/>', "rejected", ("Reject",)),
            ("<Say>Hi</Say><Reject/>", "twiml_hangup", ("Say", "Reject")),
            ("<Redirect>/twilio/resume</Redirect>", "twiml_hangup", ("Redirect", "Hangup")),
        ],
    )
    async def test_verbs_run_until_one_ends_the_call(
        self, inner: str, ending: str, verbs: tuple[str, ...]
    ) -> None:
        """In order, and nothing behind the end."""
        async with answering(voice=f"<Response>{inner}</Response>") as gateway:
            report = await call(gateway)

        assert (report.ending, report.verbs) == (ending, verbs)

    async def test_dial_asks_its_action(self) -> None:
        """What it answers goes on; it is told how the other party was reached."""
        voice = '<Response><Dial action="/twilio/resume">+1500</Dial><Say>never</Say></Response>'
        async with answering(voice=voice) as gateway:
            report = await call(gateway, replace(QUICK, dial_status="busy"))

        assert report.verbs == ("Dial", "Hangup")
        assert [form["DialCallStatus"] for form in gateway.forms("/twilio/resume")] == ["busy"]

    async def test_a_redirect_to_itself_ends_at_last(self) -> None:
        """After fifty documents."""
        async with answering(voice="<Response><Redirect>/twilio/voice</Redirect></Response>") as gateway:
            report = await call(gateway)

        assert report.ending == "webhook_failed"
        assert len(report.verbs) == 50

    async def test_bad_twiml_fails_the_call(self) -> None:
        """With 12100."""
        async with answering(voice="<Response>") as gateway:
            report = await call(gateway)

        assert report.ending == "webhook_failed"
        assert [fault.code for fault in report.faults] == [codes.BAD_TWIML]

    async def test_a_failing_webhook_fails_the_call(self) -> None:
        """With 11200."""
        async with answering(voice="<Response/>") as gateway:
            gateway.voice_status = 500
            report = await call(gateway)

        assert (report.ending, report.answer_ms) == ("webhook_failed", None)
        assert [fault.code for fault in report.faults] == [codes.WEBHOOK_FAILED]

    async def test_a_duplicate_webhook_has_the_same_token(self) -> None:
        """The first answer counts."""
        async with answering(voice="<Response/>") as gateway:
            await call(gateway, CallOptions(duplicate_webhook=True))
            first, second = gateway.requests

        assert first.form == second.form
        token = "I-Twilio-Idempotency-Token"
        assert first.headers[token] == second.headers[token]


class TestStatus:
    """Callbacks along the way."""

    @pytest.mark.parametrize(
        ("voice", "statuses"),
        [
            (None, ["in-progress", "completed"]),
            ("<Response><Reject/></Response>", ["busy"]),
            ("<Response>", ["failed"]),
        ],
    )
    async def test_an_inbound_call_tells_how_it_went(self, voice: str | None, statuses: list[str]) -> None:
        """Answered when a verb answers it, then its end."""
        async with answering(idle, voice=voice) as gateway:
            url = gateway.url + "/twilio/status"
            events = ("initiated", "ringing", "answered", "completed")
            await call(gateway, CallOptions(callbacks=CallbackOptions(url=url, events=events)))
            forms = sorted(gateway.forms("/twilio/status"), key=lambda form: form["SequenceNumber"])

        assert [form["CallStatus"] for form in forms] == statuses

    async def test_a_refused_callback_is_noted(self) -> None:
        """The call goes on."""
        async with answering(idle) as gateway:
            options = CallOptions(callbacks=CallbackOptions(url=gateway.url + "/nowhere"))
            report = await call(gateway, options)

        assert report.ending == "caller_hung_up"
        assert [fault.code for fault in report.faults] == [codes.CALLBACK_REFUSED]


class TestBreakingIn:
    """What ends or replaces a running verb."""

    async def test_the_time_limit_ends_a_stream(self) -> None:
        """As TimeLimit does."""
        async with answering(idle) as gateway:
            report = await call(gateway, CallOptions(max_seconds=0.1), seconds=None)

        assert (report.ending, report.ended_by) == ("time_limit", "twilio")

    async def test_the_time_limit_ends_a_pause(self) -> None:
        """No stream is needed for that."""
        async with answering(voice='<Response><Pause length="60"/></Response>') as gateway:
            report = await call(gateway, CallOptions(max_seconds=0.05))

        assert report.ending == "time_limit"

    async def test_new_twiml_replaces_a_stream(self) -> None:
        """Stop and close, then the new verbs; the Redirect behind the stream never runs."""
        async with answering() as gateway, Simulator(ACCOUNT_SID, AUTH_TOKEN) as twilio:
            async with aiohttp.ClientSession() as session:
                client = TwilioClient(session, ACCOUNT_SID, AUTH_TOKEN, twilio.rest_url)

                async def behaviour(stream: Stream) -> None:
                    start = await stream.started()
                    twiml = "<Response><Say>Transferring</Say><Hangup/></Response>"
                    await client.update_call(start["start"]["callSid"], twiml=twiml)
                    await stream.drain()

                gateway.behaviour = behaviour
                report = await twilio.call(gateway.url + "/twilio/voice", SilentCaller(), options=QUICK)

            assert '"event":"stop"' in gateway.streams[0].texts[-1]
        assert report.verbs == ("Connect", "Say", "Hangup")
        assert gateway.forms("/twilio/resume") == []

    async def test_a_new_url_replaces_a_pause(self) -> None:
        """It is asked as any webhook."""
        async with (
            answering(voice='<Response><Pause length="60"/></Response>') as gateway,
            Simulator(ACCOUNT_SID, AUTH_TOKEN) as twilio,
            aiohttp.ClientSession() as session,
            asyncio.TaskGroup() as tasks,
        ):
            calling = tasks.create_task(twilio.call(gateway.url + "/twilio/voice", SilentCaller()))
            while not gateway.requests:  # noqa: ASYNC110 - the test's own server runs in the same loop
                await asyncio.sleep(0.005)
            client = TwilioClient(session, ACCOUNT_SID, AUTH_TOKEN, twilio.rest_url)
            sid = gateway.forms("/twilio/voice")[0]["CallSid"]
            await client.update_call(sid, url=gateway.url + "/twilio/resume")
            report = await calling

        assert report.verbs == ("Pause", "Hangup")

    async def test_the_first_reason_to_end_stays(self) -> None:
        """A hang-up during the webhook is no failure of the webhook."""
        async with answering(voice="<Response><Hangup/></Response>") as gateway:
            report = await call(gateway, CallOptions(max_seconds=0))

        assert report.ending == "time_limit"
        assert report.verbs == ()
