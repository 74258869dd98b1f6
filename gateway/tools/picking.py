"""The part of a JSON answer that the agent gets, named by a JSONPath (RFC 9535). PURE."""

from dataclasses import dataclass, field
from typing import Final

import jsonpath

from gateway.errors import ToolError
from gateway.tools.template_sandbox import to_json

_PATHS: Final = jsonpath.JSONPathEnvironment(strict=True)
_FAULTS = (jsonpath.JSONPathError, ArithmeticError, LookupError, RecursionError, TypeError, ValueError)


@dataclass(frozen=True, slots=True)
class Pick:
    """Picks from answers. Lives as long as its catalogue."""

    _path: jsonpath.JSONPath = field(repr=False)

    @classmethod
    def compile(cls, source: str) -> "Pick":
        """Read a JSONPath.

        Raises:
            ValueError: it is none.
        """
        if not source.startswith("$"):
            raise ValueError("is no JSONPath: it begins with $, as in $.result.text")
        try:
            path = _PATHS.compile(source)
        except (jsonpath.JSONPathError, RecursionError) as error:
            raise ValueError(f"is no JSONPath ({error.args[0]}); write one like $.result.text") from None
        assert isinstance(path, jsonpath.JSONPath)
        return cls(path)

    def text(self, answer: object) -> str:
        """Return the part as text: a text as it is, anything else as JSON; of many parts a JSON list.

        Args:
            answer: the answer, read as JSON.

        Raises:
            ToolError: the answer does not have the part.
        """
        try:
            # The library would read a text as JSON of its own.
            found = self._path.findall(answer) if isinstance(answer, dict | list) else []
            single = self._path.singular_query()
            if single and not found:
                raise ToolError("The tool's answer lacks the part that is wanted of it.", reason="no_match")
            picked = found[0] if single else found
            text = picked if isinstance(picked, str) else to_json(picked)
            text.encode()  # a lone surrogate is no text
            return text
        except _FAULTS:
            raise ToolError("The tool's answer cannot be searched.", reason="no_match") from None
