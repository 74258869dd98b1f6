"""Who asks: keys and cookies, good and bad."""

import statistics
import time
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.api.auth import Guard
from gateway.api.envelope import Refusal
from gateway.api.tokens import hash_token, parse_key
from gateway.errors import StorageError
from gateway.storage.api_keys import AccessTokens, ApiKeys
from gateway.storage.database import Database
from gateway.storage.rows import AccessToken
from tests.control_room import ControlRoom
from tests.tenants import NOW, after, an_id

NO_SUCH_KEY = f"va_{'0' * 16}_{'A' * 43}"


async def test_every_bad_key_gets_the_same_answer(room: ControlRoom) -> None:
    """Missing, malformed, unknown, wrong or revoked: one status, one body but for its id and time."""
    good = room.keys["acme"]
    revoked = await room.key("read")
    parsed = parse_key(revoked)
    assert parsed is not None
    keys = ApiKeys(room.database)
    known = await keys.find_by_public_id(parsed.public_id)
    assert known is not None
    await keys.revoke(room.acme.id, known.id, NOW)
    bad = {
        "none": {},
        "empty": {"Authorization": ""},
        "no scheme": {"Authorization": good},
        "basic": {"Authorization": f"Basic {good}"},
        "wrong prefix": {"Authorization": f"Bearer sk{good[2:]}"},
        "wrong secret": {"Authorization": f"Bearer {good[:-1]}{'A' if good[-1] != 'A' else 'B'}"},
        "unknown": {"Authorization": f"Bearer {NO_SUCH_KEY}"},
        "revoked": {"Authorization": f"Bearer {revoked}"},
        "spaces": {"Authorization": f"Bearer  {good}"},
        "longer": {"Authorization": f"Bearer {good}{'A' * 5000}"},
    }
    answers = {name: await room.get("/agents", key=None, headers=headers) for name, headers in bad.items()}
    bodies = {str({**answer.body, "meta": None}) for answer in answers.values()}

    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(bad, 401)
    assert len(bodies) == 1
    assert len({len(answer.raw) for answer in answers.values()}) == 1


async def test_scheme_is_read_in_any_case(room: ControlRoom) -> None:
    """`bearer` is as good as `Bearer`."""
    headers = {"authorization": f"bearer {room.keys['acme']}"}

    assert (await room.get("/agents", key=None, headers=headers)).status == 200


async def test_refusals_take_as_long_as_each_other(database: Database) -> None:
    """What cannot be a key costs what a wrong one costs: no telling them apart by the clock."""
    guard = Guard(database)
    took: dict[str, list[float]] = {"malformed": [], "unknown": []}
    for _ in range(60):
        for name, text in (("malformed", "Bearer nonsense"), ("unknown", f"Bearer {NO_SUCH_KEY}")):
            request = make_mocked_request("GET", "/", headers={"Authorization": text})
            started = time.perf_counter()
            with pytest.raises(Refusal):
                await guard.key(request, NOW)
            took[name].append(time.perf_counter() - started)
    malformed, unknown = (statistics.median(times) for times in took.values())

    assert abs(malformed - unknown) < max(0.001, 0.5 * max(malformed, unknown))


async def test_use_of_a_key_is_noted_once_a_minute(room: ControlRoom) -> None:
    """The first use is noted at once, the next after a minute: reading does not become writing."""
    text = await room.key("read")
    parsed = parse_key(text)
    assert parsed is not None
    noted = []
    for seconds in (0, 59, 1):
        room.pass_time(seconds)
        await room.get("/agents", key=text)
        key = await ApiKeys(room.database).find_by_public_id(parsed.public_id)
        assert key is not None
        noted.append(key.last_used_at)

    assert noted == [NOW, NOW, after(60)]


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        (["read"], {"GET"}),
        (["write"], {"POST"}),
        (["calls"], {"execute"}),
        (["read", "calls"], {"GET", "execute"}),
    ],
)
async def test_key_may_do_what_its_scopes_say(room: ControlRoom, scopes: Any, allowed: set[str]) -> None:
    """Reading, writing and calling are three rights; what is missing is named."""
    key = await room.key(*scopes)
    task = await room.acme.add_task()
    answers = {
        "GET": await room.get("/tasks", key=key),
        "POST": await room.post("/agents", {"name": "x", "system_prompt": "y"}, key=key),
        "execute": await room.post(f"/tasks/{task.id}/execute", key=key),
    }
    missing = {"GET": "read", "POST": "write", "execute": "calls"}

    assert {name for name, answer in answers.items() if answer.status < 300} == allowed
    for name in answers.keys() - allowed:
        assert (answers[name].status, answers[name].reason) == (403, "scope")
        assert answers[name].body["details"]["scope"] == missing[name]


async def test_no_key_manages_keys(room: ControlRoom) -> None:
    """Whatever it may do, an API key is refused where people sign in; a bad one is not recognized."""
    for path in ("/api-keys", "/organizations", "/users", "/session"):
        assert (await room.get(path)).reason == "needs_session"
        assert (await room.get(path, key=NO_SUCH_KEY)).status == 401
        assert (await room.get(path, key=None)).status == 401


async def test_full_disk_keeps_nobody_from_reading(
    room: ControlRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That a key was used need not be noted for it to be good."""

    async def fail(self: ApiKeys, key_id: str, now: object) -> None:
        raise StorageError("full", reason="full")

    monkeypatch.setattr(ApiKeys, "note_use", fail)

    assert (await room.get("/agents")).status == 200


@dataclass
class Page:
    """A request as a browser's page makes it."""

    method: str = "POST"
    origin: str | None = None
    custom: bool = False

    def refused(self, guard: Guard) -> bool:
        """Tell whether it is taken for a foreign page's."""
        headers = {} if self.origin is None else {"Origin": self.origin}
        if self.custom:
            headers["X-Requested-With"] = "fetch"
        try:
            guard.check_page(make_mocked_request(self.method, "/", headers=headers))
        except Refusal as refusal:
            return bool(refusal.details["reason"] == "foreign_page")
        return False


async def test_foreign_page_cannot_act(database: Database) -> None:
    """Only our own origins, or who can send a header of their own, change anything."""
    guard = Guard(database, "https://voice.example.com/prefix", ["https://console.example.com"])
    foreign = [
        Page(origin="https://evil.com"),
        Page(origin="null"),
        Page(origin="https://voice.example.com.evil.com"),
        Page(origin="http://voice.example.com"),
        Page(origin="https://evil.com", custom=True),
        Page(),
    ]
    ours = [
        Page(origin="https://voice.example.com"),
        Page(origin="https://console.example.com"),
        Page(custom=True),
        Page(method="GET", origin="https://evil.com"),
    ]

    assert [page.refused(guard) for page in foreign] == [True] * len(foreign)
    assert [page.refused(guard) for page in ours] == [False] * len(ours)


async def test_cookie_is_for_browsers_alone(database: Database) -> None:
    """Scripts cannot read it, foreign pages do not send it, and over https it never leaves it."""
    secure, plain = Guard(database, "https://voice.example.com"), Guard(database, "http://127.0.0.1:8080")

    assert secure.set_cookie("t") == (
        "__Host-vatel_session=t; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax; Secure"
    )
    assert plain.set_cookie("t") == "vatel_session=t; Path=/; Max-Age=43200; HttpOnly; SameSite=Lax"
    assert "Max-Age=0" in secure.clear_cookie()


async def test_link_opens_its_recording_only(room: ControlRoom) -> None:
    """A token of another purpose, another call, expired or made up is 403; without one a key is needed."""
    call, other = await room.acme.finished(), await room.acme.finished()
    tokens = AccessTokens(room.database)
    for name, purpose in (("rec", "recording"), ("live", "live")):
        token = AccessToken(
            organization_id=room.acme.id,
            call_id=call.id,
            purpose=purpose,
            api_key_id=None,
            expires_at=after(300),
        )
        await tokens.add(token, hash_token(name), NOW)
    path = f"/calls/{call.id}/recording/stream"

    assert (await room.get(f"{path}?token=rec", key=None)).status == 200
    for wrong in (
        f"{path}?token=live",
        f"{path}?token=nonsense",
        f"{path}?token=",
        f"/calls/{other.id}/recording/stream?token=rec",
        f"/calls/{an_id()}/recording/stream?token=rec",
    ):
        assert (await room.get(wrong, key=None)).reason == "bad_link"
    room.pass_time(300)
    assert (await room.get(f"{path}?token=rec", key=None)).reason == "bad_link"
    assert (await room.get(path, key=None)).status == 401
    assert (await room.get(path)).status == 200
