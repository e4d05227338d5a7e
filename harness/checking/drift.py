"""Drift: what grows over hours at a steady rate, and would not stop at the end of the run."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

import polars as pl
from msgspec import Struct
from msgspec.structs import replace

from harness.checking.responses import Outcome
from harness.checking.trend import FEWEST, trend
from harness.records.samples import CONNECTIONS, FILES, MACHINE, MEMORY, THREADS, Sample
from harness.records.verdicts import Verdict

WINDOWS = 60
"""Parts of the time, each of which counts by its median: samples close together are not independent of each other."""
WARMING = 0.1
"""Share of the time that is left out at the beginning: caches fill, pools open their connections, and then no more."""
CHANCE = 0.01
"""How likely a trend like that may be by chance, at most, to be one."""
MATERIAL = 0.1
"""Growth over the time, as a share of the median, from which it matters."""
RESPONSE_TIME, HISTORY = "response time", "history"
WATCHED = {
    MEMORY: "bytes",
    FILES: "open files",
    THREADS: "threads",
    CONNECTIONS: "connections",
    RESPONSE_TIME: "s",
    HISTORY: "events",
}
"""What may not grow at a steady rate, with its unit."""


class Series(Struct, frozen=True, kw_only=True):
    """One figure over time. Times are seconds since the Unix epoch, in any order."""

    source: str
    name: str
    unit: str
    points: Sequence[tuple[float, float]]


class Drift(Struct, frozen=True, kw_only=True):
    """What the trend test says of a series."""

    source: str
    name: str
    unit: str
    verdict: Verdict
    """Invalid where it grows; unknown where there are too few windows to tell."""
    windows: tuple[tuple[float, float], ...]
    """The middle of each window, and the median in it."""
    typical: float | None
    """The median of all windows."""
    growth: float | None = None
    """By how much it grows over the time, by Sen's slope; below 0 where it shrinks."""
    p: float | None = None
    """How likely such a trend is by chance (Mann-Kendall)."""

    @property
    def share(self) -> float | None:
        """Growth over the time as a share of the median; None where that is 0."""
        return self.growth / self.typical if self.growth is not None and self.typical else None


def drifts(series: Iterable[Series], began: float, ended: float) -> list[Drift]:
    """What drifts between two moments, the first tenth left out: those that grow first, then by source and name."""
    begin = began + WARMING * (ended - began)
    found = [_drift(each, begin, ended) for each in series]
    return sorted(found, key=lambda drift: (drift.verdict is not Verdict.INVALID, drift.source, drift.name))


def drifting(found: Iterable[Drift]) -> int | None:
    """How many of these grow; None where not even the memory of a process could be told: nothing is known then."""
    clear = [drift for drift in found if drift.verdict is not Verdict.UNKNOWN]
    if not any(drift.name == MEMORY for drift in clear):
        return None
    return sum(drift.verdict is Verdict.INVALID for drift in clear)


def watched(samples: Iterable[Sample], responses: pl.DataFrame, runs: pl.DataFrame) -> list[Series]:
    """The series that must not grow: of each process, of the response time, and of the histories' length."""
    taken: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    for sample in samples:
        if sample.name in WATCHED and sample.source != MACHINE:
            taken[sample.source, sample.name].append((sample.time, sample.value))
    answers = responses.filter(pl.col("outcome") == Outcome.ANSWERED)
    for scenario, intended, time in answers.select("scenario", "intended", "time").iter_rows():
        taken[scenario, RESPONSE_TIME].append((intended, time))
    for type_, started, events in runs.select("type", "started", "events").iter_rows():
        taken[type_, HISTORY].append((started, events))
    return [
        Series(source=source, name=name, unit=WATCHED[name], points=points) for (source, name), points in taken.items()
    ]


def _drift(series: Series, begin: float, end: float) -> Drift:
    windows = _windows(series.points, begin, end)
    values = [value for _, value in windows]
    typical = median(values) if values else None
    drift = Drift(
        source=series.source,
        name=series.name,
        unit=series.unit,
        verdict=Verdict.UNKNOWN,
        windows=windows,
        typical=typical,
    )
    if len(windows) < FEWEST or typical is None:
        return drift
    found = trend([time for time, _ in windows], values)
    growth = found.slope * (end - begin)
    grows = found.p < CHANCE and growth > MATERIAL * abs(typical)
    return replace(drift, verdict=Verdict.INVALID if grows else Verdict.VALID, growth=growth, p=found.p)


def _windows(points: Iterable[tuple[float, float]], begin: float, end: float) -> tuple[tuple[float, float], ...]:
    width = (end - begin) / WINDOWS
    within: dict[int, list[float]] = defaultdict(list)
    for time, value in points:
        if begin <= time < end:
            within[int((time - begin) / width)].append(value)
    return tuple((begin + (number + 0.5) * width, median(values)) for number, values in sorted(within.items()))
