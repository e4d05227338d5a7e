"""Between which samples a percentile lies: exactly, by their ranks, whatever their distribution.

How many of n samples exceed the p-th percentile is a binomial number, so the ranks that hold it between them follow
from n and p alone (Thompson, 1936; Conover, 1999, section 3.2). Drawing the samples again, as a bootstrap does, can
not look beyond the greatest: of 100 samples its 95 % interval of a p99 ends below the truth in more than a third of
all cases, where it should in one of forty. Here such an interval has no upper end.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, exp, inf, lgamma, log

from harness.checking.bootstrap import CONFIDENCE, Interval


def percentile_bounds(samples: Sequence[float], percent: float, *, confidence: float = CONFIDENCE) -> Interval:
    """A percentile by nearest rank, and between what it lies; infinite where the samples are too few to say.

    Samples may be infinite; they are taken to be independent of one another. Raises ValueError if there are none, or
    unless `percent` is above 0 and below 100.
    """
    if not samples:
        raise ValueError("no samples, no interval")
    ordered, count = sorted(samples), len(samples)
    beyond = _beyond(percent)
    outside = (1 - confidence) / 2
    fewest, most = _exceeding(count, beyond, outside)
    rank = ceil(Fraction(str(percent)) / 100 * count)
    return Interval(
        ordered[rank - 1],
        ordered[count - most] if most <= count else -inf,
        ordered[count - fewest] if fewest > 0 else inf,
    )


def fewest_samples(percent: float, *, confidence: float = CONFIDENCE) -> int:
    """Of how many samples the greatest is an upper bound of a percentile: 368 for the p99."""
    return ceil(log((1 - confidence) / 2) / log(1 - _beyond(percent)))


def _beyond(percent: float) -> float:
    """The share of samples that exceed it."""
    if not 0 < percent < 100:
        message = f"a percentile that has bounds is above 0 and below 100, not {percent}"
        raise ValueError(message)
    return float(1 - Fraction(str(percent)) / 100)


def _exceeding(count: int, share: float, outside: float) -> tuple[int, int]:
    """How many of so many samples exceed the percentile at least, and from how many on it is as unlikely at the end.

    Fewer than the first, or as many as the second: each has a chance of `outside` at most.
    """
    fewest = most = 0
    below = 0.0
    while below < 1 - outside and most <= count:
        chance = exp(
            lgamma(count + 1)
            - lgamma(most + 1)
            - lgamma(count - most + 1)
            + most * log(share)
            + (count - most) * log(1 - share)
        )
        below += chance
        if below <= outside:
            fewest = most + 1
        most += 1
    return fewest, most
