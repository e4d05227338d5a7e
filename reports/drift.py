"""What grew in a soak: each watched figure over time, with what the trend test says of it."""

from collections.abc import Sequence

from msgspec import Struct

from harness.checking.drift import Drift, drifts, watched
from harness.checking.objectives import shown
from harness.checking.responses import responses, under_load
from harness.records.operations import Operation
from harness.records.run import Recorded
from harness.records.samples import Sample
from harness.records.verdicts import Verdict
from harness.records.workflows import WorkflowRun
from reports.figures import duration
from reports.svg import add, drawing, identifier, line, linear, markup

SOAK = "soak"
"""The kind of a run in which nothing may grow."""
WIDTH, HEIGHT, EDGE = 200.0, 36.0, 4.0
MEBIBYTE = 2.0**20


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
    operations = under_load(recorded.info, recorded.read(Operation))
    runs = [run for run in recorded.read(WorkflowRun) if run.scenario in recorded.info.loaded]
    series = watched(recorded.read(Sample), responses(operations), runs)
    return drifts(series, began, began + load.measured)


def drift_section(recorded: Recorded) -> DriftSection | None:
    """The section; None where the run is no soak."""
    found = drift_of(recorded)
    if not found:
        return None
    ends = [time for drift in found for time, _ in drift.windows] or [0.0]
    rows = [
        DriftRow(
            drift=drift,
            typical="—" if drift.typical is None else in_words(drift.typical, drift.unit),
            growth="—" if drift.growth is None else f"{drift.growth:+.0f}"[0] + in_words(abs(drift.growth), drift.unit),
            picture=_spark(drift, (min(ends), max(ends))),
        )
        for drift in found
    ]
    return DriftSection(seconds=max(ends) - min(ends), rows=rows)


def in_words(value: float, unit: str) -> str:
    """A figure in the unit that reads best: "12.5 MiB", "310 ms", "14"."""
    if unit == "bytes":
        return shown(value / MEBIBYTE, "MiB")
    if unit == "s":
        return duration(value)
    return shown(value, "")


def _spark(drift: Drift, span: tuple[float, float]) -> str:
    values = [value for _, value in drift.windows]
    svg = drawing(
        f"drift-{identifier(drift.source)}-{identifier(drift.name)}",
        WIDTH,
        HEIGHT,
        title=f"{drift.name} of {drift.source} over time",
        description=f"{len(values)} medians, from zero to {in_words(max(values, default=0.0), drift.unit)}",
    )
    x = linear(span, (EDGE, WIDTH - EDGE))
    y = linear((0.0, max(values, default=1.0)), (HEIGHT - EDGE, EDGE))
    add(svg, "line", class_="axis", x1=EDGE, x2=WIDTH - EDGE, y1=HEIGHT - EDGE, y2=HEIGHT - EDGE)
    add(svg, "path", class_="line p50", d=line([(x(time), y(value)) for time, value in drift.windows]))
    return markup(svg)
