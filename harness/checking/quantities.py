"""Figures of a run block by block in time: sums over sums, and percentiles."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil, floor, fsum, inf, isfinite

from msgspec import Struct

BLOCKS = 20
"""Pieces of a run: few enough to be long, and enough to know their spread."""
FEWEST = 20
"""Samples behind a figure that is compared; of a percentile, half of them on either side: p99 takes 1,000."""


class Sums(Struct, frozen=True, kw_only=True):
    """A mean, a share or a rate: a sum over a sum, block by block. Runs that are compared have the same blocks."""

    parts: tuple[float, ...]
    """Seconds waited, iterations failed, seconds of CPU, …"""
    wholes: tuple[float, ...]
    """By what they are divided: iterations, seconds, …"""
    samples: int
    """How many samples stand behind them."""

    @property
    def value(self) -> float | None:
        whole = sum(self.wholes)
        return sum(self.parts) / whole if whole else None

    @property
    def each(self) -> list[float]:
        """The value of each block in which there is anything to divide by."""
        return [part / whole for part, whole in zip(self.parts, self.wholes, strict=True) if whole]

    @property
    def off(self) -> list[float]:
        """For each block, by how much its sum is off what the others let expect; 0 on average."""
        value, usual = self.value or 0.0, sum(self.wholes) / len(self.wholes)
        return [(part - value * whole) / usual for part, whole in zip(self.parts, self.wholes, strict=True)]

    @property
    def enough(self) -> bool:
        """Whether the figure can be compared."""
        return self.samples >= FEWEST and self.value is not None


class Percentile(Struct, frozen=True, kw_only=True):
    """A percentile by nearest rank. Samples may be infinite: what nobody answered is slower than anything."""

    blocks: tuple[Sequence[float], ...]
    """The samples of each block, in rising order."""
    ordered: Sequence[float]
    """All of them, in rising order."""
    percent: float

    @property
    def value(self) -> float | None:
        found = self.ordered[rank_of(self.percent, len(self.ordered)) - 1] if self.ordered else inf
        return found if isfinite(found) else None

    @property
    def each(self) -> list[float]:
        """The percentile of each block that has any samples."""
        return [block[rank_of(self.percent, len(block)) - 1] for block in self.blocks if block]

    @property
    def enough(self) -> bool:
        """Whether the figure can be compared."""
        rarer = min(self.percent, 100 - self.percent) / 100
        return len(self.ordered) * rarer >= FEWEST / 2 - 1e-9


Quantity = Sums | Percentile


def in_blocks(samples: Iterable[tuple[float, float]], seconds: float) -> tuple[list[float], ...]:
    """Samples, each with its time since the beginning, in `BLOCKS` pieces of so many seconds together, each in order.

    What lies before or after belongs to the first or to the last.
    """
    pieces: tuple[list[float], ...] = tuple([] for _ in range(BLOCKS))
    for time, value in samples:
        pieces[min(max(floor(time / seconds * BLOCKS), 0), BLOCKS - 1)].append(value)
    for piece in pieces:
        piece.sort()
    return pieces


def totals(points: Iterable[tuple[float, float]], seconds: float) -> tuple[float, ...]:
    """For each block the sum of what happened in it, by times since the beginning of so many seconds together."""
    return tuple(map(fsum, in_blocks(points, seconds)))


def in_order(samples: Sequence[float]) -> tuple[list[float], ...]:
    """Samples that were taken one after the other, in `BLOCKS` pieces, each in rising order."""
    return in_blocks(((number + 0.5, sample) for number, sample in enumerate(samples)), len(samples) or 1)


def percentiles(blocks: tuple[Sequence[float], ...], *percents: float) -> list[Percentile]:
    """These percentiles of the same samples."""
    ordered = sorted(sample for block in blocks for sample in block)
    return [Percentile(blocks=blocks, ordered=ordered, percent=percent) for percent in percents]


def rank_of(percent: float, count: int) -> int:
    """Which sample, from 1, is the percentile of so many, by nearest rank."""
    return ceil(Fraction(str(percent)) / 100 * count)
