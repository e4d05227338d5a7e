"""What the plots of latency show, as tables."""

from harness.checking.percentiles import percentile
from harness.checking.responses import answered_times
from reports.curves import percentiles_told
from reports.figures import count, duration
from reports.latency import ScenarioLatency
from reports.plot import Table


def curve_table(latency: ScenarioLatency) -> Table:
    """The percentile curve at each percentile that its axis names, and at its end."""
    response, service = (answered_times(latency.responses, column).sort() for column in ("time", "service"))
    missing = latency.whole.unanswered
    return Table(
        head=("Percentile", "Response time", "Service time"),
        rows=[
            (
                "longest" if each == 100 else f"p{each:g}",
                duration(percentile(response, each, missing=missing)),
                duration(percentile(service, each, missing=missing)),
            )
            for each in percentiles_told(len(response) + missing)
        ],
    )


def moments_table(latency: ScenarioLatency) -> Table:
    """Response time over intended start, for each span of time that has iterations."""
    return Table(
        head=("Seconds into the load", "Iterations", "p50", "p95", "p99"),
        rows=[
            (
                f"{moment.since:g} to {moment.until:g}",
                count(moment.iterations),
                duration(moment.p50),
                duration(moment.p95),
                duration(moment.p99),
            )
            for moment in latency.over_time
        ],
    )
