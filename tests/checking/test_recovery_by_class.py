"""The p95 of the recoveries of each class of fault."""

import math

from handwritten_stories import window

from harness.checking.recovery import Recovered, Untold
from harness.checking.recovery_by_class import by_class


def took(seconds: float | None, untold: Untold | None = None, watched: float = 30.0) -> Recovered:
    """A fault of one class, and how it was recovered from."""
    return Recovered(window=window(), limit=1.0, seconds=seconds, untold=untold, watched=watched, late=0, spent=())


def test_one_of_twenty_may_take_long() -> None:
    """The p95 of twenty is the nineteenth; of fewer, the slowest."""
    (found,) = by_class([*[took(2.0)] * 18, took(5.0), took(50.0)], within=6)
    assert (found.p95, found.faults, found.over(6)) == (5.0, 20, False)
    (found,) = by_class([took(2.0), took(7.0)], within=6)
    assert (found.p95, found.over(6)) == (7.0, True)


def test_what_was_never_steady_is_slower_than_what_was() -> None:
    """As is what the next fault interrupted after the time allowed; sooner, it is not known, and does not count."""
    never, later = took(None, Untold.NEVER_STEADY), took(None, Untold.NEXT_FAULT, watched=7.0)
    for unsteady in (never, later):
        (found,) = by_class([took(2.0), unsteady], within=6)
        assert (found.p95, found.faults) == (math.inf, 2)
    (found,) = by_class([took(2.0), took(None, Untold.NEXT_FAULT, watched=5.0)], within=6)
    assert (found.p95, found.faults) == (2.0, 1)
