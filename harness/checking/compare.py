"""Whether a figure of two runs differs by more than chance: both runs block by block in time, side by side.

Answers of a system under load depend on each other: who comes behind a slow one waits as well. Whatever takes samples
to be independent (a t-test, a rank test, the ordinary bootstrap) then finds differences between equal systems most of
the time. So a run is cut into blocks of equal time, and a block counts as one observation:

- Where both runs had the same arrivals, each block of one is compared with the same block of the other: what the
  arrivals bring with them is the same in both, and cancels out.
- A mean, a share or a rate is a sum over a sum; what a block contributes is how far its sum is off (Cochran, 1977).
- A percentile is compared by how many samples of each block exceed the pooled percentile of both runs, which is a
  share again; the interval holds the shifts at which these shares would not differ (Mood, 1950; Woodruff, 1952).
- Neighbouring blocks may still depend on each other. The variance grows by what their correlation says, as it does
  of a first-order autoregression. Where it is above `STEADY` the runs are too short, and nothing is told, unless one
  lies `FAR` outside of where the other ever was, as the times of a queue do that only grows.
- The limits are Student's, since the spread is estimated from so few blocks.

tests/checking/test_change.py has the rate of false alarms between equal queues. What two runs cannot tell is how much
runs of the same thing differ from each other: that takes more than one run of each.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from enum import StrEnum
from itertools import pairwise
from math import floor, inf, isfinite, sqrt
from statistics import median

from msgspec import Struct
from msgspec.structs import replace

from harness.checking.quantities import Percentile, Quantity, Sums, rank_of
from harness.checking.student import critical

STEADY = 0.4
"""Correlation of neighbouring blocks above which a run is too short for how slowly it changes."""
ALARMS = 0.05
"""The chance of any false alarm, in all that is compared together."""
FAR = 2
"""So many times the range of a run's blocks is what it never shows, however slowly it changes."""
HALVINGS = 30
"""How closely an end of an interval is sought."""


class Unclear(StrEnum):
    """Why nothing is told of a difference."""

    TOO_FEW = "too few samples to tell"
    TOO_SHORT = "too short to tell: what happens in one twentieth of the run still shows in the next"
    UNANSWERED = "it lies among those that nobody answered"


class Change(Struct, frozen=True, kw_only=True):
    """A figure of two runs, and between what the difference lies, in the unit of the figure."""

    base: float | None
    """None where it was not measured, or lies among what nobody answered."""
    other: float | None
    low: float | None = None
    """The least that other less base may be."""
    high: float | None = None
    """The most that it may be; one of the two is None where there is no limit to it, both where nothing is told."""
    unclear: Unclear | None = None

    @property
    def difference(self) -> float | None:
        """Other less base."""
        return None if self.base is None or self.other is None else self.other - self.base


def change(base: Quantity, other: Quantity, *, paired: bool, alarms: float = ALARMS) -> Change:
    """The difference of one figure, with an interval that misses it with the chance `alarms`.

    `paired` runs had the same arrivals at the same times. Raises TypeError if the quantities are not of one kind.
    """
    told = Change(base=base.value, other=other.value)
    if not (base.enough and other.enough):
        return replace(told, unclear=Unclear.TOO_FEW)
    difference = told.difference
    if difference is None:
        return replace(told, unclear=Unclear.UNANSWERED)
    if isinstance(base, Sums) and isinstance(other, Sums):
        score = _score(base, other, paired=paired)
        reach = score.limit(alarms) * score.error
        low, high = difference - reach, difference + reach
    elif isinstance(base, Percentile) and isinstance(other, Percentile):
        score = _exceeding(base, other, difference, paired=paired)
        low = -_farthest(other, base, -difference, paired=paired, alarms=alarms)
        high = _farthest(base, other, difference, paired=paired, alarms=alarms)
    else:
        message = f"a {type(base).__name__} cannot be compared with a {type(other).__name__}"
        raise TypeError(message)
    if score.correlation > STEADY:
        return _beyond(told, base, other)
    bounded = isfinite(low) and isfinite(high)
    if not bounded and low <= 0 <= high:
        return replace(told, unclear=Unclear.TOO_FEW)
    return replace(told, low=low if isfinite(low) else None, high=high if isfinite(high) else None)


def _beyond(told: Change, base: Quantity, other: Quantity) -> Change:
    """What is so far off all that the other run showed in any block that slow change does not explain it."""
    unclear = replace(told, unclear=Unclear.TOO_SHORT)
    one, two, difference = base.each, other.each, told.difference or 0.0
    if (more := _gap(one, two)) > 0:
        return replace(told, low=min(more, difference))
    if (less := _gap(two, one)) > 0:
        return replace(told, high=max(-less, difference))
    return unclear


def _gap(lower: Sequence[float], upper: Sequence[float]) -> float:
    """How much more than `FAR` times the range of one run lies between it and the middle of the other; else below 0."""
    wide, high = max(lower) - min(lower), max(upper) - min(upper)
    return max(median(upper) - max(lower) - FAR * wide, min(upper) - median(lower) - FAR * high)


class _Score(Struct, frozen=True, kw_only=True):
    """How far two sums over sums are from each other, and how far they may be by chance."""

    difference: float
    error: float
    """The standard error of the difference."""
    degrees: int
    correlation: float
    """Of neighbouring blocks."""

    def limit(self, alarms: float) -> float:
        return critical(alarms, self.degrees)

    def differs(self, alarms: float) -> bool:
        return abs(self.difference) > self.limit(alarms) * self.error


def _score(base: Sums, other: Sums, *, paired: bool) -> _Score:
    difference = (other.value or 0.0) - (base.value or 0.0)
    if paired:
        variance, correlation = _variance([b - a for a, b in zip(base.off, other.off, strict=True)])
        degrees = float(len(base.parts) - 1)
    else:
        (one, before), (two, after) = _variance(base.off), _variance(other.off)
        variance, correlation = one + two, (before + after) / 2
        squares = one**2 / (len(base.parts) - 1) + two**2 / (len(other.parts) - 1)
        degrees = variance**2 / squares if squares else float(len(base.parts) - 1)  # Welch and Satterthwaite
    return _Score(
        difference=difference, error=sqrt(variance), degrees=max(1, floor(degrees + 1e-9)), correlation=correlation
    )


def _variance(off: Sequence[float]) -> tuple[float, float]:
    """Of the average of values that are 0 on average, and the correlation of neighbours among them."""
    squares = sum(value * value for value in off)
    if not squares:
        return 0.0, 0.0
    correlation = sum(before * after for before, after in pairwise(off)) / squares
    return squares / (len(off) - 1) / len(off) * max(1.0, (1 + correlation) / (1 - correlation)), correlation


def _exceeding(base: Percentile, other: Percentile, shift: float, *, paired: bool) -> _Score:
    """How the shares of samples differ that exceed the pooled percentile, when other is less by `shift`."""
    pooled = _pooled(base.ordered, other.ordered, shift, rank_of(base.percent, len(base.ordered) + len(other.ordered)))
    return _score(_above(base, pooled), _above(other, pooled + shift), paired=paired)


def _above(percentile: Percentile, limit: float) -> Sums:
    """The share of samples above a limit; what is equal to it counts half."""
    return Sums(
        parts=tuple(
            len(block) - (bisect_left(block, limit) + bisect_right(block, limit)) / 2 for block in percentile.blocks
        ),
        wholes=tuple(float(len(block)) for block in percentile.blocks),
        samples=len(percentile.ordered),
    )


def _pooled(base: Sequence[float], other: Sequence[float], shift: float, rank: int) -> float:
    """The sample of this rank, from 1, in both together, when other is less by `shift`. Both are in rising order."""
    low, high = max(0, rank - len(other)), min(rank, len(base))
    while low < high:  # how many come from base
        middle = (low + high) // 2
        if base[middle] < other[rank - middle - 1] - shift:
            low = middle + 1
        else:
            high = middle
    ends = [base[low - 1]] * (low > 0) + [other[rank - low - 1] - shift] * (rank > low)
    return max(ends)


def _farthest(base: Percentile, other: Percentile, difference: float, *, paired: bool, alarms: float) -> float:
    """The greatest shift of other at which nobody could tell the two apart; infinite where there is none."""

    def differs(shift: float) -> bool:
        return _exceeding(base, other, shift, paired=paired).differs(alarms)

    span = max(_last(base.ordered), _last(other.ordered)) - min(base.ordered[0], other.ordered[0])
    if span == 0 or differs(difference):
        return difference
    held, step = difference, span / 2**20
    while not differs(difference + step):
        held, step = difference + step, 2 * step
        if step > 4 * span:
            return inf
    beyond = difference + step
    for _ in range(HALVINGS):
        middle = (held + beyond) / 2
        held, beyond = (held, middle) if differs(middle) else (middle, beyond)
    return held


def _last(ordered: Sequence[float]) -> float:
    """The greatest that is finite."""
    return ordered[bisect_left(ordered, inf) - 1]
