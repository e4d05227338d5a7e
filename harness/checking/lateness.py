"""Who is late, and from when on nobody is any more."""

from collections.abc import Iterable, Sequence

import polars as pl
from msgspec import Struct

from harness.checking.percentiles import percentile
from harness.checking.responses import Outcome
from harness.records.experiment import Steady

QUIET = 2.0
"""Seconds in which nobody is late, from which on it counts as steady."""
SOONEST, TIMES = 1.0, 2.0
"""An iteration is late beyond so many times the p99 before the first fault, and never sooner than so many seconds."""
NEVER = float("inf")


class Life(Struct, frozen=True, kw_only=True):
    """One iteration, from its intended start to its end: seconds since the Unix epoch."""

    key: tuple[str, int]
    """Its scenario and its index."""
    intended: float
    ended: float
    """When its answer came, or it failed; NEVER where neither is known."""
    served: bool
    """Whether an answer came, good or bad: that a workflow failed is for others to judge."""

    def later_than(self, limit: float) -> bool:
        """Whether no answer came within so many seconds."""
        return not self.served or self.ended - self.intended > limit


def lives_of(responses: pl.DataFrame) -> list[Life]:
    """The life of each response. Where a start was refused, nobody waited: it ended as it was meant to begin."""
    unheard = pl.when(pl.col("outcome") == Outcome.UNANSWERED).then(NEVER).otherwise("intended")
    told = responses.select("scenario", "iteration", "intended", "answered", ended=pl.coalesce("answered", unheard))
    return [
        Life(key=(scenario, iteration), intended=intended, ended=ended, served=answered is not None)
        for scenario, iteration, intended, answered, ended in told.iter_rows()
    ]


def limit_of(lives: Iterable[Life], first: float, steady: Steady) -> float:
    """Seconds beyond which an iteration is late, from those served before the first fault; at most what is allowed."""
    before = [life.ended - life.intended for life in lives if life.served and life.ended < first]
    typical = percentile(before, 99)
    return steady.response if typical is None else min(steady.response, max(SOONEST, TIMES * typical))


def steady_from(lives: Sequence[Life], heal: float, limit: float, steady: Steady) -> float | None:
    """The first moment from heal on at which it is steady again: seconds since the Unix epoch; None if never.

    For `QUIET` seconds from then on nobody is late, by `limit`, who was meant to start before or in that time; and
    ever after nobody is by `steady.response`. Of each, as many may be late as `steady.served` allows.
    """

    def enough(some: Sequence[Life], within: float) -> bool:
        return sum(life.later_than(within) for life in some) <= (1 - steady.served) * len(some)

    def is_steady(moment: float) -> bool:
        after = [life for life in lives if life.ended > moment]
        soon = [life for life in after if life.intended < moment + QUIET]
        return enough(soon, limit) and enough(after, steady.response)

    ends = {life.ended for life in lives if life.later_than(limit) and heal < life.ended < NEVER}
    return next(filter(is_steady, sorted({heal, *ends})), None)
