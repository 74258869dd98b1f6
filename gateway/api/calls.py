"""Calls: what is known of them. What can be done to them is in ``call_control``."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.api.call_models import (
    CallDetail,
    CallQuery,
    CallTold,
    EntryTold,
    EventTold,
    ReportTold,
    TranscriptRefreshed,
    TranscriptTold,
    entries_told,
)
from gateway.api.envelope import not_found, unavailable, wrong_state
from gateway.api.fields import Listing, PageQuery, listing
from gateway.api.operations import Ask, expose
from gateway.storage import calls as stored
from gateway.storage.call_events import CallEvents
from gateway.storage.database import Database
from gateway.storage.report import report_of
from gateway.storage.reports import Reports
from gateway.storage.rows import Call, CallEvent, StoredReport
from gateway.storage.transcript import transcript_of

FetchRecord = Callable[[Call], Awaitable[Mapping[str, Any] | None]]
"""Ask the agent platform for its record of a call: ``summary``, ``extracted_data``, ``tags``, ``cost``,
``transcript`` (entries with role and text); None while there is none yet."""


async def find_call(calls: stored.Calls, ask: Ask) -> Call:
    """Return the call that a path names.

    Raises:
        Refusal: 404.
    """
    call = await calls.find(ask.organization_id, ask.id("call_id"))
    if call is None:
        raise not_found("call")
    return call


class CallsApi:
    """Lives as long as the process."""

    def __init__(self, database: Database, fetch_record: FetchRecord) -> None:
        self._calls = stored.Calls(database)
        self._events = CallEvents(database)
        self._reports = Reports(database)
        self._fetch_record = fetch_record

    @expose("GET", "/calls", Listing[CallTold], query=CallQuery)
    async def list_calls(self, ask: Ask) -> Mapping[str, Any]:
        """List calls."""
        query = ask.asked(CallQuery)
        wanted = stored.CallQuery(
            **query.model_dump(exclude={"limit", "offset", "outcome"}), result=query.outcome
        )
        page = await self._calls.list_page(ask.organization_id, query.limit, query.offset, wanted)
        return listing(page, query)

    @expose("GET", "/calls/{call_id}", CallDetail)
    async def get_call(self, ask: Ask) -> CallDetail:
        """Get a call with its transcript and report."""
        call, events, kept = await self._known(ask)
        return CallDetail(
            **CallTold.model_validate(call).__dict__,
            transcript=_transcript(events, _platform(kept)),
            report=ReportTold.model_validate(_report(call, events, kept)),
        )

    @expose("GET", "/calls/{call_id}/transcript", TranscriptTold)
    async def get_transcript(self, ask: Ask) -> Mapping[str, Any]:
        """Get the stored transcript of a call."""
        call, events, kept = await self._known(ask)
        return {"call_id": call.id, "transcript": _transcript(events, _platform(kept))}

    @expose("POST", "/calls/{call_id}/transcript", TranscriptRefreshed)
    async def refresh_transcript(self, ask: Ask) -> Mapping[str, Any]:
        """Fetch a call's record from the voice platform again, and store what it says."""
        call = await find_call(self._calls, ask)
        if call.vatel_session_id is None:
            raise wrong_state("The call never reached the voice platform.", "no_session")
        record = await self._fetch_record(call)
        if record is None:
            raise unavailable("The voice platform has no record of the call yet.", "no_record", 5.0)
        platform = dict(record)
        events = await self._events.list_all(call.organization_id, call.id)
        report = report_of(call, events, platform)
        if not await self._reports.store(
            call.organization_id, call.id, ask.now, report=report, platform=platform
        ):
            raise wrong_state("The call was erased.", "erased")
        return {
            "call_id": call.id,
            "transcript": _transcript(events, platform),
            "extracted_data": platform.get("extracted_data") or {},
            "report": report,
        }

    @expose("GET", "/calls/{call_id}/report", ReportTold)
    async def get_report(self, ask: Ask) -> Mapping[str, Any]:
        """Get a call's report, made on the fly where none is stored."""
        return _report(*await self._known(ask))

    @expose("GET", "/calls/{call_id}/events", Listing[EventTold], query=PageQuery)
    async def list_events(self, ask: Ask) -> Mapping[str, Any]:
        """List what happened in a call, oldest first."""
        call, query = await find_call(self._calls, ask), ask.asked(PageQuery)
        page = await self._events.list_page(call.organization_id, call.id, query.limit, query.offset)
        return listing(page, query)

    async def _known(self, ask: Ask) -> tuple[Call, list[CallEvent], StoredReport | None]:
        """Return the call that a path names, what happened in it, and what was stored of it afterwards."""
        found = await self._reports.find_with_call(ask.organization_id, ask.id("call_id"))
        if found is None:
            raise not_found("call")
        call, kept = found
        return call, await self._events.list_all(call.organization_id, call.id), kept


def _platform(kept: StoredReport | None) -> Mapping[str, Any]:
    """Return the platform's record, empty while there is none."""
    return {} if kept is None else kept.platform or {}


def _transcript(events: list[CallEvent], platform: Mapping[str, Any]) -> list[EntryTold]:
    """Return what we heard; where we heard nothing, what the platform's record says."""
    return entries_told(transcript_of(events) or platform.get("transcript") or [])


def _report(call: Call, events: list[CallEvent], kept: StoredReport | None) -> dict[str, Any]:
    if kept is not None and kept.report is not None and not call.live:
        return kept.report
    return report_of(call, events, _platform(kept))
