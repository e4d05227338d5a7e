"""Finds the capacity of a system that stands: offers it rate after rate, and tells where its knee is."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from math import inf

import polars as pl
from msgspec.structs import replace

from harness.checking.capacity import Capacity, Limits, Trial, capacity_of, late
from harness.checking.load import lags
from harness.checking.responses import Outcome, answered_times, responses
from harness.checking.saturation import saturated
from harness.clock import now
from harness.errors import CannotRun
from harness.records.operations import Ack, Iteration, Operation
from harness.records.run import Recorded
from harness.records.samples import Sample
from harness.records.steps import Step
from harness.sampling import sampled
from harness.testbed import Testbed
from loadtests.arrivals import Arrivals, parse
from loadtests.engine import Progress
from loadtests.hosted import Wish
from loadtests.knee import find_knee
from loadtests.load import BACKLOG_SECONDS, refuse_budget
from loadtests.processes import generated

SECONDS = 20.0
"""How long a rate is offered. In a shorter time a rate just above the knee leaves too little behind to be seen."""
FEWEST = 570
"""Iterations of a trial, at least, however long they take: of fewer than 477 nobody can say where the p99 ends, if a
rate is looked at three times; and as many come although chance has its share in how many come."""
LONGEST = 3_600.0
"""Seconds of the first trial, at most: a rate that takes longer to tell a p99 by is no place to begin."""
ARRIVALS = "poisson"
"""Users come at random: evenly spaced, they would never meet, and the knee would look higher than it is."""
EXAMPLE = "Example: temper load capacity orders-place --p99 2"


@dataclass(frozen=True, kw_only=True)
class Search:
    """Between which rates the knee is sought, and by what it is told. Rates are iterations a second."""

    limits: Limits
    start: float
    most: float
    seconds: float = SECONDS
    """How long a rate is offered; longer where that is needed for the fewest iterations."""
    fewest: int = FEWEST
    idle: float = BACKLOG_SECONDS
    """Seconds that what a trial left behind has to end before the next."""

    def __post_init__(self) -> None:
        """Refuse a search that could not be made, before anything is started. Raises CannotRun."""
        refuse_budget(self.limits.lag_budget)
        if not (0 < self.start <= self.most and self.seconds > 0 and 0 < self.limits.p99 < inf):
            raise CannotRun("A search goes from a rate above 0 to a higher one, for some seconds each.", remedy=EXAMPLE)
        if self.seconds_of(self.start) > LONGEST:
            raise CannotRun(
                f"At {self.start:g}/s it takes {self.seconds_of(self.start):,.0f} s to tell a p99 by.",
                remedy=f"Begin at a higher rate, and with shorter trials. {EXAMPLE}",
            )
        try:
            self.arrivals(self.most)
        except ValueError as error:
            raise CannotRun(f"{error}.", remedy=f"Search up to a lower rate. {EXAMPLE}") from error

    def seconds_of(self, rate: float) -> float:
        """How long this rate is offered."""
        return max(self.seconds, self.fewest / rate)

    def arrivals(self, rate: float) -> Arrivals:
        """How it is offered. Raises ValueError where that is more than one run may plan."""
        return parse(ARRIVALS, rate, self.seconds_of(rate))


async def capacity(
    bed: Testbed,
    names: Sequence[str],
    search: Search,
    processes: int = 1,
    *,
    on_step: Callable[[Step], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Capacity:
    """Search the knee of the mix of these names, and write each step into the run.

    Each rate is offered by so many processes, and after what was left of the one before has ended: it would be charged
    to the wrong rate. Workers must be up, and the target prepared. Processes are sampled meanwhile, to tell what
    saturates. Raises CannotRun where the scenarios wait for no result: there is no response time then.
    """
    steps: list[Step] = []
    trials = count()

    async def probe(rate: float) -> Trial:
        if left := await bed.quiesce(search.idle):
            bed.notify(f"{left} workflows of trials before still run: the next one shares the system with them")
        # Each trial draws anew: a rate that is tried again with the same gaps would say the same again.
        wish = Wish(
            mix=names,
            rate=rate,
            duration=search.seconds_of(rate),
            arrivals=ARRIVALS,
            draw=f"capacity/{next(trials)}",
        )
        iterations = await generated(bed, wish, processes, of_run=False, on_progress=on_progress)
        return replace(_trial(bed, iterations, search.limits), disturbed=left)

    def made(step: Step) -> None:
        steps.append(step)
        bed.run.write(step)
        on_step(step)

    async with sampled(bed):
        await find_knee(probe, limits=search.limits, start=search.start, most=search.most, on_step=made)
    return capacity_of(steps)


def _trial(bed: Testbed, iterations: Sequence[Iteration], limits: Limits) -> Trial:
    """What became of these iterations, which are the last that were planned, and have ended."""
    began = min((each.intended for each in iterations), default=now())
    recorded = Recorded(bed.run.directory)
    calls = recorded.frame(Operation).filter(pl.col("intended") >= began)
    scenarios = {each.scenario for each in iterations}
    found = responses(calls, {name: bed.target.scenario(name).ends for name in scenarios})
    if found.is_empty() and not calls.is_empty():
        raise CannotRun(
            f"{', '.join(scenarios)}: no iteration waits for a result, so there is no response time to find a knee by.",
            remedy="Choose scenarios that wait for their results.",
        )
    trial = Trial(
        began=began,
        ended=calls.select(pl.max_horizontal("sent", "acknowledged", "given_up").max()).item() or now(),
        times=answered_times(found).to_list(),
        lags=lags(calls).to_list(),
        unserved=len(iterations) - _served(calls, found),
    )
    samples = recorded.read(Sample)
    limit = saturated(samples, began, trial.ended, processors=os.cpu_count() or 1, generator_late=late(trial, limits))
    return replace(trial, saturated=limit)


def _served(calls: pl.DataFrame, found: pl.DataFrame) -> int:
    """How many iterations were: with a good answer, or, of scenarios that wait for none, with calls that were taken."""
    answered = found.filter(pl.col("outcome") == Outcome.ANSWERED).height
    others = calls.join(found, on="scenario", how="anti").group_by("scenario", "iteration")
    taken = others.agg(taken=(pl.col("ack") == Ack.OK).all())
    return answered + taken.filter("taken").height
