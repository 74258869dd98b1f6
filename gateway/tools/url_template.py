"""A URL with templates in its path and query, whose structure no value can change. PURE."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

from gateway.egress.destinations import MAX_URL_CHARS
from gateway.tools.expressions import Facts, Program, Scope, refused
from gateway.tools.faults import raise_all

_PURPOSE: Final = "url"
_HEAD = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]+[/?].*", re.DOTALL).fullmatch
_URL_TEXT = re.compile(r"[!$%&'()*+,/0-9:;=?@A-Z\[\]_a-z~.-]*").fullmatch
_SLASHES = re.compile(r"[/\\]")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f]").search

_Piece = str | Program


@dataclass(frozen=True, slots=True)
class UrlTemplate:
    """Makes a URL whose scheme and host are literal. Lives as long as its catalogue.

    Attributes:
        segments: what stands between the slashes, from the scheme on, each of literal texts and expressions.
        query: the same for what follows the ``?``; None without one.
    """

    segments: tuple[tuple[_Piece, ...], ...] = field(repr=False)
    query: tuple[_Piece, ...] | None = field(repr=False)

    @classmethod
    def compile(cls, source: str, scope: Scope) -> "UrlTemplate":
        """Read a template.

        Raises:
            ValueError: it is none, uses what templates do not have, or is no URL up to its path;
                SeveralFaults when it is several of these.
        """
        parsed = scope.parse(source, _PURPOSE)
        pieces = parsed.pieces()
        head = pieces[0] if pieces and isinstance(pieces[0], str) else ""
        told: list[str] = []
        if any(not isinstance(piece, str) for piece in pieces) and not _HEAD(head):
            told.append("has a template before its path; write scheme and host out: https://host/…")
        if not all(_URL_TEXT(piece) for piece in pieces if isinstance(piece, str)):
            told.append("has a # or a character that no URL has; leave it out, or percent-encode it")
        raise_all(told)
        segments, query = _split([p if isinstance(p, str) else parsed.compiled(p) for p in pieces])
        if any(segment in ((".",), ("..",)) for segment in segments):
            raise ValueError("has . or .. as a part of its path; write the path out")
        return cls(segments, query)

    def render(self, facts: Facts) -> str:
        """Return the URL.

        Raises:
            ToolError: it cannot be made of these facts, or a value would be no single part of the path.
        """
        url = "/".join(_segment(segment, facts) for segment in self.segments)
        if self.query is not None:
            url += "?" + "".join(_quoted(piece, facts) for piece in self.query)
        if len(url) > MAX_URL_CHARS:
            raise refused(_PURPOSE, f"gets longer than {MAX_URL_CHARS} characters")
        return url

    def sample(self) -> str:
        """Return the URL with an x for each expression, to be judged as a destination."""
        path = "/".join("".join(map(_sampled, segment)) for segment in self.segments)
        return path if self.query is None else f"{path}?{''.join(map(_sampled, self.query))}"


def _split(pieces: list[_Piece]) -> tuple[tuple[tuple[_Piece, ...], ...], tuple[_Piece, ...] | None]:
    """Divide a URL at the slashes of its path and at its question mark."""
    parts: list[list[_Piece]] = [[]]
    in_query = False
    for piece in pieces:
        if in_query or not isinstance(piece, str):
            parts[-1].append(piece)
            continue
        path, question_mark, query = piece.partition("?")
        first, *others = path.split("/")
        parts[-1] += [first] if first else []
        parts += [[one] if one else [] for one in others]
        if question_mark:
            in_query = True
            parts.append([query])
    whole = tuple(map(tuple, parts))
    return (whole[:-1], whole[-1]) if in_query else (whole, None)


def _segment(segment: tuple[_Piece, ...], facts: Facts) -> str:
    text = "".join(_quoted(piece, facts) for piece in segment)
    if all(isinstance(piece, str) for piece in segment):
        return text
    # A server may decode the part before it looks at it, and take what follows a semicolon for no part of it.
    decoded = unquote(text)
    names = {part.partition(";")[0].strip() for part in _SLASHES.split(decoded)}
    if names & {"", ".", ".."} or _UNSEEN(decoded):
        raise refused(_PURPOSE, "gets a part that is empty, or that leads elsewhere")
    return text


def _quoted(piece: _Piece, facts: Facts) -> str:
    return piece if isinstance(piece, str) else quote(piece.text(facts, MAX_URL_CHARS), safe="")


def _sampled(piece: _Piece) -> str:
    return piece if isinstance(piece, str) else "x"
