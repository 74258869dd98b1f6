"""What Prometheus reads, on a listener of its own: not for whoever reaches the phone's routes."""

from aiohttp import web

from gateway.telemetry import metrics


def metrics_routes() -> list[web.RouteDef]:
    """Return the route table of the private listener."""
    return [web.get("/metrics", _metrics)]


async def _metrics(request: web.Request) -> web.Response:
    return web.Response(body=metrics.exposition(), headers={"Content-Type": metrics.CONTENT_TYPE})
