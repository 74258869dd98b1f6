from typing import Any

import pytest

from gateway.audio import wav
from gateway.sandbox import seed
from gateway.sandbox.documents import MAIN_ORGANIZATION
from tests.sandbox.rest.office import NOBODY, Office

CALL = "00000000-0000-4000-8000-000000004001"
NO_RECORDING = "00000000-0000-4000-8000-000000004002"
RECORDING = f"/v1/calls/{CALL}/recording"


async def listed(office: Office, query: str) -> tuple[list[str], dict[str, Any]]:
    """Return the last digits of the calls that a query finds, and the pagination."""
    answer = await office.get(f"/v1/calls?{query}")
    assert answer.status == 200, answer
    return [call["id"][-1] for call in answer.body["calls"]], answer.body["pagination"]


async def test_calls_are_listed_newest_first_by_pages(office: Office) -> None:
    """Each page says where it stands."""
    assert await listed(office, "") == (
        ["1", "2", "3"],
        {
            "page": 1,
            "page_size": 20,
            "total": 3,
            "total_pages": 1,
            "has_next": False,
            "has_prev": False,
        },
    )
    found, pagination = await listed(office, "page=2&page_size=1")
    assert found == ["2"]
    assert (pagination["total_pages"], pagination["has_next"], pagination["has_prev"]) == (3, True, True)
    found, pagination = await listed(office, f"page={10**30}")
    assert (found, pagination["has_next"], pagination["page"]) == ([], False, 10**30)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        (f"agent_ids={seed.BISTRO}", ["1", "2", "3"]),
        (f"agent_ids={NOBODY},{seed.BISTRO.upper()}", ["1", "2", "3"]),
        (f"agent_ids={NOBODY}", []),
        ("agent_ids=", ["1", "2", "3"]),
        ("status=ended", ["1", "2", "3"]),
        ("status=in_progress", []),
        ("source=sip", ["2"]),
        ("outcome=transferred", ["2"]),
        ("outcome=ended_by_agent", ["3"]),
        ("outbound=false", ["1", "2", "3"]),
        ("outbound=true", []),
        ("search=0011", ["2"]),
        ("search=%2B1500", ["1", "2"]),
        ("search=%25", []),
        ("tag=example", ["1", "2", "3"]),
        ("tag=exam", []),
        ("date_from=2001-01-01&date_to=2002-01-01T00:00:00Z", []),
        ("date_from=2001-01-01T00:00:00%2B02:00", ["1", "2", "3"]),
        ("date_from=2001-01-01T00:00:00.5+02:00", ["1", "2", "3"]),
        (f"organization_id={NOBODY}", ["1", "2", "3"]),
        ("source=sip&outcome=ended_by_user", []),
    ],
)
async def test_every_filter_finds_what_it_names(office: Office, query: str, found: list[str]) -> None:
    """Filters apply together; the organization in the query is ignored for an organization's key."""
    assert (await listed(office, query))[0] == found


async def test_dates_include_their_ends(office: Office) -> None:
    """A call created at the very moment is in."""
    at = (await office.get(f"/v1/calls/{CALL}")).body["created_at"]
    assert (await listed(office, f"date_from={at}"))[0] == ["1"]
    assert (await listed(office, f"date_from={at}&date_to={at}"))[0] == ["1"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("page=0", "page: not a whole number from 1 on"),
        ("page=one", "page: not a whole number from 1 on"),
        ("page=1.5", "page: not a whole number from 1 on"),
        ("page=", "page: not a whole number from 1 on"),
        ("page_size=0", "page_size: not a whole number from 1 on"),
        ("page_size=101", "page_size: at most 100"),
        ("agent_ids=x", "agent_ids: not a UUID"),
        (f"agent_ids={seed.BISTRO},", "agent_ids: not a UUID"),
        ("status=asleep", "status: give one of connected, started, in_progress, auth_failed, ended"),
        ("source=fax", "source: give one of twilio, sip, simulation, api"),
        ("outcome=good", "outcome: give one of transferred, ended_by_agent, ended_by_user"),
        ("outbound=1", "outbound: give true or false"),
        ("date_from=noon", "date_from: 'noon' is no RFC 3339 time"),
        ("date_to=", "date_to: '' is no RFC 3339 time"),
        ("search=" + "1" * 257, "search: at most 256 characters"),
        ("tag=" + "1" * 129, "tag: at most 128 characters"),
        ("organization_id=x", "organization_id: not a UUID"),
    ],
)
async def test_query_that_makes_no_sense_is_400(office: Office, query: str, error: str) -> None:
    """Each fault is named."""
    assert (await office.get(f"/v1/calls?{query}")).plain == (400, {"error": error})


async def test_calls_of_others_are_not_there(office: Office) -> None:
    """Neither in the list nor by id, nor is their recording."""
    rival = await office.rival()
    assert (await listed(rival, f"agent_ids={seed.BISTRO}&organization_id={MAIN_ORGANIZATION}"))[0] == []
    for path in (f"/v1/calls/{CALL}", RECORDING):
        assert (await rival.get(path)).plain == (404, {"error": "call not found"})


@pytest.mark.parametrize("path", ["/v1/calls/x", "/v1/calls/x/recording"])
async def test_id_that_is_none_is_400_with_a_body(office: Office, path: str) -> None:
    """Calls say what is wrong, unlike agents."""
    assert (await office.get(path)).plain == (400, {"error": "id: not a UUID"})


async def test_recording_is_a_wav_to_save(office: Office) -> None:
    """Name, length and type are in the headers; both sides are heard."""
    answer = await office.get(RECORDING)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "audio/wav"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{CALL}.wav"'
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert wav.read(answer.body)[1] == 24_000
    assert int.from_bytes(answer.body[22:24], "little") == 2


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-43", 0, 44),
        ("bytes=44-", 44, None),
        ("bytes=-100", -100, None),
        ("bytes=10-999999999", 10, None),
    ],
)
async def test_range_is_honoured(office: Office, asked: str, start: int, stop: int | None) -> None:
    """A part is 206 and says which part of how much."""
    whole = (await office.get(RECORDING)).body
    answer = await office.get(RECORDING, Range=asked)
    assert answer.status == 206
    assert answer.body == whole[start:stop]
    first = start % len(whole)
    last = first + len(answer.body) - 1
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=1-0", "bytes=-", "lines=1-2", "bytes=0-1,3-4", "bytes=a-b", ""])
async def test_range_that_is_none_gives_the_whole(office: Office, asked: str) -> None:
    """What cannot be read as one range is ignored."""
    answer = await office.get(RECORDING, Range=asked)
    assert (answer.status, len(answer.body)) == (200, int(answer.headers["Content-Length"]))


@pytest.mark.parametrize("asked", ["bytes=999999999-", "bytes=-0"])
async def test_range_outside_is_416(office: Office, asked: str) -> None:
    """The answer says how much there is."""
    answer = await office.get(RECORDING, Range=asked)
    assert (answer.status, answer.error) == (416, "range: outside of the recording")
    assert answer.headers["Content-Range"].startswith("bytes */")


async def test_call_without_a_recording_is_404(office: Office) -> None:
    """It is told apart from a call that is not there."""
    answer = await office.get(f"/v1/calls/{NO_RECORDING}/recording")
    assert answer.plain == (404, {"error": "this call has no recording"})
    assert (await office.get(f"/v1/calls/{NOBODY}/recording")).error == "call not found"


async def test_recording_can_only_be_got(office: Office) -> None:
    """Another method is 405."""
    assert (await office.post(RECORDING)).status == 405
