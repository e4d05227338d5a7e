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
from harness.records.columns import frame_of
from harness.records.operations import Ack, Iteration, Operation, substream
from harness.records.run import Recorded
from harness.records.samples import Sample
from harness.records.steps import Step
from harness.sampling import sampled
from harness.testbed import Testbed
from loadtests.arrivals import Arrivals, parse
from loadtests.engine import Progress, fire
from loadtests.knee import find_knee
from loadtests.load import BACKLOG_SECONDS, Load, refuse_budget
from loadtests.mix import Mix
from loadtests.run import LEAD_SECONDS
from loadtests.trace import Trace

SECONDS = 20.0
"""How long a rate is offered. In a shorter time a rate just above the knee leaves too little behind to be seen."""
FEWEST = 450
"""Iterations of a trial, at least, however long they take: of fewer than 368 nobody can say where the p99 ends, and as
many come although chance has its share in how many come."""
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
    """Seconds that what a trial left behind has to end before the next: it would be charged to the wrong rate."""

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
    mix: Mix,
    search: Search,
    *,
    on_step: Callable[[Step], None] = lambda _: None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Capacity:
    """Search the knee of this mix, and write each step into the run.

    Workers must be up, and the target prepared. Processes are sampled meanwhile, to tell what saturates. Raises
    CannotRun where the scenarios wait for no result: there is no response time then.
    """
    steps: list[Step] = []
    trials = count()

    async def probe(rate: float) -> Trial:
        # Each trial draws anew: a rate that is tried again with the same gaps would say the same again.
        times = search.arrivals(rate).times(substream(bed.run.info.seed, "capacity", str(next(trials))))
        load = Load(mix=mix, arrivals=Trace(ARRIVALS, search.seconds_of(rate), tuple(times)))
        return await _trial(bed, load, search, on_progress)

    def made(step: Step) -> None:
        steps.append(step)
        bed.run.write(step)
        on_step(step)

    async with sampled(bed):
        await find_knee(probe, limits=search.limits, start=search.start, most=search.most, on_step=made)
    return capacity_of(steps)


async def _trial(bed: Testbed, load: Load, search: Search, on_progress: Callable[[Progress], None]) -> Trial:
    """Offer this load, and wait until all of it has ended, what nobody waited for as well.

    The run's own load, which its gate judges, it is not.
    """
    began = now() + LEAD_SECONDS + load.planning
    scenarios = {scenario.name: scenario for scenario in load.mix.scenarios}
    first = {name: bed.next_index(scenario) for name, scenario in scenarios.items()}
    iterations = load.iterations(bed.run.info.id, bed.run.info.seed, began, first)
    operations: list[Operation] = []

    def record(operation: Operation) -> None:
        bed.run.write(operation)
        operations.append(operation)

    bed.planned(iterations)
    bed.broken += await fire(
        scenarios,
        iterations,
        lambda iteration: bed.app(iteration, record=record),
        in_flight=load.in_flight,
        on_progress=on_progress,
    )
    ended = now()
    calls = frame_of(Operation, operations)
    found = responses(calls, {name: scenario.ends for name, scenario in scenarios.items()})
    times = answered_times(found).to_list()
    if operations and found.is_empty():
        raise CannotRun(
            f"{', '.join(scenarios)}: no iteration waits for a result, so there is no response time to find a knee by.",
            remedy="Choose scenarios that wait for their results.",
        )
    unserved = _unserved(iterations, operations, found)
    trial = Trial(began=began, ended=ended, times=times, lags=lags(calls).to_list(), unserved=unserved)
    samples = Recorded(bed.run.directory).read(Sample)
    limit = saturated(samples, began, ended, processors=os.cpu_count() or 1, generator_late=late(trial, search.limits))
    if running := await bed.quiesce(search.idle):
        bed.notify(f"{running} workflows of this trial still run: the next one shares the system with them")
    return replace(trial, saturated=limit)


def _unserved(iterations: Sequence[Iteration], operations: Sequence[Operation], found: pl.DataFrame) -> int:
    """How many were not: without a good answer, or, of scenarios that wait for none, with a call that was not taken."""
    waiting = set(found["scenario"])
    answered = found.filter(pl.col("outcome") == Outcome.ANSWERED)
    served = set(answered.select("scenario", "iteration").iter_rows())
    calls = [operation for operation in operations if operation.scenario not in waiting]
    served |= {(each.scenario, each.iteration) for each in calls}
    served -= {(each.scenario, each.iteration) for each in calls if each.ack is not Ack.OK}
    return sum((each.scenario, each.index) not in served for each in iterations)
