"""Strict JSON in and out of typed shapes, every failure one named error. PURE."""

from typing import Generic, TypeVar

import msgspec

from gateway.errors import AgentProtocolError

T = TypeVar("T")

# msgspec says what is wrong in words only; tests hold these fragments to the version in use.
_REASONS = (
    ("Invalid base64", "bad_base64"),
    ("missing required field", "missing_field"),
    ("unknown field", "unknown_field"),
    ("out of range", "bad_number"),
)


class Shape(Generic[T]):
    """A msgspec type and how to read it from JSON. Lives as long as the process.

    Args:
        kind: the type to read.
        root: what the value is called in error messages.
        nulls_absent: whether a field that is null counts as absent.
    """

    def __init__(self, kind: type[T], root: str, *, nulls_absent: bool = False) -> None:
        self._kind = kind
        self._root = root
        self._decoder = msgspec.json.Decoder(kind)
        self._nulls_absent = nulls_absent

    def read(self, text: str | bytes | msgspec.Raw) -> T:
        """Read one value.

        Raises:
            AgentProtocolError: ``bad_utf8``, ``bad_json``, ``too_deep``, ``bad_number``, ``bad_base64``,
                ``missing_field``, ``unknown_field`` or ``wrong_type``.
        """
        try:
            if isinstance(text, bytes):
                # The decoder does not look into strings it skips; UTF-8 is the whole text's duty.
                text = text.decode()
            return self._decoder.decode(text)
        except msgspec.ValidationError as error:
            if self._nulls_absent:
                return self._read_without_nulls(text)
            raise self._refusal(error) from None
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise self._refusal(error) from None

    def _read_without_nulls(self, text: str | bytes | msgspec.Raw) -> T:
        """Read again with null fields taken out: the slow path of an odd server."""
        try:
            value = msgspec.json.decode(text)
            if value is None:
                value = {}
            if isinstance(value, dict):
                value = {name: field for name, field in value.items() if field is not None}
            return msgspec.convert(value, self._kind)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise self._refusal(error) from None

    def _refusal(self, error: Exception) -> AgentProtocolError:
        """Name what is wrong; msgspec's words hold field names and types, never values."""
        if isinstance(error, msgspec.ValidationError):
            words = str(error).replace("$", self._root)
            reason = next((slug for fragment, slug in _REASONS if fragment in words), "wrong_type")
            return AgentProtocolError(words, reason=reason)
        if isinstance(error, msgspec.DecodeError):
            return AgentProtocolError(f"{self._root}: {error}", reason="bad_json")
        if isinstance(error, RecursionError):
            return AgentProtocolError(f"{self._root} nests too deep", reason="too_deep")
        return AgentProtocolError(f"{self._root} is not valid UTF-8", reason="bad_utf8")


def dump(value: object) -> str:
    """Write a value as compact JSON text that every UTF-8 encoder takes.

    Lone surrogates, which no JSON text may hold, become U+FFFD; NUL stays, escaped.
    """
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:
        return msgspec.json.encode(_without_surrogates(value)).decode()


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(name): _without_surrogates(field) for name, field in value.items()}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in value]
    return value
