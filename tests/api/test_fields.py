"""The kinds of values."""

from datetime import UTC, datetime
from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.api.fields import (
    Email,
    Flag,
    Given,
    Id,
    Limit,
    Listing,
    Moment,
    Name,
    Offset,
    PageQuery,
    PhoneNumber,
    TimeZone,
    WebhookUrl,
    Whole,
    left_out,
    listing,
    webhooks_context,
)
from gateway.egress.addresses import Allowance
from gateway.egress.destinations import Policy
from gateway.storage.rows import Page

GOOD: list[tuple[Any, Any, Any]] = [
    (PhoneNumber, "+4930123456", "+4930123456"),
    (PhoneNumber, "+1234567", "+1234567"),
    (PhoneNumber, "+123456789012345", "+123456789012345"),
    (Id, "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11", "3f0c1f5e-8f57-4f2b-9c57-2f4f3a1b7c11"),
    (Id, "3f0c1f5e8f574f2b9c572f4f3a1b7c11", "3f0c1f5e8f574f2b9c572f4f3a1b7c11"),
    (Name, "Zoë's desk — 1", "Zoë's desk — 1"),
    (Email, "ada+x@mail.example.com", "ada+x@mail.example.com"),
    (TimeZone, "Europe/Berlin", "Europe/Berlin"),
    (Limit, "100", 100),
    (Limit, 1, 1),
    (Offset, "0", 0),
    (Annotated[int, Whole], 3.0, 3),
    (Annotated[int, Whole], -3, -3),
    (Flag, "true", True),
    (Flag, "false", False),
    (Moment, "2026-11-26T12:00:00Z", datetime(2026, 11, 26, 12, tzinfo=UTC)),
    (Moment, "2026-11-26t14:00:00.5+02:00", datetime(2026, 11, 26, 12, 0, 0, 500_000, tzinfo=UTC)),
    (Moment, "2026-11-26T12:00:00.123456789Z", datetime(2026, 11, 26, 12, 0, 0, 123_456, tzinfo=UTC)),
    (
        WebhookUrl,
        'https://example.com/hook?key=1&x="y"%20z',
        'https://example.com/hook?key=1&x="y"%20z',
    ),
    (WebhookUrl, "https://hooks.example.co.uk:8443", "https://hooks.example.co.uk:8443"),
]

BAD: list[tuple[Any, Any]] = [
    *((PhoneNumber, value) for value in (
        "", "030123456", "+0301234567", "+49 30 123456", "+12345", "+1234567890123456",
        "+４９３０１２３４５６", "+4930123456\n", "++4930123456", "+4930123456;ext=1", "sip:x@y",
        4930123456, None,
    )),
    *((Id, value) for value in (
        "", "x", "3F0C1F5E-8F57-4F2B-9C57-2F4F3A1B7C11", "../etc", "'; --", "0" * 33,
    )),
    *((Name, value) for value in ("", "a\nb", "a\rb", "a\0b", "a\x7f", "x" * 201, 5)),
    *((Email, value) for value in ("", "ada", "ada@", "@example.com", "a@b", "a b@example.com", "a@b.c\n")),
    *((TimeZone, value) for value in ("", "Mars/Olympus", "../../etc/passwd", "europe/berlin ", 1)),
    *((Limit, value) for value in ("0", "101", "-1", "", "ten", "1_0", " 5", "5.0", "１", "99999999999")),
    *((Offset, value) for value in ("-1", "1000001", "x")),
    *((Annotated[int, Whole], value) for value in (1.5, True, "1", None)),
    *((Flag, value) for value in ("yes", "1", "True", "", None)),
    *((Moment, value) for value in (
        "", "tomorrow", "2026-11-26", "2026-11-26T12:00:00", "2026-13-26T12:00:00Z", "2026-02-30T12:00:00Z",
        "1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00Z",
        1764158400, 1.5, True, None, "２026-11-26T12:00:00Z",
    )),
    *((WebhookUrl, value) for value in (
        "http://example.com", "https://", "https://localhost", "https://localhost/x", "https://127.0.0.1/",
        "https://[::1]/", "https://[fd00:ec2::254]/", "https://[::ffff:169.254.169.254]/",
        "https://169.254.169.254/latest", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/",
        "https://127.1/", "https://0/", "https://１２７.0.0.1/", "https://example.com.", "https://intranet/",
        "https://metadata.google.internal/", "https://printer.local/", "https://a.localhost/x",
        "https://user:pw@example.com/", "https://example.com:22/", "https://example.com:6379/",
        "https://example.com:99999/", "https://example.com/a b", "https://example.com/\n", "file:///etc/passwd",
        "gopher://example.com/", "ftp://example.com/", "https://example.com\\@evil.com/", "HTTPS://example.com/",
        "https://" + "a" * 64 + ".com/", "https://example.com/" + "x" * 2_048, "//example.com", 7,
        "https://example.com/hook#part", "https://10.1.2.3/hook",
    )),
]  # fmt: skip

INSIDE = webhooks_context(Policy(Allowance.parse(["10.1.0.0/16", "::1"]), table="webhooks"))
ALLOWED_WEBHOOKS: list[tuple[str, str | None]] = [
    ("https://example.com/hook", None),
    ("https://10.1.2.3/hook", None),
    ("https://10.1.2.3:3000/hook", None),
    ("https://[::ffff:10.1.2.3]/hook", None),
    ("https://localhost:9000/hook", None),
    ("https://backend/hook", None),
    ("https://backend.internal:3000/hook", None),
    ("https://10.2.0.1/hook", "the host is a private address: use a public one, or add it to webhooks."),
    ("https://127.0.0.1/hook", "the host is a loopback address"),
    ("https://169.254.169.254/latest", "the address of a cloud's metadata service"),
    ("https://0x0a010203/hook", "write 10.1.2.3"),
    ("https://user:pw@10.1.2.3/hook", "put them into the auth setting"),
    ("https://10.1.2.3/hook#part", "a fragment"),
    ("https://10.1.2.3:6379/", "port 6379 is for Redis"),
    ("http://10.1.2.3/hook", "must begin with https://"),
    ("ftp://10.1.2.3/hook", "must begin with https://"),
    ("https://10.1.2.3/a b", "write it percent-encoded"),
]


@pytest.mark.parametrize(("kind", "value", "taken"), GOOD, ids=lambda one: str(one)[:40])
def test_what_fits_is_taken(kind: Any, value: Any, taken: Any) -> None:
    """Each kind takes its values, and reads those that a query spells."""
    assert TypeAdapter(kind).validate_python(value, strict=True) == taken


def test_what_does_not_fit_is_refused() -> None:
    """Each of these is refused by its kind, without being quoted whole."""
    for kind, value in BAD:
        with pytest.raises(ValidationError):
            raise AssertionError(f"{value!r} as {TypeAdapter(kind).validate_python(value, strict=True)!r}")


@pytest.mark.parametrize(("url", "problem"), ALLOWED_WEBHOOKS)
def test_webhooks_may_go_inside_where_the_operator_says(url: str, problem: str | None) -> None:
    """A network that is allowed can be named in plain, and so can hosts that only its own names know."""
    adapter = TypeAdapter(WebhookUrl)
    if problem is None:
        assert adapter.validate_python(url, context=INSIDE) == url
        return
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(url, context=INSIDE)
    assert problem in caught.value.errors()[0]["msg"]


def test_whoever_names_a_private_webhook_is_told_whose_it_is_to_allow() -> None:
    """The operator's setting is in the refusal."""
    with pytest.raises(ValidationError, match=r"private addresses \(webhooks\.allow_private\)"):
        TypeAdapter(WebhookUrl).validate_python("https://10.1.2.3/hook")


def test_moments_are_told_with_milliseconds() -> None:
    """Out they go as they come in, in UTC."""
    adapter = TypeAdapter(Moment)
    moment = adapter.validate_python("2026-11-26T12:00:00.123456+01:00")

    assert adapter.dump_python(moment, mode="json") == "2026-11-26T11:00:00.123Z"


def test_stored_moments_are_told_as_they_are() -> None:
    """What comes from the database is a moment already."""
    moment = datetime(2026, 11, 26, tzinfo=UTC)

    assert TypeAdapter(Moment).validate_python(moment) is moment


def test_given_takes_no_more_than_it_knows() -> None:
    """An unknown field, or a value that is nearly right, is refused; what is left out is not set."""

    class Change(Given):
        name: Name = left_out()
        count: int = left_out()

    for wrong in ({"other": 1}, {"count": "1"}, {"count": True}, {"name": None}):
        with pytest.raises(ValidationError):
            Change.model_validate(wrong, strict=True)
    assert Change.model_validate({"count": 2}).model_dump(exclude_unset=True) == {"count": 2}
    assert "default" not in str(Change.model_json_schema())


def test_page_is_told_with_its_place() -> None:
    """What there is, how many in all, and which part this is."""
    told = listing(Page((1, 2), 7), PageQuery(limit=2, offset=4))

    assert Listing[int].model_validate(told).model_dump() == {
        "items": [1, 2],
        "total": 7,
        "limit": 2,
        "offset": 4,
    }
