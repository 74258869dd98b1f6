"""A tool endpoint to copy: checks the gateway's signature, then answers by the tool's name.

It stands alone: aiohttp is all it needs. ``vatel-gateway tools serve-example`` runs it.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from aiohttp import web

TOLERANCE_S = 300


def is_genuine(key: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
    """Check a Standard Webhooks signature (https://www.standardwebhooks.com), in constant time.

    Args:
        key: the ``whsec_…`` secret that both sides know.
        headers: of the request, looked up in lower case.
        body: the bytes as they came, before anything parses them.
        now_s: Unix seconds.
    """
    sent_at = headers.get("webhook-timestamp", "")
    if not (sent_at.isascii() and sent_at.isdecimal() and abs(now_s - int(sent_at[:12])) <= TOLERANCE_S):
        return False
    signed = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    digest = hmac.digest(base64.b64decode(key.removeprefix("whsec_")), signed, hashlib.sha256)
    expected = "v1," + base64.b64encode(digest).decode()
    offered = headers.get("webhook-signature", "").split(" ")
    return any(hmac.compare_digest(one.encode(), expected.encode()) for one in offered)


def answer(tool: str, arguments: Mapping[str, object]) -> object:
    """Do what the tool is for; what this returns is what the voice agent gets to read."""
    return {"tool": tool, "you_sent": dict(arguments), "note": "This is the example endpoint."}


def application(key: str | None) -> web.Application:
    """Return the endpoint; without a key it believes everybody, so keep it to this machine."""

    async def tools(request: web.Request) -> web.Response:
        body = await request.read()
        now_s = datetime.now(UTC).timestamp()
        if key is not None and not is_genuine(key, request.headers, body, now_s):
            return web.json_response({"error": "the signature does not fit"}, status=401)
        call = json.loads(body)
        return web.json_response(answer(call["tool"], call["arguments"]))

    app = web.Application()
    app.add_routes([web.post("/tools", tools)])
    return app
