"""Status callbacks, and what goes wrong with them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest

from gateway.simulator.codes import CALLBACK_REFUSED, Fault
from gateway.simulator.forms import CallStatus, Identity
from gateway.simulator.progress import CallbackOptions, Progress
from gateway.simulator.twiml import Stream
from gateway.simulator.webhook import Webhooks
from tests.simulator.answering import ACCOUNT_SID, AUTH_TOKEN, Answering, answering, idle

IDENTITY = Identity(ACCOUNT_SID, "CA" + "1" * 32, "+14155550100", "+15005550001")
ALL = CallbackOptions(events=("initiated", "ringing", "answered", "completed"))
STATUSES: tuple[CallStatus, ...] = ("initiated", "ringing", "in-progress", "completed")


@asynccontextmanager
async def progress(
    gateway: Answering, options: CallbackOptions, faults: list[Fault] | None = None
) -> AsyncIterator[Progress]:
    """Deliver to a gateway, and wait for the last delivery."""
    noted: list[Fault] = []
    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        yield Progress(
            Webhooks(session, AUTH_TOKEN),
            IDENTITY,
            replace(options, url=options.url or gateway.url + "/twilio/status"),
            tasks,
            (noted if faults is None else faults).append,
        )
    assert not noted


class TestCall:
    """The call's own."""

    async def test_every_event_asked_for_is_told(self) -> None:
        """Numbered from 0, each signed, with its own token."""
        async with answering(idle) as gateway:
            async with progress(gateway, ALL) as told:
                for status in STATUSES:
                    told.call(status, 7)

            forms = sorted(gateway.forms("/twilio/status"), key=lambda form: form["SequenceNumber"])
            tokens = {request.headers["I-Twilio-Idempotency-Token"] for request in gateway.requests}

        assert [form["CallStatus"] for form in forms] == list(STATUSES)
        assert [form["SequenceNumber"] for form in forms] == list("0123")
        assert forms[-1]["CallDuration"] == "7"
        assert all(request.genuine for request in gateway.requests)
        assert len(tokens) == 4

    async def test_by_default_only_the_end_is_told(self) -> None:
        """As Twilio does."""
        async with answering(idle) as gateway:
            async with progress(gateway, CallbackOptions()) as told:
                for status in STATUSES:
                    told.call(status)

            assert [form["CallStatus"] for form in gateway.forms("/twilio/status")] == ["completed"]

    async def test_without_a_url_nothing_is_told(self) -> None:
        """Nobody asked."""
        async with answering(idle) as gateway:
            async with progress(gateway, ALL) as told:
                told._options = CallbackOptions()
                told.call("completed")

            assert gateway.requests == []

    async def test_twice_means_the_same_token(self) -> None:
        """A retry, to be told from a second event."""
        async with answering(idle) as gateway:
            async with progress(gateway, CallbackOptions(twice=True)) as told:
                told.call("completed")

            first, second = gateway.requests
            assert first.form == second.form
            token = "I-Twilio-Idempotency-Token"
            assert first.headers[token] == second.headers[token]

    async def test_reversed_means_the_last_first(self) -> None:
        """All are held back until the call is over."""
        async with answering(idle) as gateway:
            async with progress(gateway, replace(ALL, order="reversed")) as told:
                for status in STATUSES:
                    told.call(status)

            assert [form["SequenceNumber"] for form in gateway.forms("/twilio/status")] == list("3210")

    async def test_shuffled_means_any_order_and_always_the_same(self) -> None:
        """A seed decides it; all orders come up."""
        orders = []
        async with answering(idle) as gateway:
            for seed in (*range(12), 3):
                gateway.requests.clear()
                async with progress(gateway, replace(ALL, order="shuffled", seed=seed)) as told:
                    for status in STATUSES:
                        told.call(status)
                orders.append("".join(form["SequenceNumber"] for form in gateway.forms("/twilio/status")))

        assert {"".join(sorted(order)) for order in orders} == {"0123"}
        assert len(set(orders)) > 5
        assert orders[-1] == orders[3]

    async def test_held_back_ones_come_although_the_last_is_dropped(self) -> None:
        """They wait for the end of the call, not for the word of it."""
        options = replace(ALL, order="reversed", dropped=frozenset({"completed"}))
        async with answering(idle) as gateway:
            async with progress(gateway, options) as told:
                for status in STATUSES:
                    told.call(status)

            assert [form["SequenceNumber"] for form in gateway.forms("/twilio/status")] == list("210")

    async def test_a_machine_is_told_of(self) -> None:
        """Signed, to an address of its own."""
        async with answering(idle) as gateway:
            async with progress(gateway, ALL) as told:
                told.machine(gateway.url + "/twilio/status", "machine_end_beep")

            (request,) = gateway.requests
        assert request.genuine
        assert request.values == {
            "AccountSid": ACCOUNT_SID,
            "CallSid": IDENTITY.call_sid,
            "AnsweredBy": "machine_end_beep",
            "MachineDetectionDuration": "2300",
        }

    async def test_a_dropped_one_leaves_a_hole_in_the_numbers(self) -> None:
        """Its number is gone with it."""
        async with answering(idle) as gateway:
            async with progress(gateway, replace(ALL, dropped=frozenset({"in-progress"}))) as told:
                for status in STATUSES:
                    told.call(status)

            numbers = sorted(form["SequenceNumber"] for form in gateway.forms("/twilio/status"))
        assert numbers == ["0", "1", "3"]

    async def test_get_is_possible(self) -> None:
        """The form is in the query then."""
        async with answering(idle) as gateway:
            async with progress(gateway, CallbackOptions(method="GET")) as told:
                told.call("completed")

            assert gateway.requests[0].genuine

    async def test_a_refusal_is_noted(self) -> None:
        """Twilio's debugger would show it."""
        faults: list[Fault] = []
        async with (
            answering(idle) as gateway,
            progress(gateway, CallbackOptions(url=gateway.url + "/nowhere"), faults) as told,
        ):
            told.call("completed")

        assert [fault.code for fault in faults] == [CALLBACK_REFUSED]


class TestStream:
    """A stream's."""

    @pytest.mark.parametrize("error", ["", "31920 refused"])
    async def test_it_goes_where_the_twiml_said(self, error: str) -> None:
        """With the error, if there was one."""
        async with answering(idle) as gateway:
            noun = Stream("wss://a/b", status_callback=gateway.url + "/twilio/stream-status")
            async with progress(gateway, CallbackOptions()) as told:
                told.stream(noun, "MZ1", "stream-error" if error else "stream-started", error)

            (form,) = gateway.forms("/twilio/stream-status")
        assert form["StreamEvent"] == ("stream-error" if error else "stream-started")
        assert form.get("StreamError", "") == error
        assert form["Timestamp"].endswith("000Z")

    async def test_nobody_asked_nobody_is_told(self) -> None:
        """The attribute was missing."""
        async with answering(idle) as gateway:
            async with progress(gateway, CallbackOptions()) as told:
                told.stream(Stream("wss://a/b"), "MZ1", "stream-started")

            assert gateway.requests == []
