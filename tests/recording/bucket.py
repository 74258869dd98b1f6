"""A bucket over HTTP, as much of S3 as recordings take, large ones in parts; it can be switched off."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from gateway.recording.objects import ObjectStore, open_store


@dataclass
class Bucket:
    """What was put there. Lives as long as its server.

    Attributes:
        parts: of objects that are not complete, by number.
        sent_in_parts: how many objects came so.
        away: True while every question is answered with 503.
    """

    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)
    sent_in_parts: int = 0
    away: bool = False
    endpoint: str = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Put, tell of, give and remove objects."""
        if self.away:
            return web.Response(status=503)
        key = request.path.removeprefix("/bucket/")
        if request.method == "POST":
            return self._begin_or_end(request, key)
        if request.method == "PUT":
            self._take(request, key, await request.read())
            return web.Response(headers={"ETag": '"1"'})
        if request.method == "DELETE":
            self.objects.pop(key, None)
            return web.Response(status=204)
        if key not in self.objects:
            return web.Response(status=404)
        return self._give(request, self.objects[key])

    def _begin_or_end(self, request: web.Request, key: str) -> web.Response:
        """Begin an object that comes in parts, or put its parts together."""
        if "uploads" in request.query:
            self.parts[key] = {}
            return _xml("InitiateMultipartUploadResult", UploadId=key)
        self.sent_in_parts += 1
        parts = self.parts.pop(request.query["uploadId"])
        self.objects[key] = b"".join(part for _, part in sorted(parts.items()))
        return _xml("CompleteMultipartUploadResult", ETag="1")

    def _take(self, request: web.Request, key: str, content: bytes) -> None:
        if "partNumber" in request.query:
            self.parts[request.query["uploadId"]][int(request.query["partNumber"])] = content
        else:
            self.objects[key] = content

    def _give(self, request: web.Request, content: bytes) -> web.Response:
        headers = {"Last-Modified": "Thu, 26 Nov 2026 03:00:00 GMT", "ETag": '"1"'}
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if asked is None:
            return web.Response(body=content, headers=headers)
        first, last = int(asked[1]), min(int(asked[2]), len(content) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
        return web.Response(status=206, body=content[first : last + 1], headers=headers)

    @property
    def options(self) -> dict[str, str]:
        """What a client of it has to know."""
        return {
            "endpoint": self.endpoint,
            "region": "here",
            "access_key_id": "id",
            "secret_access_key": "secret",
            "allow_http": "true",
        }

    def store(self) -> ObjectStore:
        """Return a store that asks this bucket."""
        store = open_store("s3://bucket", self.options)
        assert isinstance(store, ObjectStore)
        return store


def _xml(name: str, **fields: str) -> web.Response:
    inner = "".join(f"<{field}>{value}</{field}>" for field, value in fields.items())
    return web.Response(text=f"<{name}>{inner}</{name}>", content_type="application/xml")


@asynccontextmanager
async def serving() -> AsyncIterator[Bucket]:
    """Serve a bucket on a free port."""
    bucket = Bucket()
    app = web.Application(client_max_size=1 << 25)
    app.router.add_route("*", "/{any:.*}", bucket.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    bucket.endpoint = f"http://{host}:{port}"
    try:
        yield bucket
    finally:
        await runner.cleanup()
