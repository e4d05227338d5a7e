"""How sure a figure is: intervals by the percentile bootstrap (Efron, 1979).

The samples are drawn again and again, with replacement, and the figure is taken of each draw; the middle 95 % of those
figures are the interval. It asks nothing of the distribution, only that the samples do not depend on one another.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, floor
from random import Random
from typing import TypeVar

from msgspec import Struct

T = TypeVar("T")

RESAMPLES = 1_000
CONFIDENCE = 0.95


class Interval(Struct, frozen=True):
    """A figure of some samples, and between what it lies, in the unit of the samples."""

    value: float
    low: float
    high: float


def interval(
    samples: Sequence[T],
    figure: Callable[[Sequence[T]], float],
    rng: Random,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Interval:
    """The interval of any figure, such as `statistics.fmean`. Raises ValueError if there are no samples.

    A sample is whatever does not depend on the others: a number, or a pair of them.
    """
    _refuse_none(samples)
    drawn = [figure(rng.choices(samples, k=len(samples))) for _ in range(resamples)]
    return _middle(figure(samples), drawn, confidence)


def percentile_interval(
    samples: Sequence[float],
    percent: float,
    rng: Random,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Interval:
    """The interval of a percentile by nearest rank, 50 being the median. Samples may be infinite.

    Nothing is drawn but the one sample that counts: the k-th smallest of n uniform numbers is distributed as
    Beta(k, n + 1 - k), so this is the same bootstrap as `interval`, at the cost of a single sorting.
    Raises ValueError if there are no samples, or `percent` is not above 0 and at most 100.
    """
    _refuse_none(samples)
    if not 0 < percent <= 100:
        message = f"a percentile is above 0 and at most 100, not {percent}"
        raise ValueError(message)
    ordered, count = sorted(samples), len(samples)
    rank = ceil(Fraction(str(percent)) / 100 * count)
    last = count - 1
    drawn = [ordered[min(last, floor(rng.betavariate(rank, count + 1 - rank) * count))] for _ in range(resamples)]
    return _middle(ordered[rank - 1], drawn, confidence)


def _middle(value: float, drawn: list[float], confidence: float) -> Interval:
    """The figures between which the middle share of those drawn lies."""
    drawn.sort()
    outside = floor(len(drawn) * (1 - confidence) / 2 + 1e-9)
    return Interval(value, drawn[outside], drawn[-1 - outside])


def _refuse_none(samples: Sequence[object]) -> None:
    if not samples:
        raise ValueError("no samples, no interval")
