"""People: sign-in, sign-out, who belongs to an organization, and invitations."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import StringConstraints

from gateway.api.accounts import OrganizationTold
from gateway.api.auth import SESSION_S, Guard
from gateway.api.envelope import Refusal, not_found
from gateway.api.fields import Done, Email, Given, Id, Moment, Name, Told
from gateway.api.first_start import invite
from gateway.api.operations import Ask, expose
from gateway.api.passwords import LEAST_CHARACTERS, MOST_CHARACTERS, Passwords
from gateway.api.ratelimit import Limiter
from gateway.api.tokens import hash_token, new_token
from gateway.storage.database import Database
from gateway.storage.organizations import Organizations
from gateway.storage.queries import new_id
from gateway.storage.rows import Session, User
from gateway.storage.users import Invitations, Sessions, Users

Password = Annotated[str, StringConstraints(min_length=LEAST_CHARACTERS, max_length=MOST_CHARACTERS)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class SignIn(Given):
    """Who signs in, and where they will work: by default where they first belonged."""

    email: Email
    password: Annotated[str, StringConstraints(max_length=MOST_CHARACTERS)]
    organization_id: Id | None = None


class SessionChange(Given):
    """Where to work."""

    organization_id: Id


class Invite(Given):
    """Whom to invite."""

    email: Email


class Accept(Given):
    """An invitation accepted. Who has an account already keeps its name and password."""

    token: Token
    name: Name
    password: Password


class UserTold(Told):
    """A person."""

    id: str
    email: str
    name: str
    created_at: Moment


class SessionTold(Told):
    """Who is signed in, and where they may work."""

    user: UserTold
    organization_id: str
    organizations: list[OrganizationTold]


class InvitationShown(Told):
    """An invitation with the token that accepts it, shown this once."""

    id: str
    email: str
    expires_at: Moment
    token: str


class PeopleApi:
    """Lives as long as the process."""

    def __init__(self, database: Database, guard: Guard, limiter: Limiter, passwords: Passwords) -> None:
        self._database = database
        self._users = Users(database)
        self._sessions = Sessions(database)
        self._invitations = Invitations(database)
        self._organizations = Organizations(database)
        self._guard = guard
        self._limiter = limiter
        self._passwords = passwords

    @expose("POST", "/sign-in", SessionTold, body=SignIn, access="open")
    async def sign_in(self, ask: Ask) -> SessionTold:
        """Sign in; the session is a cookie, for twelve hours."""
        self._guard.check_page(ask.request)
        wanted = ask.given(SignIn)
        await self._limiter.count_sign_in(hash_token(wanted.email.lower()), ask.headers, ask.now)
        user = await self._users.find_by_email(wanted.email)
        right = await self._passwords.check(wanted.password, None if user is None else user.password_hash)
        if user is None or not right:
            await self._limiter.count_failure(str(ask.request.remote), ask.headers, ask.now)
            raise Refusal(401, "The address or the password is wrong.", reason="unauthorized")
        return await self._begin(ask, user, wanted.organization_id)

    @expose("POST", "/sign-out", Done, access="session")
    async def sign_out(self, ask: Ask) -> Mapping[str, str]:
        """Sign out."""
        await self._sessions.end(ask.who.session_hash)
        ask.headers["Set-Cookie"] = self._guard.clear_cookie()
        return {"message": "Signed out"}

    @expose("GET", "/session", SessionTold, access="session")
    async def get_session(self, ask: Ask) -> SessionTold:
        """Say who is signed in."""
        user = await self._users.find(str(ask.who.user_id))
        if user is None:
            raise not_found("user")
        return await self._told(user, ask.organization_id)

    @expose("PATCH", "/session", SessionTold, body=SessionChange, access="session")
    async def change_session(self, ask: Ask) -> SessionTold:
        """Work in another organization that you belong to."""
        wanted = ask.given(SessionChange).organization_id
        user = await self._users.find(str(ask.who.user_id))
        if user is None or not await self._users.belongs(user.id, wanted):
            raise not_found("organization")
        await self._sessions.move(ask.who.session_hash, wanted)
        return await self._told(user, wanted)

    @expose("GET", "/users", list[UserTold], access="session")
    async def list_users(self, ask: Ask) -> list[User]:
        """List the people of your organization."""
        return await self._users.list_of(ask.organization_id)

    @expose("POST", "/users/invite", InvitationShown, body=Invite, access="session", status=201)
    async def invite_user(self, ask: Ask) -> Mapping[str, Any]:
        """Invite a person to your organization; the token is shown in this answer and never again."""
        invitation, token = await invite(
            self._database, ask.organization_id, ask.given(Invite).email, ask.now
        )
        return {
            "id": invitation.id,
            "email": invitation.email,
            "expires_at": invitation.expires_at,
            "token": token,
        }

    @expose("POST", "/users/accept", SessionTold, body=Accept, access="open", status=201)
    async def accept_invitation(self, ask: Ask) -> SessionTold:
        """Accept an invitation, and be signed in."""
        self._guard.check_page(ask.request)
        wanted = ask.given(Accept)
        invitation = await self._invitations.find(hash_token(wanted.token), ask.now)
        if invitation is None:
            await self._limiter.count_failure(str(ask.request.remote), ask.headers, ask.now)
            raise not_found("invitation")
        new = User(
            id=new_id(),
            email=invitation.email,
            name=wanted.name,
            password_hash=await self._passwords.hash(wanted.password),
            created_at=ask.now,
        )
        user_id = await self._invitations.accept(invitation, new, ask.now)
        user = None if user_id is None else await self._users.find(user_id)
        if user is None:
            raise not_found("invitation")
        if user.id != new.id and not await self._passwords.check(wanted.password, user.password_hash):
            # The membership stands, but the token alone opens nobody's account.
            raise Refusal(401, "You have joined. Sign in with your own password.", reason="unauthorized")
        return await self._begin(ask, user, invitation.organization_id)

    async def _begin(self, ask: Ask, user: User, wanted: str | None) -> SessionTold:
        organizations = await self._organizations.list_of(user.id)
        chosen = [one.id for one in organizations if wanted is None or one.id == wanted]
        if not chosen:
            raise not_found("organization")
        token = new_token()
        session = Session(
            token_hash=hash_token(token),
            user_id=user.id,
            organization_id=chosen[0],
            created_at=ask.now,
            expires_at=ask.now + timedelta(seconds=SESSION_S),
        )
        await self._sessions.begin(session)
        ask.headers["Set-Cookie"] = self._guard.set_cookie(token)
        return await self._told(user, chosen[0])

    async def _told(self, user: User, organization_id: str) -> SessionTold:
        organizations = await self._organizations.list_of(user.id)
        return SessionTold(
            user=UserTold.model_validate(user),
            organization_id=organization_id,
            organizations=[OrganizationTold.model_validate(one) for one in organizations],
        )
