"""Twilio's REST API, by our own client and by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Literal

import aiohttp
import pytest

from gateway.errors import TwilioApiError
from gateway.simulator.caller import SilentCaller
from gateway.simulator.options import CallOptions
from gateway.simulator.progress import CallbackOptions
from gateway.simulator.simulator import Simulator
from gateway.twilio.calls import NewCall
from gateway.twilio.rest import TwilioClient
from tests.simulator.answering import ACCOUNT_SID, AUTH_TOKEN, HANGUP, answering, listen

ACCOUNT = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
CALLS = f"{ACCOUNT}/Calls"
GOOD = {"To": "+15005550009", "From": "+15005550001", "Twiml": HANGUP}


@asynccontextmanager
async def exchange(
    seconds: float = 0.05, ring_s: float = 0.0
) -> AsyncIterator[tuple[Simulator, TwilioClient]]:
    """Run a Twilio and a client for it."""
    async with (
        Simulator(ACCOUNT_SID, AUTH_TOKEN, callee=SilentCaller(seconds), ring_s=ring_s) as twilio,
        aiohttp.ClientSession() as session,
    ):
        yield twilio, TwilioClient(session, ACCOUNT_SID, AUTH_TOKEN, twilio.rest_url, retry_pause_s=0.01)


async def ask(
    twilio: Simulator, method: str, path: str, form: dict[str, str], password: str = AUTH_TOKEN
) -> tuple[int, dict[str, Any]]:
    """Send a request by hand."""
    headers = {"Authorization": aiohttp.encode_basic_auth(ACCOUNT_SID, password)}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, twilio.rest_url + path, data=form, headers=headers) as response,
    ):
        return response.status, await response.json()


async def ended(twilio: Simulator, client: TwilioClient, call_sid: str) -> str:
    """Wait until an outbound call is over, and return its status."""
    while (call := await client.fetch_call(call_sid)).status not in (
        "completed",
        "busy",
        "failed",
        "no-answer",
        "canceled",
    ):
        assert call.sid == call_sid
    return call.status


class TestCreate:
    """Outbound calls."""

    async def test_a_call_is_made_and_streams(self) -> None:
        """Queued at first; the Url is asked when it is answered."""
        async with answering(listen) as gateway, exchange() as (twilio, client):
            created = await client.create_call(
                NewCall(
                    to="+15005550009",
                    from_number="+15005550001",
                    url=gateway.url + "/twilio/voice",
                    status_callback=gateway.url + "/twilio/status",
                    events=("initiated", "ringing", "answered", "completed"),
                )
            )
            status = await ended(twilio, client, created.sid)
            voice = gateway.forms("/twilio/voice")[0]
        forms = sorted(gateway.forms("/twilio/status"), key=lambda form: form["SequenceNumber"])

        assert (created.status, status) == ("queued", "completed")
        assert (voice["Direction"], voice["CallStatus"]) == ("outbound-api", "in-progress")
        assert (voice["To"], voice["CallSid"]) == ("+15005550009", created.sid)
        assert [form["CallStatus"] for form in forms] == ["initiated", "ringing", "in-progress", "completed"]

    async def test_its_report_is_kept(self) -> None:
        """For who made the call."""
        async with exchange() as (twilio, client):
            created = await client.create_call(NewCall(to="+1500", from_number="+1501", twiml=HANGUP))
            await ended(twilio, client, created.sid)
        (report,) = twilio.outbound

        assert (report.call_sid, report.ending) == (created.sid, "twiml_hangup")

    @pytest.mark.parametrize(
        ("change", "code"),
        [
            ({"To": ""}, 21201),
            ({"To": "hello"}, 21211),
            ({"From": ""}, 21213),
            ({"Twiml": ""}, 21205),
            ({"Twiml": "x" * 4_001}, 21205),
        ],
    )
    async def test_an_incomplete_call_is_refused(self, change: dict[str, str], code: int) -> None:
        """400 with Twilio's number."""
        async with exchange() as (twilio, _):
            status, body = await ask(twilio, "POST", CALLS + ".json", GOOD | change)

        assert (status, body["code"], body["status"]) == (400, code, 400)
        assert body["more_info"] == f"https://www.twilio.com/docs/errors/{code}"

    async def test_the_url_wins_over_twiml(self) -> None:
        """As Twilio says."""
        async with answering(voice=HANGUP) as gateway, exchange() as (twilio, client):
            form = GOOD | {"Url": gateway.url + "/twilio/voice", "Twiml": "<Response/>"}
            status, body = await ask(twilio, "POST", CALLS + ".json", form)
            await ended(twilio, client, body["sid"])

        assert status == 201
        assert len(gateway.requests) == 1

    async def test_a_lost_create_dials_all_the_same(self) -> None:
        """The connection breaks instead of an answer; the list shows the call."""
        async with exchange() as (twilio, client):
            twilio.rest.lose_next = 1
            with pytest.raises(TwilioApiError) as caught:
                await client.create_call(NewCall(to="+1500", from_number="+1501", twiml=HANGUP))
            (call,) = await client.find_calls("+1500", "+1501")
            await ended(twilio, client, call.sid)

        assert caught.value.reason == "unreachable"
        assert len(twilio.outbound) == 1


class TestFate:
    """What becomes of outbound calls."""

    @pytest.mark.parametrize(
        ("unanswered", "status"),
        [("busy", "busy"), ("no_answer", "no-answer"), ("unreachable", "failed")],
    )
    async def test_a_call_may_not_be_answered(
        self, unanswered: Literal["busy", "no_answer", "unreachable"], status: str
    ) -> None:
        """Nobody is asked for TwiML then; the next call may fare better."""
        async with answering(voice=HANGUP) as gateway, exchange() as (twilio, client):
            twilio.fate = replace(twilio.fate, unanswered=unanswered)
            call = NewCall(
                to="+1500",
                from_number="+1501",
                url=gateway.url + "/twilio/voice",
                status_callback=gateway.url + "/twilio/status",
            )
            created = await client.create_call(call)
            assert await ended(twilio, client, created.sid) == status
            twilio.fate = replace(twilio.fate, unanswered=None)
            created = await client.create_call(call)
            assert await ended(twilio, client, created.sid) == "completed"

        told = [form["CallStatus"] for form in gateway.forms("/twilio/status")]
        assert told == [status, "completed"]
        assert len(gateway.forms("/twilio/voice")) == 1
        assert [report.ending for report in twilio.outbound] == [unanswered, "twiml_hangup"]

    @pytest.mark.parametrize("asked", [True, False])
    async def test_a_machine_is_told_of_where_it_is_asked_for(self, asked: bool) -> None:
        """Beside the call; the REST API shows it as well."""
        async with answering(voice=HANGUP) as gateway, exchange() as (twilio, client):
            twilio.fate = replace(twilio.fate, answered_by="machine_start")
            call = NewCall(
                to="+1500",
                from_number="+1501",
                url=gateway.url + "/twilio/voice",
                machine_detection="Enable" if asked else None,
                machine_detection_callback=gateway.url + "/twilio/status",
            )
            created = await client.create_call(call)
            await ended(twilio, client, created.sid)
            seen = await client.fetch_call(created.sid)

        heard = [form["AnsweredBy"] for form in gateway.forms("/twilio/status")]
        assert heard == (["machine_start"] if asked else [])
        assert seen.answered_by == ("machine_start" if asked else "")

    async def test_callbacks_go_wrong_as_told(self) -> None:
        """Order, repeats and losses are the simulator's; address and events are the create's."""
        told = CallbackOptions(twice=True, order="reversed", dropped=frozenset({"ringing"}))
        async with answering(voice=HANGUP) as gateway, exchange() as (twilio, client):
            twilio.fate = replace(twilio.fate, callbacks=told)
            created = await client.create_call(
                NewCall(
                    to="+1500",
                    from_number="+1501",
                    url=gateway.url + "/twilio/voice",
                    status_callback=gateway.url + "/twilio/status",
                    events=("initiated", "ringing", "answered", "completed"),
                )
            )
            await ended(twilio, client, created.sid)

        statuses = [form["CallStatus"] for form in gateway.forms("/twilio/status")]
        assert statuses == ["completed"] * 2 + ["in-progress"] * 2 + ["initiated"] * 2

    async def test_the_time_limit_is_kept(self) -> None:
        """As the create asks."""
        async with answering(listen) as gateway, exchange(30) as (twilio, client):
            created = await client.create_call(
                NewCall(
                    to="+1500",
                    from_number="+1501",
                    url=gateway.url + "/twilio/voice",
                    more={"TimeLimit": "1"},
                )
            )
            assert await ended(twilio, client, created.sid) == "completed"

        assert twilio.outbound[0].ending == "time_limit"


class TestList:
    """Looking for calls."""

    async def test_calls_are_found_by_their_numbers(self) -> None:
        """Newest first, with the time of their creation, which does not move."""
        async with exchange() as (twilio, client):
            sids = [
                (await client.create_call(NewCall(to=to, from_number="+1501", twiml=HANGUP))).sid
                for to in ("+1500", "+1502", "+1500")
            ]
            for sid in sids:
                await ended(twilio, client, sid)
            found = await client.find_calls("+1500", "+1501")
            again = await client.fetch_call(sids[0])
            none = await client.find_calls("+1500", "+1599")

        assert [call.sid for call in found] == [sids[2], sids[0]]
        assert found[1].created_at == again.created_at
        assert found[0].created_at is not None
        assert none == []

    async def test_status_and_size_narrow_it(self) -> None:
        """As Twilio's parameters do."""
        async with exchange() as (twilio, client):
            for _ in range(3):
                created = await client.create_call(NewCall(to="+1500", from_number="+1501", twiml=HANGUP))
                await ended(twilio, client, created.sid)
            _, page = await ask(twilio, "GET", CALLS + ".json?PageSize=2&Status=completed", {})
            _, live = await ask(twilio, "GET", CALLS + ".json?Status=ringing", {})

        assert [len(page["calls"]), page["page_size"], live["calls"]] == [2, 2, []]

    async def test_a_size_that_is_none_is_refused(self) -> None:
        """With the answer that says what it may be."""
        async with exchange() as (twilio, _):
            told = [
                await ask(twilio, "GET", CALLS + f".json?PageSize={size}", {})
                for size in ("0", "-1", "1001", "many", "9" * 5_000)
            ]

        assert {(status, body["code"]) for status, body in told} == {(400, 20001)}

    async def test_a_wrong_token_is_401(self) -> None:
        """As everywhere."""
        async with exchange() as (twilio, _):
            assert (await ask(twilio, "GET", CALLS + ".json", {}, password="wrong"))[0] == 401


class TestFetch:
    """Reading a call."""

    async def test_a_finished_call_has_a_duration_in_words(self) -> None:
        """A string, as Twilio writes it."""
        async with exchange() as (twilio, client):
            _, created = await ask(twilio, "POST", CALLS + ".json", GOOD)
            await ended(twilio, client, created["sid"])
            status, body = await ask(twilio, "GET", f"{CALLS}/{created['sid']}.json", {})

        assert (status, body["status"], body["duration"]) == (200, "completed", "0")
        assert (body["from"], body["to"], body["direction"]) == (
            "+15005550001",
            "+15005550009",
            "outbound-api",
        )
        assert created["duration"] is None

    async def test_an_unknown_call_is_404(self) -> None:
        """20404."""
        async with exchange() as (_, client):
            with pytest.raises(TwilioApiError) as caught:
                await client.fetch_call("CA" + "9" * 32)

        assert (caught.value.status, caught.value.code) == (404, 20404)


class TestUpdate:
    """Changing a live call."""

    async def test_a_live_call_is_completed(self) -> None:
        """Its stream gets a stop."""
        async with answering(listen) as gateway, exchange(30) as (twilio, client):
            created = await client.create_call(
                NewCall(to="+1500", from_number="+1501", url=gateway.url + "/twilio/voice")
            )
            while not gateway.streams or not gateway.streams[0].sid:
                await client.fetch_call(created.sid)
            assert await client.hang_up(created.sid)
            assert await ended(twilio, client, created.sid) == "completed"
        (report,) = twilio.outbound

        assert report.ending == "rest_completed"

    async def test_a_finished_call_is_21220(self) -> None:
        """Whatever is asked."""
        async with exchange() as (twilio, client):
            _, created = await ask(twilio, "POST", CALLS + ".json", GOOD)
            await ended(twilio, client, created["sid"])
            path = f"{CALLS}/{created['sid']}.json"
            answers = [
                await ask(twilio, "POST", path, form) for form in ({"Status": "completed"}, {"Twiml": HANGUP})
            ]

        assert [(status, body["code"]) for status, body in answers] == [(400, 21220)] * 2

    async def test_a_call_in_progress_cannot_be_canceled(self) -> None:
        """It has no effect."""
        async with answering(listen) as gateway, exchange(0.3) as (twilio, client):
            created = await client.create_call(
                NewCall(to="+1500", from_number="+1501", url=gateway.url + "/twilio/voice")
            )
            while not gateway.streams:
                await client.fetch_call(created.sid)
            await client.update_call(created.sid, status="canceled")
            assert await ended(twilio, client, created.sid) == "completed"

        assert twilio.outbound[0].ending == "caller_hung_up"

    async def test_a_ringing_call_is_canceled(self) -> None:
        """Before anybody was asked for TwiML."""
        async with answering(listen) as gateway, exchange(ring_s=30) as (twilio, client):
            created = await client.create_call(
                NewCall(to="+1500", from_number="+1501", url=gateway.url + "/twilio/voice")
            )
            await client.update_call(created.sid, status="canceled")
            status = await ended(twilio, client, created.sid)

        assert (status, twilio.outbound[0].ending) == ("canceled", "rest_canceled")
        assert gateway.requests == []

    async def test_an_unknown_call_is_404(self) -> None:
        """Hanging it up counts as success."""
        async with exchange() as (_, client):
            assert not await client.hang_up("CA" + "9" * 32)


class TestRefusals:
    """Who is let in."""

    @pytest.mark.parametrize("method", ["GET", "POST"])
    async def test_a_wrong_token_is_401(self, method: str) -> None:
        """20003, before anything else is looked at."""
        async with exchange() as (twilio, _):
            status, body = await ask(twilio, method, f"{CALLS}/CA1.json", {}, password="wrong")

        assert (status, body["code"], body["message"]) == (401, 20003, "Authenticate")

    async def test_another_account_is_404(self) -> None:
        """Its calls do not exist."""
        async with exchange() as (twilio, _):
            status, body = await ask(twilio, "POST", "/2010-04-01/Accounts/AC1/Calls.json", GOOD)

        assert (status, body["code"]) == (404, 20404)

    async def test_too_many_requests_are_429_and_then_let_in(self) -> None:
        """Our client tries again: the refused one was never processed."""
        async with exchange() as (twilio, client):
            twilio.rest.refuse_next = 2
            created = await client.create_call(NewCall(to="+1500", from_number="+1501", twiml=HANGUP))
            await ended(twilio, client, created.sid)

        assert len(twilio.outbound) == 1


class TestAccount:
    """The account and its numbers."""

    async def test_number_that_was_called_is_set_up_as_in_the_console(self) -> None:
        """With the webhooks that the call went to."""
        options = CallOptions(callbacks=CallbackOptions(url="http://127.0.0.1:9/twilio/status"))
        async with answering(listen) as gateway, exchange() as (twilio, client):
            voice_url = gateway.url + "/twilio/voice"
            await twilio.call(voice_url, SilentCaller(0.05), to="+15005550001", options=options)
            account, (number,) = await client.fetch_account(), await client.list_numbers()

        assert (account.status, account.kind) == ("active", "Full")
        assert (number.number, number.voice_url, number.voice_method) == ("+15005550001", voice_url, "POST")
        assert number.status_callback == "http://127.0.0.1:9/twilio/status"
        assert (number.voice, number.elsewhere) == (True, "")

    async def test_nobody_else_is_told(self) -> None:
        """Neither with another token nor of another account."""
        async with exchange() as (twilio, _):
            for path in (f"{ACCOUNT}.json", f"{ACCOUNT}/IncomingPhoneNumbers.json"):
                assert (await ask(twilio, "GET", path, {}, "wrong"))[0] == 401
                other = path.replace(ACCOUNT_SID, "AC" + "1" * 32)
                assert (await ask(twilio, "GET", other, {}))[0] == 404
