"""The formats of texts that schemas may ask for, and how each is said to an agent. PURE.

JSON Schema leaves it to the validator which formats it checks. These are the ones that callers say; a time
without an offset is let through, since people do not say one.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Final
from uuid import UUID

from jsonschema import FormatChecker

_EMAIL = re.compile(r"[^\s@]{1,64}@[^\s@.]+(?:\.[^\s@.]+)+").fullmatch
_DATE = re.compile(r"\d{4}-\d\d-\d\d").fullmatch
_TIME = re.compile(r"\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:Z|[+-]\d\d:\d\d)?").fullmatch
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").fullmatch


def _is_date(text: str) -> bool:
    return bool(_DATE(text)) and bool(date.fromisoformat(text))


def _is_time(text: str) -> bool:
    return bool(_TIME(text)) and time.fromisoformat(text) is not None


def _is_date_time(text: str) -> bool:
    day, _, moment = text.replace("t", "T").partition("T")
    return bool(_DATE(day) and _TIME(moment)) and bool(datetime.fromisoformat(f"{day}T{moment}"))


def _is_email(text: str) -> bool:
    return bool(_EMAIL(text))


def _is_uuid(text: str) -> bool:
    return bool(_UUID(text)) and bool(UUID(text))


_CHECKS: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    "date": (_is_date, "a date such as 2026-11-27"),
    "time": (_is_time, "a time such as 19:30"),
    "date-time": (_is_date_time, "a date and time such as 2026-11-27T19:30"),
    "email": (_is_email, "an e-mail address"),
    "uuid": (_is_uuid, "a UUID"),
}
SAID: Final[Mapping[str, str]] = {name: said for name, (_, said) in _CHECKS.items()}
"""What a text of each format is called."""


def _checker() -> FormatChecker:
    checker = FormatChecker(formats=())
    for name, (holds, _) in _CHECKS.items():
        checker.checks(name, raises=ValueError)(
            lambda value, holds=holds: not isinstance(value, str) or holds(value)
        )
    return checker


FORMATS: Final = _checker()
