"""Short-lived ways to a call."""

from urllib.parse import urlsplit

import pytest

from gateway.api.tokens import hash_token
from gateway.ledger.finishing import new_row
from gateway.storage.api_keys import AccessTokens, ApiKeys
from gateway.storage.database import Database
from gateway.storage.reports import Recordings
from tests.control_room import AUDIO, ControlRoom, control_room
from tests.tenants import NOW, an_id


async def test_recording_plays_from_its_link(room: ControlRoom) -> None:
    """The link needs no key, carries the rate headers, and ends after five minutes."""
    call = await room.acme.finished()
    link = (await room.get(f"/calls/{call.id}/recording")).data
    url = urlsplit(link["recording_url"])
    played = await room.get(f"{url.path}?{url.query}", key=None, prefix="")

    assert link["recording_url"].startswith(
        f"http://gateway.test/api/v1/calls/{call.id}/recording/stream?token="
    )
    assert link["expires_at"] == "2026-11-26T12:05:00.123Z"
    assert (played.status, played.raw) == (200, AUDIO)
    assert played.headers["Content-Type"] == "audio/wav"
    assert "X-RateLimit-Remaining" in played.headers
    assert "X-Request-Id" in played.headers
    room.pass_time(301)
    assert (await room.get(f"{url.path}?{url.query}", key=None, prefix="")).status == 403


@pytest.mark.parametrize(
    ("state", "told", "status"),
    [
        (None, "none", 200),
        ("recording", "processing", 503),
        ("waiting", "processing", 503),
        ("ready", "available", 200),
        ("empty", "empty", 200),
    ],
)
async def test_recording_says_how_far_it_is(
    room: ControlRoom, state: str | None, told: str, status: int
) -> None:
    """A recording that is still being made is neither played nor said not to be there: come again."""
    call = await room.acme.finished()
    if state is not None:
        rows = Recordings(room.database)
        await rows.begin(new_row(call.id, room.acme.id, NOW))
        await rows.update(call.id, state=state, duration_ms=7, truncated="disk_full")
    link = (await room.get(f"/calls/{call.id}/recording")).data
    played = await room.get(f"/calls/{call.id}/recording/stream")

    wanted = (told, 0, None) if state is None else (told, 7, "disk_full")
    assert (link["state"], link["duration_ms"], link["truncated"]) == wanted
    assert played.status == status
    if status == 503:
        assert played.reason == "processing"
        assert int(played.headers["Retry-After"]) >= 1


async def test_live_call_has_no_recording_yet(room: ControlRoom) -> None:
    """Only what is over can be played."""
    call = await room.acme.talk()

    assert (await room.get(f"/calls/{call.id}/recording")).reason == "live"
    assert (await room.get(f"/calls/{call.id}/recording/stream")).reason == "live"


async def test_live_access_is_as_the_contract_says(room: ControlRoom) -> None:
    """Address, token for five minutes, and how to connect."""
    call = await room.acme.ring()
    access = (await room.get(f"/calls/{call.id}/live")).data
    tokens = AccessTokens(room.database)
    found = await tokens.find(hash_token(access["temp_token"]), "live", call.id, NOW)

    assert set(access) == {"websocket_url", "call_id", "temp_token", "connection_info"}
    assert access["websocket_url"] == f"ws://gateway.test/ws/calls/{call.id}"
    assert access["connection_info"]["url"] == access["websocket_url"]
    assert access["temp_token"] not in str(access["connection_info"])
    assert found is not None
    assert found.organization_id == room.acme.id


async def test_token_ends_with_the_key_that_asked(room: ControlRoom) -> None:
    """A revoked key leaves no way open."""
    call = await room.acme.finished()
    key = await room.key("read")
    url = urlsplit((await room.get(f"/calls/{call.id}/recording", key=key)).data["recording_url"])
    [made, *_] = (await ApiKeys(room.database).list_page(room.acme.id, 10, 0)).items
    for known in (await ApiKeys(room.database).list_page(room.acme.id, 10, 0)).items:
        if known.name == "some":
            made = known
    await ApiKeys(room.database).revoke(room.acme.id, made.id, NOW)

    assert (await room.get(f"{url.path}?{url.query}", key=None, prefix="")).reason == "bad_link"


async def test_addresses_follow_the_request_without_a_public_url(database: Database) -> None:
    """On a developer's machine the links lead back to where they were asked for."""
    async with control_room(database, public_url=None) as room:
        call = await room.acme.finished()
        link = (await room.get(f"/calls/{call.id}/recording")).data["recording_url"]
        live = (await room.get(f"/calls/{call.id}/live")).data["websocket_url"]

    assert link.startswith(f"http://127.0.0.1:{room.port}/api/v1/calls/")
    assert live == f"ws://127.0.0.1:{room.port}/ws/calls/{call.id}"


async def test_calls_of_others_are_not_there(room: ControlRoom) -> None:
    """No link, no audio, no live access to an unknown or a rival's call."""
    foreign = (await room.rival.finished()).id
    for call_id in (foreign, an_id()):
        for tail in ("recording", "recording/stream", "live"):
            assert (await room.get(f"/calls/{call_id}/{tail}")).status == 404
