"""/v1/calls, /v1/calls/{id} and /v1/calls/{id}/recording."""

import re
from collections.abc import Callable
from typing import get_args

from aiohttp import web

from gateway.sandbox import stamps
from gateway.sandbox.documents import shown
from gateway.sandbox.rest.answers import Refusal, find, page, path_id, uuid_text
from gateway.sandbox.rest.context import Api
from gateway.sandbox.store import Tables, Where
from gateway.vatel.models import CallOutcome, CallSource, CallStatus

_WHOLE = re.compile(r"[1-9][0-9]*", re.ASCII)
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)
_UNQUOTED_PLUS = re.compile(r"(T[0-9:.]+) ([0-9]{2}:[0-9]{2})$", re.ASCII)
"""An offset whose plus nobody quoted: an offset follows a time, so `2026-01-02 10:00` is no case of it."""
_PAGE_SIZE, _LARGEST_PAGE = 20, 100
_PIECE_BYTES = 256 * 1024

_Reader = Callable[[str, str], Where]


async def list_some(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Answer with a page of the organization's calls, the newest first."""
    number = _number(request, "page", 1)
    size = _number(request, "page_size", _PAGE_SIZE)
    if size > _LARGEST_PAGE:
        raise Refusal(400, f"page_size: at most {_LARGEST_PAGE}")
    if "organization_id" in request.query:  # for the internal key; a key of an organization has one already
        uuid_text(request.query["organization_id"], "organization_id")
    conditions = [read(name, request.query[name]) for name, read in _FILTERS.items() if name in request.query]
    offset = min((number - 1) * size, 2**62)
    calls, total = await api.store.run(
        lambda tables: tables.page("call", organization_id, conditions, offset, size)
    )
    pages = -(-total // size)
    pagination = {
        "page": number,
        "page_size": size,
        "total": total,
        "total_pages": pages,
        "has_next": number < pages,
        "has_prev": number > 1,
    }
    return page({"calls": [shown(call) for call in calls], "pagination": pagination})


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not _WHOLE.fullmatch(text) or len(text) > 100:
        raise Refusal(400, f"{name}: not a whole number from 1 on")
    return int(text)


def _one_of(*choices: str) -> _Reader:
    def read(name: str, text: str) -> Where:
        if text not in choices:
            raise Refusal(400, f"{name}: give one of {', '.join(choices)}")
        return Where(f"json_extract(body, '$.{_COLUMNS.get(name, name)}') = ?", (text,))

    return read


_COLUMNS = {"outcome": "termination_reason"}


def _outbound(name: str, text: str) -> Where:
    if text not in ("true", "false"):
        raise Refusal(400, f"{name}: give true or false")
    return Where("json_extract(body, '$.outbound') = ?", (int(text == "true"),))


def _agent_ids(name: str, text: str) -> Where:
    ids = tuple(uuid_text(part.strip(), name) for part in text.split(",")) if text else ()
    marks = ", ".join("?" * len(ids))
    return Where(f"json_extract(body, '$.agent_id') IN ({marks})" if ids else "1", ids)


def _date(sign: str) -> _Reader:
    def read(name: str, text: str) -> Where:
        try:
            moment = stamps.read(_UNQUOTED_PLUS.sub(r"\1+\2", text))
        except ValueError as error:
            raise Refusal(400, f"{name}: {error}") from None
        return Where(f"json_extract(body, '$.created_at') {sign} ?", (moment,))

    return read


def _search(name: str, text: str) -> Where:
    return Where("instr(json_extract(body, '$.party_number'), ?) > 0", (_short(name, text, 256),))


def _tag(name: str, text: str) -> Where:
    tags = "EXISTS (SELECT 1 FROM json_each(body, '$.tags') WHERE value = ?)"
    return Where(tags, (_short(name, text, 128),))


def _short(name: str, text: str, most: int) -> str:
    if len(text) > most:
        raise Refusal(400, f"{name}: at most {most} characters")
    return text


_FILTERS: dict[str, _Reader] = {
    "agent_ids": _agent_ids,
    "status": _one_of(*get_args(CallStatus)),
    "source": _one_of(*get_args(CallSource)),
    "outcome": _one_of(*get_args(CallOutcome)),
    "outbound": _outbound,
    "date_from": _date(">="),
    "date_to": _date("<="),
    "search": _search,
    "tag": _tag,
}


async def show(api: Api, request: web.Request, organization_id: str) -> web.Response:
    """Answer with a call, as it stands now."""
    call_id = path_id(request, told=True)
    return page(shown(await api.store.run(lambda tables: find(tables, "call", call_id, organization_id))))


async def recording(api: Api, request: web.Request, organization_id: str) -> web.StreamResponse:
    """Stream a call's recording, whole or the range asked for."""
    call_id = path_id(request, told=True)

    def measure(tables: Tables) -> int:
        find(tables, "call", call_id, organization_id)
        size = tables.recording_bytes(call_id)
        if size is None:
            raise Refusal(404, "this call has no recording")
        return size

    total = await api.store.run(measure)
    start, stop, status = _range(request.headers.get("Range", ""), total)
    response = web.StreamResponse(status=status, headers=_headers(call_id, start, stop, total, status))
    await response.prepare(request)
    for at in range(start, stop, _PIECE_BYTES):
        await response.write(await _piece(api, call_id, at, min(_PIECE_BYTES, stop - at)))
    await response.write_eof()
    return response


async def _piece(api: Api, call_id: str, start: int, size: int) -> bytes:
    return await api.store.run(lambda tables: tables.recording(call_id, start, size))


def _headers(call_id: str, start: int, stop: int, total: int, status: int) -> dict[str, str]:
    headers = {
        "Content-Type": "audio/wav",
        "Content-Disposition": f'attachment; filename="{call_id}.wav"',
        "Content-Length": str(stop - start),
        "Accept-Ranges": "bytes",
    }
    return headers if status == 200 else {**headers, "Content-Range": f"bytes {start}-{stop - 1}/{total}"}


def _range(text: str, total: int) -> tuple[int, int, int]:
    """Return where to start and stop, and the status: one range is honoured, anything else means the whole.

    Raises:
        Refusal: the range lies outside.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None or match.groups() == ("", ""):
        return 0, total, 200
    first, last = match.groups()
    if not first:
        start, stop = max(0, total - int(last)), total
    else:
        start, stop = int(first), min(total, int(last) + 1 if last else total)
    if last and first and int(last) < int(first):
        return 0, total, 200
    if start >= stop:
        raise Refusal(416, "range: outside of the recording", {"Content-Range": f"bytes */{total}"})
    return start, stop, 206
