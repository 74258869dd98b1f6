"""Twilio's callbacks over real HTTP: what is kept of them, and what is answered when it cannot be."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from gateway.errors import StorageError
from tests.front_door import call_sid, form, front_door

CALL = "11111111-2222-3333-4444-555555555555"


@dataclass
class News:
    """Keeps what it is told."""

    statuses: list[tuple[str, str | None, bool]] = field(default_factory=list)
    machines: list[tuple[str, str]] = field(default_factory=list)
    failure: StorageError | None = None
    stuck: bool = False

    async def status(
        self, form: Mapping[str, str], call_id: str | None = None, *, streamless: bool = False
    ) -> None:
        """Take a status callback."""
        await self._trouble()
        self.statuses.append((form["CallStatus"], call_id, streamless))

    async def machine(self, form: Mapping[str, str], call_id: str) -> None:
        """Take the result of answering machine detection."""
        await self._trouble()
        self.machines.append((form["AnsweredBy"], call_id))

    async def _trouble(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self.stuck:
            await asyncio.Event().wait()


async def test_status_is_kept_with_the_call_it_names() -> None:
    """The id stands in the URL of calls that we placed; the number's own callback has none."""
    news = News()
    async with front_door(news=news) as door:
        for path in (f"/twilio/status?call={CALL}", "/twilio/status"):
            answer = await door.post(path, form(CallStatus="ringing"))
            assert (answer.status, answer.body) == (204, "")

    assert news.statuses == [("ringing", CALL, True), ("ringing", None, True)]


async def test_call_with_a_stream_is_told_apart() -> None:
    """Whether this process has, or had, a stream of the call."""
    news = News()
    async with front_door(news=news) as door:
        async with door.call():
            await door.post("/twilio/status", form(CallStatus="completed"))
            await door.ended()
        await door.sessions[0].gone.wait()
        await door.post("/twilio/status", form(CallStatus="completed"))
        await door.dial(2)
        await door.post("/twilio/status", form(2, CallStatus="completed"))

    assert [streamless for *_, streamless in news.statuses] == [False, False, True]


async def test_detection_is_kept() -> None:
    """For the call that its URL names; without one it is nobody's."""
    news = News()
    async with front_door(news=news) as door:
        for path in (f"/twilio/amd?call={CALL}", "/twilio/amd"):
            answer = await door.post(path, form(AnsweredBy="machine_start"))
            assert (answer.status, answer.body) == (204, "")

    assert news.machines == [("machine_start", CALL)]


@pytest.mark.parametrize("trouble", ["away", "stuck"])
async def test_news_that_cannot_be_kept_is_503(trouble: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twilio's debugger shows it; a session that is over ends all the same."""
    monkeypatch.setattr("gateway.api.phone_callbacks._STORED_WITHIN_S", 0.05)
    failure = StorageError("away", reason="unavailable") if trouble == "away" else None
    news = News(failure=failure, stuck=trouble == "stuck")
    async with front_door(news=news) as door, door.call():
        answer = await door.post("/twilio/status", form(CallStatus="completed"))
        assert (answer.status, answer.body) == (503, "")
        assert (await door.post(f"/twilio/amd?call={CALL}", form(AnsweredBy="human"))).status == 503
        assert (await door.ended()).detail == "status_callback"

    assert door.registry.find(call_sid()) is None
