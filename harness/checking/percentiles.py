"""Exact percentiles by nearest rank, from raw samples."""

import math
from collections.abc import Sequence
from fractions import Fraction

import polars as pl


def percentile(samples: Sequence[float] | pl.Series, percent: float, *, missing: int = 0) -> float | None:
    """The smallest sample that at least `percent` per cent of all samples do not exceed.

    Nearest rank: sample number ceil(percent / 100 * n) in rising order. No interpolation, so the answer is always
    one that was measured; percent=50 is the median (of an even number of samples, the lower middle one),
    percent=100 the maximum. The rank is computed in fractions: 0.07 * 100 is not 7 in floating point.

    `missing` samples are known to exist and to be greater than any measured (calls nobody answered). Where the rank
    falls among them, or where there are no samples, the percentile is not known: None.
    """
    if not 0 < percent <= 100:
        message = f"a percentile is above 0 and at most 100, not {percent}"
        raise ValueError(message)
    rank = math.ceil(Fraction(str(percent)) / 100 * (len(samples) + missing))
    if not 1 <= rank <= len(samples):
        return None
    ordered = samples.sort() if isinstance(samples, pl.Series) else sorted(samples)
    return float(ordered[rank - 1])


def median(samples: Sequence[float] | pl.Series) -> float | None:
    """The 50th percentile by nearest rank; None if there are no samples."""
    return percentile(samples, 50)
