"""What grew in a soak: each watched figure over time, with what the trend test says of it."""

from collections.abc import Sequence

import polars as pl
from msgspec import Struct

from harness.checking.drift import Drift, drifts, watched
from harness.checking.objectives import shown
from harness.records.run import Recorded
from harness.records.samples import Sample
from harness.records.verdicts import Verdict
from harness.records.workflows import WorkflowRun
from reports.figures import bytes_of, duration, things
from reports.latency import responses_of
from reports.sparks import spark
from reports.timeline import Span

SOAK = "soak"
"""The kind of a run in which nothing may grow."""


class DriftRow(Struct, frozen=True, kw_only=True):
    """One figure as the table shows it."""

    drift: Drift
    typical: str
    growth: str
    picture: str


class DriftSection(Struct, frozen=True, kw_only=True):
    """The section of the report."""

    seconds: float
    """How long was looked at: the load without its first tenth."""
    rows: Sequence[DriftRow]

    @property
    def growing(self) -> int:
        """How many grow."""
        return sum(row.drift.verdict is Verdict.INVALID for row in self.rows)


def drift_of(recorded: Recorded) -> list[Drift]:
    """What the trend test says of every figure that was watched in a soak; nothing of other runs."""
    load = recorded.info.load
    if recorded.info.kind != SOAK or load is None:
        return []
    began = load.began + load.warm_up
    runs = recorded.frame(WorkflowRun).filter(pl.col("scenario").is_in(list(recorded.info.loaded)))
    series = watched(recorded.read(Sample), responses_of(recorded), runs)
    return drifts(series, began, began + load.measured)


def drift_section(recorded: Recorded) -> DriftSection | None:
    """The section; None where the run is no soak."""
    found = drift_of(recorded)
    if not found:
        return None
    ends = [time for drift in found for time, _ in drift.windows] or [0.0]
    span = Span(since=min(ends), until=max(ends))
    return DriftSection(seconds=span.until - span.since, rows=[_row(drift, span) for drift in found])


def _row(drift: Drift, span: Span) -> DriftRow:
    most = max((value for _, value in drift.windows), default=0.0)
    growth = "—"
    if drift.growth is not None:
        growth = ("-" if drift.growth < 0 else "+") + in_words(abs(drift.growth), drift.unit)
    return DriftRow(
        drift=drift,
        typical="—" if drift.typical is None else in_words(drift.typical, drift.unit),
        growth=growth,
        picture=spark(
            f"Drift of {drift.name} of {drift.source}",
            drift.windows,
            span,
            most or 1.0,
            described=f"{things(len(drift.windows), 'median')}, from zero to {in_words(most, drift.unit)}",
        ),
    )


def in_words(value: float, unit: str) -> str:
    """A figure in the unit that reads best: "12.5 MiB", "310 ms", "14"."""
    if unit == "bytes":
        return bytes_of(value)
    if unit == "s":
        return duration(value)
    return shown(value, "")
