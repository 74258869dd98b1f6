"""``/talk``: a page to talk to an agent by the browser's microphone, served from the package."""

from functools import partial
from importlib import resources

from aiohttp import web

_FILES = {
    "/talk": ("index.html", "text/html"),
    "/talk/talk.js": ("talk.js", "text/javascript"),
    "/talk/microphone.js": ("microphone.js", "text/javascript"),
    "/talk/talk.css": ("talk.css", "text/css"),
    "/favicon.ico": ("icon.svg", "image/svg+xml"),
}
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def add(router: web.UrlDispatcher) -> None:
    """Offer the page; it has no secret in it: the key comes with the address, behind the #."""
    for path, (name, content_type) in _FILES.items():
        body = (resources.files("gateway.sandbox") / "talk" / name).read_bytes()
        router.add_get(path, partial(_serve, body, content_type))


async def _serve(body: bytes, content_type: str, _request: web.Request) -> web.Response:
    return web.Response(body=body, content_type=content_type, charset="utf-8", headers=_HEADERS)
