"""The column types that both engines share, so that a value comes back as it was given. PURE."""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json
from sqlalchemy.types import TypeDecorator

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def clean_text(text: str) -> str:
    """Return text that every engine stores: NUL and lone surrogates become U+FFFD."""
    if text.isprintable():
        return text
    return (
        text.replace("\0", _REPLACEMENT).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    )


def clean(value: object) -> object:
    """Return a JSON value whose texts every engine stores."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {clean_text(str(name)): clean(field) for name, field in value.items()}
    if isinstance(value, list | tuple):
        return [clean(item) for item in value]
    return value


def dump_json(value: object) -> str:
    """Write a JSON value as it is stored."""
    return json.dumps(clean(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def load_json(text: str) -> Any:
    """Read a JSON value as it is stored."""
    try:
        return from_json(text)
    except ValueError:  # nested deeper than it goes, which `json` took
        return json.loads(text)


class Instant(TypeDecorator[datetime]):
    """A moment: aware datetimes in, UTC out, on SQLite as well, which has no zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Store it as UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment needs its time zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Return it as UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text from anywhere; what no engine can store is replaced, so that no transcript is lost for it."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Store it without what cannot be stored."""
        return None if value is None else clean_text(value)


def json_column(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    """Declare a column of JSON; None is SQL's NULL, never JSON's."""
    return sa.Column(name, sa.JSON(none_as_null=True), nullable=nullable)
