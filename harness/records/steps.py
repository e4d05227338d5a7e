"""Steps in search of the knee: each rate that was offered, and whether the objectives held there."""

from enum import StrEnum

from msgspec import Struct


class Standing(StrEnum):
    """How a rate turned out."""

    HOLDS = "holds"
    BREAKS = "breaks"
    UNCLEAR = "unclear"
    """However often it was repeated, the interval of the p99 lay about the limit, or something else ran beside it."""
    VOID = "void"
    """The generator was late, so it was not this rate that the system was offered."""


class Saturated(Struct, frozen=True, kw_only=True):
    """What was at its limit."""

    what: str
    """worker slots, the processors, worker-1, temporal, postgres, the generator, …"""
    evidence: str
    """The figure that says so."""
    change: str
    """The next setting to try."""


class Step(Struct, frozen=True, kw_only=True):
    """One rate, with all of its repeats taken together. Times are seconds, moments seconds since the Unix epoch."""

    rate: float
    """Iterations offered a second."""
    began: float
    ended: float
    repeats: int
    iterations: int
    unserved: int
    """Iterations that failed, were shed, or were never answered."""
    achieved: float
    """Iterations answered a second, from the first intended start to the last answer."""
    p50: float | None
    """Response time, from the intended start; None where nobody was answered."""
    p99: float | None
    p99_low: float | None
    p99_high: float | None
    """The interval of the p99; None where an end lies among those nobody answered, or there are too few to tell.

    It is so wide that of a hundred rates ninety-five are told rightly, however often each was looked at.
    """
    p99_limit: float
    lag_p99: float
    """How late the generator was."""
    disturbed: int = 0
    """Workflows that trials before had left running as this one began."""
    standing: Standing
    reason: str
    """Why, in one clause."""
    saturated: Saturated | None = None
    """What was at its limit; None where nothing was seen to be."""
