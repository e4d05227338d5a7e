"""Whether a series rises or falls, and how fast: the Mann-Kendall test, and Sen's slope.

The test compares every value with every later one and asks whether more of them rose than chance would explain
(Mann, 1945; Kendall, 1975). The slope is the median of the slopes of all those pairs (Sen, 1968). Neither minds the
distribution, nor a few values that are far off; both take the values to be independent of one another.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import erfc, sqrt
from statistics import median

from msgspec import Struct

FEWEST = 10
"""Below this the normal distribution says little of the test's figure (Kendall, 1975)."""
MOST = 500
"""Pairs grow with the square: so many values take a tenth of a second."""


class Trend(Struct, frozen=True, kw_only=True):
    """What the test says of a series."""

    rises: int
    """Pairs in which the later value is greater, less those in which it is smaller."""
    p: float
    """How likely a figure as great, up or down, would be without any trend."""
    slope: float
    """Sen's slope, in units of the values by units of the times."""


def trend(times: Sequence[float], values: Sequence[float]) -> Trend:
    """The trend of values taken at these times, which rise.

    Raises ValueError unless there are as many times as values, between 10 and 500 of them.
    """
    if not FEWEST <= len(values) <= MOST:
        message = f"a trend is told from {FEWEST} to {MOST} values, not {len(values)}"
        raise ValueError(message)
    points = list(zip(times, values, strict=True))
    pairs = list(combinations(points, 2))
    rises = sum((later[1] > earlier[1]) - (later[1] < earlier[1]) for earlier, later in pairs)
    slope = median((later[1] - earlier[1]) / (later[0] - earlier[0]) for earlier, later in pairs)
    return Trend(rises=rises, p=_chance(rises, values), slope=slope)


def _chance(rises: int, values: Sequence[float]) -> float:
    """Two-sided, by the normal distribution, corrected for ties and for continuity."""
    variance = (_pairs(len(values)) - sum(map(_pairs, Counter(values).values()))) / 18
    if variance == 0:  # all values are the same
        return 1.0
    return erfc(max(0, abs(rises) - 1) / sqrt(variance) / sqrt(2))


def _pairs(count: int) -> int:
    return count * (count - 1) * (2 * count + 5)
