"""One operation of the API: what it takes and answers, who may use it; made into routes and OpenAPI."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, TypeVar, cast

from aiohttp import web
from pydantic import BaseModel

from gateway.api.fields import NoQuery
from gateway.storage.rows import Scope

Model = TypeVar("Model", bound=BaseModel)
Access = Literal["key", "session", "link", "open"]

PREFIX = "/api/v1"


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks. Lives as long as a request.

    Attributes:
        organization_id: whose things may be seen; of a signed-in user, where they work.
        key_id: of the API key, None for users.
        user_id: of the signed-in user, None for keys.
        scopes: what the key may do.
        session_hash: of the user's session.
    """

    organization_id: str
    key_id: str | None = None
    user_id: str | None = None
    scopes: tuple[Scope, ...] = ()
    session_hash: str = field(default="", repr=False)


NOBODY = Who("")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request that has passed the door. Lives as long as it.

    Attributes:
        headers: what the answer must carry; for handlers that answer by themselves, and to add to.
    """

    request: web.Request
    request_id: str
    who: Who
    now: datetime
    query: BaseModel
    body: BaseModel | None
    headers: dict[str, str]

    @property
    def organization_id(self) -> str:
        """Whose things may be seen."""
        return self.who.organization_id

    def id(self, name: str) -> str:
        """Return an id of the path."""
        return self.request.match_info[name]

    def asked(self, kind: type[Model]) -> Model:
        """Return the query, which is of that kind."""
        return cast(Model, self.query)

    def given(self, kind: type[Model]) -> Model:
        """Return the body, which is of that kind."""
        return cast(Model, self.body)


Handler = Callable[[Ask], Awaitable[Any]]
Method = TypeVar("Method", bound=Callable[..., Awaitable[Any]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an operation takes and answers, and who may use it. Lives as long as the process.

    Attributes:
        path: below the prefix; ``{name}`` stands for an id.
        answer: the type of what the handler returns; None for one that answers by itself.
        access: with a key, by a signed-in user, with a link's token or a key, or by anybody.
        scope: what a key must be allowed.
    """

    method: str
    path: str
    answer: Any
    access: Access
    scope: Scope
    body: type[BaseModel] | None
    query: type[BaseModel]
    status: int


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, with who carries it out. Lives as long as the process."""

    name: str
    summary: str
    terms: Terms
    handler: Handler

    @property
    def tag(self) -> str:
        """The first part of the path: what it is about."""
        return re.split(r"[/:]", self.terms.path)[1]


def expose(
    method: Literal["GET", "POST", "PATCH", "DELETE"],
    path: str,
    answer: Any,
    *,
    access: Access = "key",
    scope: Scope | None = None,
    body: type[BaseModel] | None = None,
    query: type[BaseModel] = NoQuery,
    status: int = 200,
) -> Callable[[Method], Method]:
    """Make a method an operation; its name and the first line of its docstring are the operation's.

    Without a scope, reading needs ``read`` and all else ``write``.
    """
    terms = Terms(
        method=method,
        path=path,
        answer=answer,
        access=access,
        scope=scope or ("read" if method == "GET" else "write"),
        body=body,
        query=query,
        status=status,
    )

    def mark(function: Method) -> Method:
        _TERMS[function] = terms
        return function

    return mark


_TERMS: dict[Callable[..., Any], Terms] = {}


def operations_of(api: object) -> list[Operation]:
    """Return what an object exposes, in the order in which its class declares it."""
    return [
        Operation(name, (function.__doc__ or "").partition("\n")[0], _TERMS[function], getattr(api, name))
        for name, function in vars(type(api)).items()
        if callable(function) and function in _TERMS
    ]
