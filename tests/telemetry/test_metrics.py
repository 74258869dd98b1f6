"""The table of metrics."""

from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry import metrics


def test_exposition_is_what_prometheus_reads() -> None:
    """Each metric of the table stands in the text, under its name, with its labels."""
    metrics.TOOL_RUNS.labels("test_metrics", "ok").inc()
    metrics.TOOL_SECONDS.labels("test_metrics").observe(0.2)

    families = {
        family.name: family for family in text_string_to_metric_families(metrics.exposition().decode())
    }

    counted = [one for one in families["gateway_tool_runs"].samples if one.name.endswith("_total")]
    assert {"tool": "test_metrics", "result": "ok"} in [one.labels for one in counted]
    assert families["gateway_tool_seconds"].type == "histogram"


def test_registry_is_our_own() -> None:
    """Nothing that a library registers by itself turns up among our metrics."""
    names = [family.name for family in metrics.REGISTRY.collect()]

    assert all(name.startswith("gateway_") for name in names)
