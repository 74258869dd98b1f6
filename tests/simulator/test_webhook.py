"""Twilio's HTTP requests."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gateway.simulator import codes
from gateway.simulator.codes import Fault
from gateway.simulator.webhook import Answer, Webhooks, new_token
from tests.simulator.answering import AUTH_TOKEN, HANGUP, answering, idle

FORM = [("CallSid", "CA1"), ("ToCity", ""), ("From", "+14155550100"), ("Odd", "a b&c=ü+")]


@asynccontextmanager
async def webhooks() -> AsyncIterator[Webhooks]:
    """Send with a session of its own."""
    async with aiohttp.ClientSession() as session:
        yield Webhooks(session, AUTH_TOKEN)


class TestRequest:
    """What arrives at the gateway."""

    async def test_a_post_carries_the_signed_form(self) -> None:
        """Blanks and odd characters included, under Twilio's headers."""
        async with answering(idle, voice=HANGUP) as gateway, webhooks() as hooks:
            answer = await hooks.fetch_twiml("POST", gateway.url + "/twilio/voice", FORM, "token-1")
            (request,) = gateway.requests

        assert isinstance(answer, Answer)
        assert answer.body == HANGUP.encode()
        assert request.form == FORM
        assert request.genuine
        assert request.headers["User-Agent"] == "TwilioProxy/1.1"
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded; charset=UTF-8"
        assert request.headers["I-Twilio-Idempotency-Token"] == "token-1"

    async def test_a_get_carries_the_form_in_its_signed_url(self) -> None:
        """The query is signed exactly as sent."""
        async with answering(idle, voice=HANGUP) as gateway, webhooks() as hooks:
            answer = await hooks.fetch_twiml("GET", gateway.url + "/twilio/voice?a=1", FORM, "t")
            (request,) = gateway.requests

        assert isinstance(answer, Answer)
        assert request.genuine
        assert request.form == []

    async def test_a_fragment_is_not_sent(self) -> None:
        """It holds Twilio's own overrides."""
        async with answering(idle, voice=HANGUP) as gateway, webhooks() as hooks:
            answer = await hooks.fetch_twiml("POST", gateway.url + "/twilio/voice#rc=2", FORM, "t")

            assert isinstance(answer, Answer)
            assert gateway.requests[0].genuine

    def test_tokens_differ(self) -> None:
        """Each request has its own."""
        assert new_token() != new_token()


class TestFaults:
    """What Twilio's debugger would show."""

    @pytest.mark.parametrize("status", [302, 403, 404, 500, 503])
    async def test_twiml_needs_a_2xx(self, status: int) -> None:
        """Everything else is 11200."""
        async with answering(idle, voice=HANGUP) as gateway, webhooks() as hooks:
            gateway.voice_status = status
            answer = await hooks.fetch_twiml("POST", gateway.url + "/twilio/voice", FORM, "t")

        assert answer == Fault(codes.WEBHOOK_FAILED, f"HTTP {status}")

    @pytest.mark.parametrize("content_type", ["text/plain", "application/json", "text/html"])
    async def test_twiml_needs_xml(self, content_type: str) -> None:
        """Anything else is 12100 here."""
        async with answering(idle, voice=HANGUP) as gateway, webhooks() as hooks:
            gateway.content_type = content_type
            answer = await hooks.fetch_twiml("POST", gateway.url + "/twilio/voice", FORM, "t")

        assert answer == Fault(codes.BAD_TWIML, f"content type {content_type}")

    async def test_nobody_there_is_11200(self) -> None:
        """After a second attempt."""
        async with answering(idle) as gateway:
            url = gateway.url
        async with webhooks() as hooks:
            assert await hooks.fetch_twiml("POST", url, FORM, "t") == Fault(
                codes.WEBHOOK_FAILED, "no connection"
            )

    async def test_a_connection_that_breaks_is_11200(self) -> None:
        """It is not tried again: the request may have been handled."""
        asked = 0

        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            asked += 1
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
        async with server, webhooks() as hooks:
            port = server.sockets[0].getsockname()[1]
            fault = await hooks.fetch_twiml("POST", f"http://127.0.0.1:{port}/", FORM, "t")

        assert isinstance(fault, Fault)
        assert (fault.code, asked) == (codes.WEBHOOK_FAILED, 1)


class TestNotify:
    """Status callbacks."""

    async def test_204_is_fine(self) -> None:
        """Nothing is noted."""
        async with answering(idle) as gateway, webhooks() as hooks:
            assert await hooks.notify("POST", gateway.url + "/twilio/status", FORM, "t") is None
            assert gateway.requests[0].genuine

    async def test_an_error_is_15003(self) -> None:
        """With the status."""
        async with answering(idle) as gateway, webhooks() as hooks:
            fault = await hooks.notify("POST", gateway.url + "/nowhere", FORM, "t")

        assert fault == Fault(codes.CALLBACK_REFUSED, "HTTP 404")

    async def test_nobody_there_is_11200(self) -> None:
        """As for TwiML."""
        async with answering(idle) as gateway:
            url = gateway.url
        async with webhooks() as hooks:
            fault = await hooks.notify("POST", url, FORM, "t")

        assert fault == Fault(codes.WEBHOOK_FAILED, "no connection")
