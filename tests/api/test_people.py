"""People by the API: invited, signed in, at work in one organization at a time."""

from dataclasses import dataclass
from typing import Any

from gateway.api.first_start import invite
from gateway.storage.database import Database
from tests.control_room import Answer, ControlRoom, control_room
from tests.tenants import NOW, Tenant, an_id

PASSWORD = "correct horse battery staple"
PAGE = {"X-Requested-With": "tests"}


@dataclass
class Browser:
    """A person at a browser: keeps the cookie that the API sets."""

    room: ControlRoom
    cookie: str = ""

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Ask as our own page does."""
        sent = PAGE | headers | ({"Cookie": self.cookie} if self.cookie else {})
        answer = await self.room.ask(method, path, body, key=None, headers=sent)
        if "Set-Cookie" in answer.headers:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer

    async def join(self, owner: Tenant, email: str = "ada@example.com", password: str = PASSWORD) -> Answer:
        """Accept an invitation to an organization."""
        _, token = await invite(self.room.database, owner.id, email, NOW)
        body = {"token": token, "name": "Ada", "password": password}
        return await self.ask("POST", "/users/accept", body)

    async def sign_in(self, email: str = "ada@example.com", password: str = PASSWORD, **more: Any) -> Answer:
        """Sign in."""
        return await self.ask("POST", "/sign-in", {"email": email, "password": password} | more)


async def test_invited_person_is_signed_in_at_once(room: ControlRoom) -> None:
    """The invitation makes the user and the session; a second use of it makes neither."""
    _, token = await invite(room.database, room.acme.id, "Ada@Example.com", NOW)
    browser, body = Browser(room), {"token": token, "name": "Ada", "password": PASSWORD}
    joined = await browser.ask("POST", "/users/accept", body)
    session = await browser.ask("GET", "/session")
    again = await Browser(room).ask("POST", "/users/accept", body)

    assert joined.status == 201
    assert joined.data["user"].items() >= {"email": "ada@example.com", "name": "Ada"}.items()
    assert joined.data["organization_id"] == room.acme.id
    assert [one["name"] for one in joined.data["organizations"]] == ["Acme"]
    assert session.data == joined.data
    assert again.status == 404
    assert "password" not in joined.raw.decode()


async def test_cookie_is_set_for_browsers_alone(room: ControlRoom) -> None:
    """HttpOnly and SameSite; its token is in no body."""
    joined = await Browser(room).join(room.acme)
    cookie = joined.headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert cookie.partition("=")[2].partition(";")[0] not in joined.raw.decode()


async def test_person_signs_in_and_out(room: ControlRoom) -> None:
    """The right password opens a session until it is closed or twelve hours have passed."""
    await Browser(room).join(room.acme)
    browser = Browser(room)
    signed_in = await browser.sign_in("ADA@example.com")
    kept = browser.cookie
    out = await browser.ask("POST", "/sign-out")
    browser.cookie = kept
    after = await browser.ask("GET", "/session")
    again = Browser(room)
    await again.sign_in()
    room.pass_time(12 * 3600)

    assert signed_in.status == 200
    assert out.data == {"message": "Signed out"}
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    assert after.status == 401
    assert (await again.ask("GET", "/session")).status == 401


async def test_wrong_sign_in_tells_nothing(room: ControlRoom) -> None:
    """Unknown address or wrong password: the same answer; after ten tries the account waits."""
    await Browser(room).join(room.acme)
    browser = Browser(room)
    wrong = await browser.sign_in(password="x" * 12)
    nobody = await browser.sign_in("nobody@example.com")
    tries = [(await browser.sign_in(password="x" * 12)).status for _ in range(10)]
    locked = await browser.sign_in()

    assert (wrong.status, nobody.status) == (401, 401)
    assert {**wrong.body, "meta": 0} == {**nobody.body, "meta": 0}
    assert tries == [401] * 9 + [429]
    assert locked.status == 429
    assert browser.cookie == ""


async def test_foreign_page_cannot_sign_anybody_in_or_act(room: ControlRoom) -> None:
    """Without our page's origin or header nothing changes, cookie or not."""
    browser = Browser(room)
    await browser.join(room.acme)
    for path, body in (
        ("/sign-in", {"email": "ada@example.com", "password": PASSWORD}),
        ("/sign-out", None),
        ("/api-keys", {"name": "evil"}),
        ("/users/accept", {"token": "x", "name": "x", "password": PASSWORD}),
    ):
        for headers in (dict[str, str](), {"Origin": "https://evil.com"}, {"Origin": "null"}):
            refused = await room.ask(
                "POST", path, body, key=None, headers={"Cookie": browser.cookie} | headers
            )
            assert (refused.status, refused.reason) == (403, "foreign_page"), path
    ours = {"Cookie": browser.cookie, "Origin": "http://gateway.test"}
    assert (await room.post("/api-keys", {"name": "good"}, key=None, headers=ours)).status == 201


async def test_people_of_an_organization(room: ControlRoom) -> None:
    """They see each other, and invite; people of others are not seen."""
    ada, bob = Browser(room), Browser(room)
    await ada.join(room.acme)
    await bob.join(room.rival, "bob@example.com")
    room.pass_time(1)
    invited = await ada.ask("POST", "/users/invite", {"email": "Eve@example.com"})
    eve = await Browser(room).ask(
        "POST", "/users/accept", {"token": invited.data["token"], "name": "Eve", "password": PASSWORD}
    )

    assert (invited.status, invited.data["email"]) == (201, "eve@example.com")
    assert invited.data["expires_at"] == "2026-12-03T12:00:01.123Z"
    assert eve.status == 201
    assert [user["name"] for user in (await ada.ask("GET", "/users")).data] == ["Ada", "Eve"]
    assert len((await bob.ask("GET", "/users")).data) == 1


async def test_person_of_two_organizations_works_in_one(room: ControlRoom) -> None:
    """An account joins a second one by its own password, and changes over; to a third it cannot."""
    ada = Browser(room)
    await ada.join(room.acme)
    room.pass_time(1)
    stranger = await Browser(room).join(room.rival, password="another password!")
    both = (await ada.sign_in()).data
    moved = await ada.ask("PATCH", "/session", {"organization_id": room.rival.id})
    nowhere = await ada.ask("PATCH", "/session", {"organization_id": an_id()})
    direct = await ada.sign_in(organization_id=room.rival.id)
    wrong = await ada.sign_in(organization_id=an_id())

    assert stranger.status == 401
    assert "Set-Cookie" not in stranger.headers
    assert [one["name"] for one in both["organizations"]] == ["Acme", "Rival"]
    assert both["organization_id"] == room.acme.id
    assert moved.data["organization_id"] == direct.data["organization_id"] == room.rival.id
    assert (nowhere.status, wrong.status) == (404, 404)


async def test_weak_passwords_are_refused(room: ControlRoom) -> None:
    """Fewer than twelve characters, and more than anybody types, are named."""
    for password in ("short", "x" * 201):
        refused = await Browser(room).join(room.acme, password=password)
        assert refused.body["details"]["field"] == "password"


async def test_cookie_that_is_none(room: ControlRoom) -> None:
    """Made up, empty or endless: not signed in."""
    for value in ("", "x", "x" * 5_000):
        browser = Browser(room, f"vatel_session={value}")
        assert (await browser.ask("GET", "/session")).status == 401


async def test_cookie_is_secure_over_https(database: Database) -> None:
    """Behind an https address it has the name that browsers hold to the host."""
    async with control_room(database, public_url="https://voice.example.com") as room:
        browser = Browser(room)
        joined = await browser.join(room.acme)
        session = await browser.ask("GET", "/session")

    assert joined.headers["Set-Cookie"].startswith("__Host-vatel_session=")
    assert joined.headers["Set-Cookie"].endswith("; Secure")
    assert session.status == 200
