"""Serves what the SDK measures of a worker, for Prometheus."""

from __future__ import annotations

from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig

from system.errors import SettingsError

WAITS = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)
"""Seconds. A bucket ends where Temporal's documentation draws the line, at 0.2: the SDK's own say "0.1 to 0.5"."""


def measured(address: tuple[str, int] | None) -> Runtime | None:
    """A runtime that answers at ``http://HOST:PORT/metrics``; None, for the SDK's own, where no address is given.

    Names and units are those of Prometheus: ``_total``, ``_seconds``.

    Raises:
        SettingsError: it cannot listen there.

    """
    if address is None:
        return None
    host, port = address
    buckets = {f"temporal_{kind}_schedule_to_start_latency": WAITS for kind in ("activity", "workflow_task")}
    metrics = PrometheusConfig(
        bind_address=f"{host}:{port}",
        counters_total_suffix=True,
        unit_suffix=True,
        durations_as_seconds=True,
        histogram_bucket_overrides=buckets,
    )
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=metrics))
    except ValueError as error:  # the SDK's own, for an address that is taken too
        raise SettingsError(
            f"METRICS_ADDRESS is {host}:{port}: {error}; expected the IP address of this machine and a free port, "
            "for example 127.0.0.1:9464"
        ) from error
