"""Every metric of the process, on one screen. Labels come from configuration, not from caller or agent."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

REGISTRY = CollectorRegistry()
CONTENT_TYPE = CONTENT_TYPE_LATEST

TOOL_RUNS = Counter(
    "gateway_tool_runs",
    "Tool calls answered, by the catalogue's entry and how it went: ok, or why it failed.",
    ["tool", "result"],
    registry=REGISTRY,
)
TOOL_SECONDS = Histogram(
    "gateway_tool_seconds",
    "From the agent's question to our answer.",
    ["tool"],
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
    registry=REGISTRY,
)


def exposition() -> bytes:
    """Return all metrics as Prometheus reads them."""
    return generate_latest(REGISTRY)
