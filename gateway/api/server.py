"""The HTTP server: what it reads, what it logs, how it stops."""

import logging
from collections.abc import Iterable

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

_BODY_LIMIT_BYTES = 64 * 1024
_PEERS_FAULTS = (HttpProcessingError, ConnectionError)


class _PeersFault(logging.Filter):
    """Logs in one line what is no HTTP, or breaks off: aiohttp gives it a traceback that quotes the peer."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if record.exc_info and isinstance(record.exc_info[1], _PEERS_FAULTS):
            record.exc_info = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True


_log = logging.getLogger("gateway.http")
_log.addFilter(_PeersFault())


@web.middleware
async def _untraced(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let no exception keep the request: aiohttp keeps some, to answer with, or for who reads on.

    Each would keep its traceback, that the request, and that the exception: with up to 64 kB of a stranger's
    body, until the collector of cycles comes by.
    """
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        refusal.__traceback__ = None
        answer = web.Response(status=refusal.status, reason=refusal.reason, headers=refusal.headers)
        answer.body = refusal.body
        return answer
    except ConnectionError:
        raise ConnectionResetError("the peer has gone") from None
    finally:
        broken = request.content.exception()
        if broken is not None:
            broken.__traceback__ = None


def server(routes: Iterable[web.RouteDef]) -> web.AppRunner:
    """Return a server for a route table, not yet set up."""
    app = web.Application(client_max_size=_BODY_LIMIT_BYTES, middlewares=[_untraced])
    app.add_routes(routes)
    # aiohttp's own signal handling deafens open WebSockets; we drain first and clean up last.
    return web.AppRunner(app, handle_signals=False, access_log=None, logger=_log, shutdown_timeout=1.0)
