"""Short-lived ways to one call: its recording for a player, its live transcript for a page."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from aiohttp import web

from gateway.api.call_control import must_be_over
from gateway.api.call_models import LinkQuery, LiveAccess, RecordingLink, connection_info, recording_told
from gateway.api.calls import find_call
from gateway.api.envelope import unavailable
from gateway.api.operations import PREFIX, Ask, expose
from gateway.api.tokens import hash_token, new_token
from gateway.storage.api_keys import AccessTokens
from gateway.storage.calls import Calls
from gateway.storage.database import Database
from gateway.storage.reports import Recordings
from gateway.storage.rows import AccessToken, Call

TOKEN_S = 300.0
_MADE_WITHIN_S = 1.0  # as a rule; a disk that is full takes longer

StreamRecording = Callable[[web.Request, Call, Mapping[str, str]], Awaitable[web.StreamResponse]]
"""Answer with a call's audio (WAV, single byte ranges) and these headers; Refusal 404 when there is none."""


class CallAccessApi:
    """Lives as long as the process.

    Args:
        stream_recording: the audio itself.
        public_url: where this API is reached; the address that the request names where None.
    """

    def __init__(
        self, database: Database, stream_recording: StreamRecording, public_url: str | None = None
    ) -> None:
        self._calls = Calls(database)
        self._tokens = AccessTokens(database)
        self._recordings = Recordings(database)
        self._stream_recording = stream_recording
        self._public_url = public_url

    @expose("GET", "/calls/{call_id}/recording", RecordingLink)
    async def get_recording(self, ask: Ask) -> Mapping[str, Any]:
        """Get an address at which a finished call's audio can be played for five minutes, without a key.

        It is answered for a recording that is still being made as well: its stream says 503 until then.
        """
        call = await find_call(self._calls, ask)
        must_be_over(call)
        token = await self._token(ask, call, "recording")
        path = f"{PREFIX}/calls/{call.id}/recording/stream?token={token}"
        return {
            "call_id": call.id,
            "recording_url": self._base(ask) + path,
            "expires_at": ask.now + timedelta(seconds=TOKEN_S),
            **recording_told(await self._recordings.find(call.organization_id, call.id)),
        }

    @expose("GET", "/calls/{call_id}/recording/stream", None, access="link", query=LinkQuery)
    async def stream_recording(self, ask: Ask) -> web.StreamResponse:
        """Play a finished call's audio: WAV, single byte ranges, with a key or a link's token."""
        call = await find_call(self._calls, ask)
        must_be_over(call)
        row = await self._recordings.find(call.organization_id, call.id)
        if recording_told(row)["state"] == "processing":
            raise unavailable("The recording is not made yet.", "processing", _MADE_WITHIN_S)
        return await self._stream_recording(ask.request, call, ask.headers)

    @expose("GET", "/calls/{call_id}/live", LiveAccess)
    async def get_live(self, ask: Ask) -> Mapping[str, Any]:
        """Get the address of a call's live transcript, with a token for five minutes."""
        call = await find_call(self._calls, ask)
        token = await self._token(ask, call, "live")
        url = "ws" + self._base(ask).removeprefix("http") + f"/ws/calls/{call.id}"
        return {
            "websocket_url": url,
            "call_id": call.id,
            "temp_token": token,
            "connection_info": connection_info(url),
        }

    async def _token(self, ask: Ask, call: Call, purpose: str) -> str:
        token = new_token()
        access = AccessToken(
            organization_id=call.organization_id,
            call_id=call.id,
            purpose=purpose,
            api_key_id=ask.who.key_id,
            expires_at=ask.now + timedelta(seconds=TOKEN_S),
        )
        await self._tokens.add(access, hash_token(token), ask.now)
        return token

    def _base(self, ask: Ask) -> str:
        return self._public_url or f"{ask.request.scheme}://{ask.request.host}"
