"""A rate over time, drawn with straight pieces: what it amounts to by a moment, and when it has amounted to so much."""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from math import sqrt

NOTHING = 1e-9
"""Of an arrival: what is short of a whole one by no more is a whole one, where rounding meets the edge of a piece."""


@dataclass(frozen=True)
class Piece:
    """Some seconds in which the rate goes straight from `begin` to `end`, in arrivals a second."""

    seconds: float
    begin: float
    end: float

    @property
    def amount(self) -> float:
        """Arrivals in the whole piece."""
        return (self.begin + self.end) / 2 * self.seconds

    def rate_at(self, seconds: float) -> float:
        """The rate so long after its beginning."""
        return self.begin + (self.end - self.begin) * seconds / self.seconds

    def amount_by(self, seconds: float) -> float:
        """Arrivals until so long after its beginning."""
        return (self.begin + self.rate_at(seconds)) / 2 * seconds

    def time_of(self, amount: float) -> float:
        """How long after its beginning it has amounted to so much."""
        if amount <= 0:
            return 0.0
        slope = (self.end - self.begin) / self.seconds
        # The root of the quadratic that does not subtract: it is exact for a slope of 0, and near it.
        return min(self.seconds, 2 * amount / (self.begin + sqrt(max(0.0, self.begin**2 + 2 * slope * amount))))


@dataclass(frozen=True)
class Curve:
    """The pieces of one period, which is repeated for ever. What does not repeat is one long period."""

    pieces: tuple[Piece, ...]

    @cached_property
    def highest(self) -> float:
        """The highest rate it comes to."""
        return max(max(piece.begin, piece.end) for piece in self.pieces)

    def rate_at(self, seconds: float) -> float:
        """Arrivals a second at this moment; where two pieces meet, that of the later."""
        _, within = divmod(seconds, self._period)
        index = bisect_right(self._begins, within) - 1
        return self.pieces[index].rate_at(within - self._begins[index])

    def amount_by(self, seconds: float) -> float:
        """Arrivals until this moment: the integral of the rate."""
        periods, within = divmod(seconds, self._period)
        index = bisect_right(self._begins, within) - 1
        part = self.pieces[index].amount_by(within - self._begins[index])
        return periods * self._amount + self._amounts[index] + part

    def time_of(self, amount: float) -> float:
        """The moment from which on it amounts to more than this: the inverse of the integral, in closed form."""
        periods, within = divmod(amount + NOTHING, self._amount)
        index = bisect_right(self._amounts, within) - 1
        part = self.pieces[index].time_of(within - NOTHING - self._amounts[index])
        return periods * self._period + self._begins[index] + part

    @cached_property
    def _begins(self) -> list[float]:
        return list(accumulate((piece.seconds for piece in self.pieces[:-1]), initial=0.0))

    @cached_property
    def _amounts(self) -> list[float]:
        """What it amounts to at the beginning of each piece."""
        return list(accumulate((piece.amount for piece in self.pieces[:-1]), initial=0.0))

    @cached_property
    def _period(self) -> float:
        return self._begins[-1] + self.pieces[-1].seconds

    @cached_property
    def _amount(self) -> float:
        return self._amounts[-1] + self.pieces[-1].amount
