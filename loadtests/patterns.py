"""The shapes a load can have: each draws its curve from a mean rate, a duration and the options it was given."""

from itertools import pairwise
from math import cos, tau
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from loadtests.curve import Curve, Piece

Rate = Annotated[float, Meta(ge=0)]
Above = Annotated[float, Meta(gt=0)]

SPIKE = 5.0
"""How many times its base a spike is, where nothing is said."""
BURST_SECONDS = 5.0
"""About how often a burst comes, where nothing is said."""
PIECES_OF_A_SINE = 360
"""A polygon of so many sides is off by less than 0.004 % of the amplitude, and can be inverted without searching."""


class Pattern(Protocol):
    """One shape with its options. Levels left out are such that the mean over the duration is `rate`."""

    def curve(self, rate: float, duration: float) -> Curve:
        """Its curve. Raises ValueError where a level would have to be below 0."""


class Constant(Struct, forbid_unknown_fields=True, frozen=True):
    """The same rate throughout."""

    def curve(self, rate: float, duration: float) -> Curve:
        """Its curve."""
        return Curve((Piece(duration, rate, rate),))


class Ramp(Struct, forbid_unknown_fields=True, frozen=True, rename={"start": "from", "end": "to"}):
    """Straight from one rate to another; from 0 to twice the mean, where nothing is said."""

    start: Rate | None = None
    end: Rate | None = None

    def curve(self, rate: float, duration: float) -> Curve:
        """Its curve."""
        start, end = _ends(self.start, self.end, rate)
        return Curve((Piece(duration, start, end),))


class Step(Struct, forbid_unknown_fields=True, frozen=True, rename={"start": "from", "end": "to"}):
    """Stairs of equal length and height; the first as high as those between them, where nothing is said."""

    steps: Annotated[int, Meta(ge=2, le=10_000)] = 4
    start: Rate | None = None
    end: Rate | None = None

    def curve(self, rate: float, duration: float) -> Curve:
        """Its curve."""
        start = 2 * rate / (self.steps + 1) if self.start is self.end is None else self.start
        start, end = _ends(start, self.end, rate)
        rates = [start + (end - start) * step / (self.steps - 1) for step in range(self.steps)]
        return Curve(tuple(Piece(duration / self.steps, rate, rate) for rate in rates))


class Spike(Struct, forbid_unknown_fields=True, frozen=True):
    """A base, and once a peak: five times the base, for a tenth of the time and amid it, where nothing is said."""

    base: Rate | None = None
    peak: Rate | None = None
    at: Rate | None = None
    lasting: Above | None = None

    def curve(self, rate: float, duration: float) -> Curve:
        """Its curve."""
        lasting = duration / 10 if self.lasting is None else self.lasting
        at = (duration - lasting) / 2 if self.at is None else self.at
        rest = duration - at - lasting
        if at < 0 or rest < 0:
            message = f"a spike at {at:g} s, lasting {lasting:g} s, is not over within {duration:g} s"
            raise ValueError(message)
        base, peak = self._levels(rate * duration, lasting, duration - lasting)
        return Curve((Piece(at, base, base), Piece(lasting, peak, peak), Piece(rest, base, base)))

    def _levels(self, amount: float, lasting: float, others: float) -> tuple[float, float]:
        if self.base is None and self.peak is None:
            base = amount / (others + SPIKE * lasting)
            return base, SPIKE * base
        if self.base is None:
            assert self.peak is not None
            return _left("base", (amount - self.peak * lasting) / others if others else 0.0), self.peak
        if self.peak is None:
            return self.base, _left("peak", (amount - self.base * others) / lasting)
        return self.base, self.peak


class Burst(Struct, forbid_unknown_fields=True, frozen=True):
    """Many within a moment, then none until the next: about every 5 s, and the last whole, where nothing is said."""

    size: Above | None = None
    every: Above | None = None
    within: Above = 0.1

    def curve(self, rate: float, duration: float) -> Curve:
        """Its curve."""
        every = self.every
        if every is None:
            whole = duration / max(1, round(duration / BURST_SECONDS))
            every = whole if self.size is None else self.size / rate
        size = rate * every if self.size is None else self.size
        within = min(self.within, every)
        return Curve((Piece(within, size / within, size / within), Piece(every - within, 0, 0)))


class Sine(Struct, forbid_unknown_fields=True, frozen=True):
    """Ebb and flow, from ebb: twice, between half the mean and one and a half, where nothing is said."""

    low: Rate | None = None
    high: Rate | None = None
    period: Above | None = None

    def curve(self, rate: float, duration: float) -> Curve:
        """Its curve."""
        low = rate / 2 if self.low is self.high is None else self.low
        low, high = _ends(low, self.high, rate, names=("low", "high"))
        period = duration / 2 if self.period is None else self.period
        rates = [
            low + (high - low) * (1 - cos(tau * side / PIECES_OF_A_SINE)) / 2 for side in range(PIECES_OF_A_SINE + 1)
        ]
        seconds = period / PIECES_OF_A_SINE
        return Curve(tuple(Piece(seconds, *ends) for ends in pairwise(rates)))


def _ends(
    start: float | None, end: float | None, mean: float, names: tuple[str, str] = ("from", "to")
) -> tuple[float, float]:
    """Two levels half-way between which the mean lies: what is left out follows from the other."""
    if start is None:
        start = 0.0 if end is None else _left(names[0], 2 * mean - end)
    return start, _left(names[1], 2 * mean - start) if end is None else end


def _left(name: str, level: float) -> float:
    if level < 0:
        message = f"for the mean to be the rate, {name} would have to be {level:g}/s: give {name}= as well"
        raise ValueError(message)
    return level
