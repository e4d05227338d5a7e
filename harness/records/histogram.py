"""Times of any number of calls in memory of a fixed size: an HDR histogram, which processes can merge."""

import math
from bisect import bisect_left
from collections.abc import Iterable
from fractions import Fraction
from itertools import accumulate
from typing import Self

from hdrh.histogram import HdrHistogram

SECONDS = 1_000_000
"""Its unit is the microsecond."""
LONGEST = 3_600 * SECONDS
DIGITS = 3


class Histogram:
    """Counts times from 1 µs to 1 h, to three digits: what it answers is at most 0.1 % above what was recorded.

    A time beyond an end of that range counts as that end. Not for use from several threads at once.
    """

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self._counts = HdrHistogram(1, LONGEST, DIGITS)
        for each in seconds:
            self.record(each)

    def __len__(self) -> int:
        """How many times were recorded."""
        return int(self._counts.total_count)

    def record(self, seconds: float) -> None:
        """Count one time."""
        self._counts.record_value(min(max(round(seconds * SECONDS), 0), LONGEST))

    def merge(self, other: "Histogram") -> None:
        """Count what another has counted as well."""
        self._counts.add(other._counts)  # noqa: SLF001  # another of its own kind

    def percentile(self, percent: float, *, missing: int = 0) -> float | None:
        """Seconds that at least `percent` per cent of the times do not exceed, by nearest rank.

        `missing` times are known to exist and to be greater than any recorded (calls nobody answered). Where the rank
        falls among them, or where there are no times, the percentile is not known: None. Raises ValueError unless
        `percent` is above 0 and at most 100.
        """
        if not 0 < percent <= 100:
            message = f"a percentile is above 0 and at most 100, not {percent}"
            raise ValueError(message)
        # The library's own rounds the rank to the nearest, and so may answer the sample before.
        rank = math.ceil(Fraction(str(percent)) / 100 * (len(self) + missing))
        if not 1 <= rank <= len(self):
            return None
        index = bisect_left(list(accumulate(self._counts.counts[:])), rank)
        highest = self._counts.get_highest_equivalent_value(self._counts.get_value_from_index(index))
        return float(min(highest, LONGEST)) / SECONDS

    def encode(self) -> str:
        """As text that `decode` reads: HdrHistogram's own V2 format, compressed, in base64."""
        return str(self._counts.encode(), "ascii")

    @classmethod
    def decode(cls, text: str) -> Self:
        """What `encode` wrote."""
        histogram = cls()
        histogram._counts.decode_and_add(text)
        return histogram
