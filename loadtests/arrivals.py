"""Arrivals: the times at which iterations are meant to start. Pure functions of a seed.

Two things are told apart: the *curve*, which is the rate over time, and how arrivals are spaced on it: evenly, one each
time the curve has amounted to one more, or at random, as a Poisson process of that rate.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from random import Random
from typing import Protocol

import msgspec
from msgspec.structs import fields

from loadtests import trace
from loadtests.curve import Curve
from loadtests.patterns import Burst, Constant, Pattern, Ramp, Sine, Spike, Step

MOST = 1_000_000
"""Arrivals one run may plan: more is a slip of the keyboard on one machine."""
HIGHEST = 1e12
"""Arrivals a second that no curve comes to; beyond, squares of a rate are no numbers any more."""


class Arrivals(Protocol):
    """When iterations are meant to start."""

    @property
    def spec(self) -> str:
        """What was asked for, such as `ramp:from=5,to=50`."""

    @property
    def duration(self) -> float:
        """Seconds over which they are started."""

    @property
    def expected(self) -> float:
        """How many there are; where they are drawn at random, how many on average."""

    @property
    def highest(self) -> float:
        """The highest rate they come to, in iterations a second."""

    def rate_at(self, seconds: float) -> float:
        """The rate at a moment, in iterations a second; of a trace, in the second around it. 0 outside the duration."""

    def times(self, rng: Random) -> list[float]:
        """Seconds from the start, in order, all before `duration`. At random, where few are expected, perhaps none."""


@dataclass(frozen=True)
class Shape:
    """One kind of arrivals, as `parse` knows it and `described` tells it."""

    pattern: type[Pattern]
    told: str
    example: str
    random: bool = False

    @property
    def options(self) -> list[str]:
        """The names of its options."""
        own = [field.encode_name for field in fields(self.pattern)]  # type: ignore[arg-type]  # every pattern is a Struct
        return own if self.random else [*own, "random"]


SHAPES = {
    "constant": Shape(Constant, "the same rate throughout", "constant"),
    "poisson": Shape(Constant, "the same rate, at random: independent users", "poisson", random=True),
    "ramp": Shape(Ramp, "straight from one rate to another; by default from 0 to twice the rate", "ramp:from=5,to=50"),
    "step": Shape(Step, "stairs of equal length and height; by default four", "step:steps=4,from=10,to=40"),
    "spike": Shape(
        Spike, "one peak above a base; by default five times it, a tenth of the time", "spike:peak=100,at=20,lasting=5"
    ),
    "burst": Shape(Burst, "size arrivals within 0.1 s, every so many seconds; by default 5", "burst:size=10,every=5"),
    "sine": Shape(
        Sine, "ebb and flow; by default from half the rate to one and a half", "sine:low=5,high=40,period=20"
    ),
}
TRACE = "trace"
TRACE_EXAMPLE = "trace:times.csv"


@dataclass(frozen=True)
class Planned:
    """Arrivals on a curve."""

    spec: str
    duration: float
    curve: Curve
    random: bool

    @property
    def expected(self) -> float:
        """The integral of the rate over the duration."""
        return self.curve.amount_by(self.duration)

    @property
    def highest(self) -> float:
        """The highest rate of the curve."""
        return self.curve.highest

    def rate_at(self, seconds: float) -> float:
        """The curve's rate at this moment."""
        return self.curve.rate_at(seconds) if 0 <= seconds < self.duration else 0.0

    def times(self, rng: Random) -> list[float]:
        """One arrival for each amount: 0, 1, 2, …, or with exponential gaps between them."""
        amounts = _at_random(rng, self.expected) if self.random else range(round(self.expected))
        times = sorted(map(self.curve.time_of, amounts))  # sorted already, but for the last digit where pieces meet
        while times and times[-1] >= self.duration:
            times.pop()
        return times


def parse(spec: str, rate: float, duration: float) -> Arrivals:
    """The arrivals that `spec` asks for: a shape, and after a colon its options; `described` lists them.

    `rate`, in iterations a second, is the mean over `duration` seconds, unless options say otherwise: what they leave
    out follows from it. It is of no use to a trace. Every shape but a trace takes `random=yes`. Raises ValueError,
    with what is known and an example, where it cannot be understood, and where it plans none or more than a million.
    """
    if not (duration > 0 and isfinite(duration)):
        message = f"the duration must be above 0 seconds, not {duration}"
        raise ValueError(message)
    name, _, rest = spec.partition(":")
    if name == TRACE:
        return _trace(spec, rest, duration)
    if name not in SHAPES:
        message = f"there are no arrivals {name!r}: expected {', '.join(SHAPES)} or {TRACE}, as in ramp:from=5,to=50"
        raise ValueError(message)
    if not (rate > 0 and isfinite(rate)):
        message = f"the rate must be above 0 iterations a second, not {rate}"
        raise ValueError(message)
    shape = SHAPES[name]
    try:
        options = dict(_options(rest))
        random = shape.random or _yes(options.pop("random", "no"))
        curve = _bounded(msgspec.convert(options, shape.pattern, strict=False).curve(rate, duration))
    except (ValueError, ArithmeticError) as error:
        known = f"its options are {', '.join(shape.options)}" if shape.options else "it has no options"
        message = f"arrivals {spec!r}: {error}; {known}, as in {shape.example}"
        raise ValueError(message) from error
    arrivals = Planned(spec, duration, curve, random)
    if not 0.5 < arrivals.expected < MOST + 0.5:  # neither is a number that is none, nor one without end
        message = (
            f"{spec} at {rate:g}/s for {duration:g} s plans {arrivals.expected:,.1f} iterations; "
            f"it must be between 1 and {MOST:,}"
        )
        raise ValueError(message)
    return arrivals


def described() -> str:
    """Every kind of arrivals in a line, with an example: help for whoever has to name one."""
    lines = [f"{name}: {shape.told} ({shape.example})" for name, shape in SHAPES.items()]
    lines.append(f"{TRACE}: the times of a CSV file, in seconds from the start ({TRACE_EXAMPLE})")
    lines.append("Each but a trace takes random=yes: at random around its rate.")
    return "\n".join(lines)


def _trace(spec: str, name: str, duration: float) -> trace.Trace:
    if not name:
        message = f"arrivals {spec!r} name no file: expected the times in a CSV file, as in {TRACE_EXAMPLE}"
        raise ValueError(message)
    times = trace.read(Path(name), MOST)
    within = tuple(time for time in times if time < duration)
    if not within:
        message = f"{name} begins at {times[0]:g} s from the start, and the load ends at {duration:g} s"
        raise ValueError(message)
    return trace.Trace(spec, duration, within)


def _options(text: str) -> Iterator[tuple[str, str]]:
    seen = set()
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            message = f"{part!r} is no option with a value"
            raise ValueError(message)
        if name in seen:
            message = f"{name} is said twice"
            raise ValueError(message)
        seen.add(name)
        yield name, value


def _yes(answer: str) -> bool:
    if answer not in {"yes", "no"}:
        message = f"random is yes or no, not {answer!r}"
        raise ValueError(message)
    return answer == "yes"


def _bounded(curve: Curve) -> Curve:
    if not curve.highest < HIGHEST:
        message = "its rate has no bounds"
        raise ValueError(message)
    return curve


def _at_random(rng: Random, total: float) -> Iterator[float]:
    amount = rng.expovariate(1.0)
    while amount < total:
        yield amount
        amount += rng.expovariate(1.0)
