"""What samples say: how much a counter grew, shares of two counters, bounds of a quantile, values over time."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

from msgspec import Struct

from harness.records.samples import UP, Sample

Point = tuple[float, float]
"""A moment, and a value."""


class Bounds(Struct, frozen=True, kw_only=True):
    """What buckets tell of a quantile: it is above one bound, and not above the other (infinity: above the last)."""

    above: float
    at_most: float
    count: int
    """How many were counted, in all buckets."""


class Samples:
    """The samples of a run, by source and name."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._series: dict[tuple[str, str], list[Point]] = {}
        for sample in sorted(samples, key=lambda sample: sample.time):
            self._series.setdefault((sample.source, sample.name), []).append((sample.time, sample.value))

    def sources(self, name: str) -> list[str]:
        """Who has samples of this name."""
        return [source for source, each in self._series if each == name]

    def names(self, prefix: str = "") -> list[str]:
        """The names that begin so."""
        return sorted({name for _, name in self._series if name.startswith(prefix)})

    def points(self, source: str, name: str) -> list[Point]:
        """One series, in the order of time."""
        return self._series.get((source, name), [])

    def values(self, name: str) -> list[float]:
        """Every value of this name, of whichever source."""
        return [value for source in self.sources(name) for _, value in self.points(source, name)]

    def steps(self, source: str, name: str) -> Iterator[Point]:
        """By how much a counter grew until each moment since the one before.

        One that fell began anew with its process: what it shows was counted since. One that was not there at an
        earlier look, and is now, was zero then: what was never counted is left out by Prometheus clients.
        """
        points = self.points(source, name)
        looked = [time for time, up in self.points(source, UP) if up and points and time < points[0][0]]
        if looked:
            points = [(looked[-1], 0.0), *points]
        for (_, before), (time, value) in pairwise(points):
            yield time, value - before if value >= before else value

    def grown(self, name: str, sources: Iterable[str] | None = None) -> float | None:
        """By how much a counter grew between the first look and the last, of all sources; None where none has it.

        What was counted between the last look at a process and its end is not known.
        """
        having = [
            source for source in (self.sources(name) if sources is None else sources) if self.points(source, name)
        ]
        return sum(step for source in having for _, step in self.steps(source, name)) if having else None

    def seconds(self, source: str, name: str = UP) -> float:
        """From the first look at a source to the last."""
        points = self.points(source, name)
        return points[-1][0] - points[0][0] if points else 0.0

    def shares(self, source: str, part: str, whole: str) -> list[Point]:
        """A counter's share of another that includes it, from look to look; none where the other stood still."""
        parts = dict(self.steps(source, part))
        return [(time, parts.get(time, 0.0) / step) for time, step in self.steps(source, whole) if step]


def quantile_bounds(buckets: Iterable[tuple[float, float]], share: float) -> Bounds | None:
    """Between which bounds a quantile lies, by cumulative buckets (bound, count); None where nothing was counted.

    A bucket tells no more: a value in between, as monitoring systems show, is a guess.
    """
    ordered = sorted(buckets)
    if not ordered or ordered[-1][1] <= 0:
        return None
    count = ordered[-1][1]
    reached = next(index for index, (_, below) in enumerate(ordered) if below >= share * count)
    return Bounds(above=ordered[reached - 1][0] if reached else 0.0, at_most=ordered[reached][0], count=round(count))
