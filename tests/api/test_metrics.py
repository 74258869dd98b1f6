"""The private listener that Prometheus reads."""

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.api.metrics import metrics_routes
from gateway.telemetry import metrics


async def test_metrics_are_served_as_prometheus_reads_them() -> None:
    """The whole table, with the type of text that Prometheus asks for."""
    metrics.TOOL_RUNS.labels("test_api_metrics", "ok").inc()
    app = web.Application()
    app.add_routes(metrics_routes())
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/metrics")
        text = await answer.text()

    assert (answer.status, answer.content_type) == (200, "text/plain")
    assert 'gateway_tool_runs_total{result="ok",tool="test_api_metrics"}' in text
