"""A call's audio over HTTP: WAV, whole or a single range of bytes."""

from collections.abc import Mapping

from aiohttp import web

from gateway.api.envelope import Refusal, not_found, unavailable
from gateway.errors import RecordingError
from gateway.recording.archive import Archive
from gateway.recording.reader import ByteRange, RangeNotSatisfiable, Recording, parse_range
from gateway.storage.rows import Call
from gateway.telemetry.log import get_logger

log = get_logger(__name__)


class RecordingStreams:
    """Lives as long as the process.

    Args:
        archive: finished recordings, by the ids of their calls.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    async def stream(
        self, request: web.Request, call: Call, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """Answer with a call's audio: ``StreamRecording`` of the control plane.

        Raises:
            Refusal: 404 when there is none; 416 for a range that it does not have; 503 when the store does
                not answer before the answer has begun.
        """
        recording = await self._open(call)
        part = _part(request, recording)
        response = web.StreamResponse(status=200 if part is None else 206, headers=dict(headers))
        size = recording.size_bytes if part is None else part.end - part.start
        response.headers.update(
            {
                "Content-Type": "audio/wav",
                "Content-Length": str(size),
                "Accept-Ranges": "bytes",
                "Cache-Control": "private, no-store",
                "Content-Disposition": f'inline; filename="{call.id}.wav"',
            }
        )
        if part is not None:
            response.headers["Content-Range"] = part.content_range(recording.size_bytes)
        await response.prepare(request)
        try:
            async for block in recording.read(part):
                await response.write(block)
        except RecordingError as fault:
            # Too late for a status: whoever listens notices by the length that they were promised.
            log.warning("recording_broke_off", call_id=call.id, reason=fault.reason)
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof()
        return response

    async def _open(self, call: Call) -> Recording:
        try:
            found = await self._archive.find(call.id)
            if found is not None:
                return await self._archive.open(found.name)
        except RecordingError as fault:
            log.warning("recording_unavailable", call_id=call.id, reason=fault.reason)
            if fault.reason != "not_found":
                raise unavailable("The recording cannot be read now.", "recording", 5.0) from None
        raise not_found("recording")


def _part(request: web.Request, recording: Recording) -> ByteRange | None:
    try:
        return parse_range(request.headers.get("Range"), recording.size_bytes)
    except RangeNotSatisfiable as fault:
        size = recording.size_bytes
        raise Refusal(416, f"{fault}.", reason=fault.reason, size_bytes=size) from None
