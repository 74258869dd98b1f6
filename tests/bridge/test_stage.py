"""The stage's own parts: what the tests of whole calls stand on."""

import asyncio

import pytest

from gateway.errors import AgentProtocolError, CallerProtocolError
from gateway.twilio import messages as twilio
from tests.bridge.stage import STREAM_SID, Agent, Phone
from tests.virtual_time import on_virtual_time


@on_virtual_time
async def test_phone_plays_on_its_own_clock() -> None:
    """What was played before a clear counts as heard, the rest does not."""
    phone = Phone()
    phone.send(twilio.dump(twilio.Play(STREAM_SID, b"\x10" * 8000)))
    await asyncio.sleep(0.25)
    phone.send(twilio.dump(twilio.Clear(STREAM_SID)))

    assert phone.heard_ms == 250


@on_virtual_time
async def test_phone_returns_a_mark_when_all_before_it_was_played() -> None:
    """A mark comes back when its audio was played, at once after a clear, or never if told so."""
    phone, start = Phone(), asyncio.get_running_loop().time()
    said: list[tuple[float, str]] = []

    def take(text: str) -> None:
        said.append((asyncio.get_running_loop().time() - start, text))

    async with asyncio.TaskGroup() as group:
        group.create_task(phone.listen(take))
        phone.send(twilio.dump(twilio.Play(STREAM_SID, b"\x10" * 800)))
        phone.send(twilio.dump(twilio.SetMark(STREAM_SID, "a")))
        await asyncio.sleep(0.15)
        phone.send(twilio.dump(twilio.Play(STREAM_SID, b"\x10" * 8000)))
        phone.send(twilio.dump(twilio.SetMark(STREAM_SID, "b")))
        phone.send(twilio.dump(twilio.Clear(STREAM_SID)))
        phone.drop()

    assert [at for at, _ in said] == [pytest.approx(0.1), pytest.approx(0.15)]
    assert '"a"' in said[0][1]
    assert '"b"' in said[1][1]


@on_virtual_time
async def test_both_ends_read_strictly() -> None:
    """What Twilio or Vatel would refuse fails the test that sends it."""
    with pytest.raises(CallerProtocolError):
        Phone().send('{"event":"clear","streamSid":"' + STREAM_SID + '","extra":1}')
    with pytest.raises(AgentProtocolError):
        Agent().send('{"type":"input_audio","data":{"audio":"?"}}')


@on_virtual_time
async def test_stalled_ends_take_control_messages_only() -> None:
    """A stalled end refuses audio and takes what is urgent."""
    phone = Phone()
    phone.stalled = True

    assert not phone.send(twilio.dump(twilio.Play(STREAM_SID, b"\x10")))
    assert phone.send(twilio.dump(twilio.Clear(STREAM_SID)), urgent=True)


@on_virtual_time
async def test_line_has_its_silences() -> None:
    """The line tells when something was heard, with what was silent before and between."""
    phone = Phone()
    await asyncio.sleep(0.5)
    phone.send(twilio.dump(twilio.Play(STREAM_SID, b"\x10" * 800)))
    phone.send(twilio.dump(twilio.Play(STREAM_SID, b"\x20" * 800)))
    await asyncio.sleep(1.0)
    phone.send(twilio.dump(twilio.Play(STREAM_SID, b"\x10" * 800)))

    assert phone.heard_at(b"\x10" * 800) == [0.5, 1.5]
    assert phone.heard_at(b"\x10" * 800 + b"\x20" * 800) == [0.5]
    assert phone.heard_at(b"\x20" * 801) == []
    assert len(phone.line) == 1.6 * 8_000
