"""What each value of a tools file may be by itself."""

import pytest
from pydantic import ValidationError

from gateway.tools.spec import (
    BasicAuth,
    BearerAuth,
    Breaker,
    BuiltinTool,
    CallLimits,
    Comfort,
    EgressTable,
    HeaderAuth,
    NoAuth,
    Response,
    Retry,
    SigningTable,
    Table,
    WebhookTool,
)

CANARY = "canary-0123456789"
AGENT = "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"


def tool(**values: object) -> WebhookTool:
    """Return a tool with these values."""
    return WebhookTool.model_validate({"name": "book", "url": "https://h.example", **values})


def refused(kind: type[Table], **values: object) -> list[str]:
    """Return where a table is refused."""
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(values)
    assert CANARY not in str(caught.value)
    return list(dict.fromkeys(str(detail["loc"][0]) for detail in caught.value.errors()))


def test_name_and_url_are_enough() -> None:
    """Everything else has a default."""
    made = tool()

    assert (made.method, made.deadline_s, made.mode, made.auth) == ("POST", 5.0, "sync", NoAuth())
    assert (made.retry, made.response, made.breaker, made.comfort) == (
        Retry(),
        Response(),
        Breaker(),
        Comfort(),
    )


@pytest.mark.parametrize("name", ["book_table", "crm.find-customer", "crm:*", "a?[bc][!d]", "x" * 128])
def test_names_and_patterns(name: str) -> None:
    """A name is what function names of voice agents are, or a pattern of them."""
    assert tool(name=name).name == name


@pytest.mark.parametrize("name", ["", "two words", "ü", "a/b", "x" * 129, "a\n"])
def test_what_is_no_name(name: str) -> None:
    """Anything else no agent asks for."""
    assert refused(WebhookTool, name=name, url="x") == ["name"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("deadline_s", "5"),
        ("deadline_s", 0),
        ("deadline_s", 60.5),
        ("deadline_s", float("nan")),
        ("deadline_s", True),
        ("connect_s", 11),
        ("late_s", 601),
        ("method", "post"),
        ("mode", "async"),
        ("url", ""),
        ("url", "x" * 2_049),
        ("description", "x" * 2_001),
        ("headers", {"a": 1}),
        ("agents", ["not a uuid"]),
        ("agents", AGENT),
        ("body", 5),
        ("auth", {"type": "digest"}),
        ("auth", {"token": CANARY}),
        ("auth", {"type": "bearer", "token": ""}),
        ("token", CANARY),
        ("response", {"limit_kb": 2_000}),
        ("retry", {"count": 6}),
        ("retry", {"on": ["teapot"]}),
        ("retry", {"on": ["600"]}),
        ("retry", {"on": ["50٣"]}),
        ("retry", {"count": "1"}),
        ("comfort", {"filler_s": 61}),
        ("breaker", {"open_s": 0}),
        ("idempotency", {"key": ""}),
        ("idempotency", "x"),
    ],
)
def test_what_does_not_fit_is_refused_at_its_key(key: str, value: object) -> None:
    """A value of the wrong type or size, also a quoted number, is refused without being shown."""
    assert refused(WebhookTool, **{"name": "book", "url": "https://h.example", key: value}) == [key]


def test_lists_may_be_lists() -> None:
    """TOML has lists where the values are tuples; agents are compared in lower case."""
    made = tool(agents=[AGENT.upper()], sensitive=["a"], retry={"on": ["4xx", "500", "connect", "reset"]})

    assert made.agents == (AGENT,)
    assert made.retry.on == ("4xx", "500", "connect", "reset")


@pytest.mark.parametrize(
    ("auth", "kind"),
    [
        ({"type": "none"}, NoAuth),
        ({"type": "bearer", "token": CANARY}, BearerAuth),
        ({"type": "basic", "username": "u", "password": CANARY}, BasicAuth),
        ({"type": "header", "header": "X-Key", "value": CANARY}, HeaderAuth),
    ],
)
def test_secrets_are_not_shown(auth: dict[str, str], kind: type[Table]) -> None:
    """Nothing printed of a table has its secret."""
    made = tool(auth=auth)

    assert isinstance(made.auth, kind)
    assert CANARY not in repr(made) + repr(SigningTable(keys=(CANARY,)))


def test_a_transfer_has_names_for_its_numbers() -> None:
    """Agents ask for a name, or for one of the numbers."""
    made = BuiltinTool(name="t", builtin="transfer_call", numbers={"support": "+15005550006"})

    assert (made.numbers, made.ring_timeout_s) == ({"support": "+15005550006"}, 30)


@pytest.mark.parametrize(
    "number", ["15005550006", "+0123456789", "+1500", "+1 500 555 0006", "tel:+15005550006", "+1500555000٦"]
)
def test_numbers_are_e164(number: str) -> None:
    """A transfer goes to a number as carriers write it."""
    assert refused(BuiltinTool, name="t", builtin="transfer_call", numbers={"a": number}) == ["numbers"]


def test_tables_cannot_be_changed() -> None:
    """A live call keeps what it began with."""
    with pytest.raises(ValidationError):
        setattr(tool(), "deadline_s", 9.0)  # noqa: B010 - as somebody would who looks away


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (EgressTable, {"per_host": 0}),
        (EgressTable, {"allow_http": "yes"}),
        (CallLimits, {"parallel": 65}),
        (SigningTable, {"keys": "whsec_x"}),
        (BuiltinTool, {"name": "x", "builtin": "end_call", "ring_timeout_s": 4}),
        (BuiltinTool, {"name": "x", "builtin": "reboot"}),
    ],
)
def test_other_tables_have_limits_too(kind: type[Table], values: dict[str, object]) -> None:
    """The last key given is the one that is refused."""
    assert refused(kind, **values) == [list(values)[-1]]
