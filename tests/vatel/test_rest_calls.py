"""Calls and recordings over REST."""

import asyncio
from pathlib import Path

import pytest
from aiohttp import web

from gateway.errors import VatelApiError
from gateway.vatel.models import Call, CallQuery
from gateway.vatel.rest import VatelClient
from tests.vatel.rest_host import ID, OTHER_ID, RestHost, example

WAV = b"RIFF" + bytes(range(256)) * 2000


async def recording(request: web.Request) -> web.StreamResponse:
    """Answer with a recording."""
    headers = {"Content-Disposition": f'attachment; filename="{ID}.wav"'}
    return web.Response(body=WAV, content_type="audio/wav", headers=headers)


async def cut_recording(request: web.Request) -> web.StreamResponse:
    """Answer with a recording that breaks off."""
    response = web.StreamResponse(headers={"Content-Length": str(len(WAV))})
    await response.prepare(request)
    await response.write(WAV[:1000])
    assert request.transport is not None
    request.transport.abort()
    return response


def files_in(folder: Path) -> list[Path]:
    """Return what is in a folder."""
    return sorted(folder.iterdir())


async def test_calls_are_listed_without_parameters(client: VatelClient, host: RestHost) -> None:
    """An empty query is no query."""
    page = await client.calls.list()

    assert page.calls[0].id == ID
    assert page.pagination.total_pages == 3
    assert page.pagination.has_next
    assert (host.seen[0].operation, host.seen[0].query) == ("listCalls", {})


async def test_calls_are_listed_with_every_parameter(client: VatelClient, host: RestHost) -> None:
    """All parameters are known to the contract, and written as it wants them."""
    await client.calls.list(
        CallQuery(
            page=2,
            page_size=100,
            agent_ids=(ID, OTHER_ID),
            status="ended",
            source="api",
            date_from="2026-11-01T00:00:00+01:00",
            date_to="2026-11-21T00:00:00Z",
            outbound=False,
            search="+33",
            tag="vip & friends",
            outcome="ended_by_user",
            organization_id=OTHER_ID,
        )
    )

    assert host.seen[0].query == {
        "page": "2",
        "page_size": "100",
        "agent_ids": f"{ID},{OTHER_ID}",
        "status": "ended",
        "source": "api",
        "date_from": "2026-11-01T00:00:00+01:00",
        "date_to": "2026-11-21T00:00:00Z",
        "outbound": "false",
        "search": "+33",
        "tag": "vip & friends",
        "outcome": "ended_by_user",
        "organization_id": OTHER_ID,
    }


async def test_a_call_is_fetched_with_all_it_has(client: VatelClient, host: RestHost) -> None:
    """Transcript, variables and feedback are typed; no field of the schema is left out."""
    call = await client.calls.get(ID)

    assert set(example("getCall")) == set(Call.__struct_fields__)
    assert [name for name in Call.__struct_fields__ if getattr(call, name) in (None, ())] == []
    assert call.transcript is not None
    entry = call.transcript.entries[0]
    assert entry.turn_id == "some turnId"
    assert entry.duration_ms == 3
    assert entry.tool_call is not None
    assert entry.tool_call.tool_name == "some toolName"
    assert call.extracted_variables[0].data_type == "array"
    assert call.extracted_variables[0].value == {"any": ["json", None, 1]}
    assert call.feedback is not None
    assert call.feedback.stars == 3
    assert host.seen[0].ids == (ID,)


async def test_a_call_that_is_not_there_yet_is_named(client: VatelClient, host: RestHost) -> None:
    """That the session's id is the call's is an inference: 404 is an ordinary answer."""

    async def missing(request: web.Request) -> web.StreamResponse:
        return web.json_response({"error": "call not found"}, status=404)

    host.answer = missing
    with pytest.raises(VatelApiError) as caught:
        await client.calls.get(ID)

    assert (caught.value.reason, caught.value.status) == ("not_found", 404)


async def test_a_recording_comes_in_chunks(client: VatelClient, host: RestHost) -> None:
    """The whole recording is never in memory."""
    host.answer = recording
    async with client.calls.recording(ID) as chunks:
        pieces = [piece async for piece in chunks]

    assert b"".join(pieces) == WAV
    assert host.seen[0].operation == "downloadCallRecording"


async def test_a_recording_left_half_read_is_let_go(client: VatelClient, host: RestHost) -> None:
    """Leaving early closes the answer; the client goes on."""
    host.answer = recording
    async with client.calls.recording(ID) as chunks:
        async for _ in chunks:
            break
    host.answer = None

    assert (await client.calls.get(ID)).id == ID


async def test_a_recording_is_saved_as_a_file(client: VatelClient, host: RestHost, tmp_path: Path) -> None:
    """The file has every byte and there is nothing else."""
    host.answer = recording
    path = tmp_path / "call.wav"

    assert await client.calls.save_recording(ID, path) == len(WAV)
    assert path.read_bytes() == WAV
    assert files_in(tmp_path) == [path]


async def test_a_recording_too_large_is_refused(client: VatelClient, host: RestHost, tmp_path: Path) -> None:
    """The cap holds, whatever the server announces; no part of a file stays."""
    host.answer = recording
    with pytest.raises(VatelApiError) as caught:
        await client.calls.save_recording(ID, tmp_path / "call.wav", max_bytes=10_000)

    assert caught.value.reason == "too_large"
    assert files_in(tmp_path) == []


async def test_a_recording_that_breaks_off_leaves_no_file(
    client: VatelClient, host: RestHost, tmp_path: Path
) -> None:
    """Half a recording is none, and an older file stays as it was."""
    host.answer = cut_recording
    path = tmp_path / "call.wav"
    path.write_bytes(b"older")
    with pytest.raises(VatelApiError) as caught:
        await client.calls.save_recording(ID, path)

    assert caught.value.reason == "unreachable"
    assert files_in(tmp_path) == [path]
    assert path.read_bytes() == b"older"


async def test_a_recording_has_its_own_deadline(client: VatelClient, host: RestHost, tmp_path: Path) -> None:
    """A drip feed ends."""
    over = asyncio.Event()

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"RIFF")
        await over.wait()
        return response

    host.answer = drip
    with pytest.raises(VatelApiError) as caught:
        await client.calls.save_recording(ID, tmp_path / "call.wav", timeout_s=0.2)
    over.set()

    assert caught.value.reason == "timeout"
    assert files_in(tmp_path) == []


async def test_a_recording_that_does_not_exist_is_named(
    client: VatelClient, host: RestHost, tmp_path: Path
) -> None:
    """404 means that the call or its recording is missing."""

    async def missing(request: web.Request) -> web.StreamResponse:
        return web.Response(status=404)

    host.answer = missing
    with pytest.raises(VatelApiError) as caught:
        await client.calls.save_recording(ID, tmp_path / "call.wav")

    assert caught.value.reason == "not_found"
    assert files_in(tmp_path) == []


async def test_a_file_that_cannot_be_written_is_no_fault_of_vatels(
    client: VatelClient, host: RestHost, tmp_path: Path
) -> None:
    """The disk's errors stay what they are."""
    host.answer = recording
    with pytest.raises(FileNotFoundError):
        await client.calls.save_recording(ID, tmp_path / "nowhere" / "call.wav")
