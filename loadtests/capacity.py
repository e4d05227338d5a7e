"""Finds the capacity of a system that stands: offers it rate after rate, and tells where its knee is."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from random import Random

from msgspec.structs import replace

from harness.checking.capacity import Capacity, Limits, Trial, capacity_of, late
from harness.checking.load import lags
from harness.checking.responses import Outcome, responses
from harness.checking.saturation import saturated
from harness.clock import now
from harness.errors import CannotRun
from harness.records.operations import Operation, substream
from harness.records.run import Recorded
from harness.records.samples import Sample
from harness.records.steps import Step
from harness.sampling import sampled
from harness.testbed import Testbed
from loadtests.arrivals import parse
from loadtests.engine import Progress, fire
from loadtests.knee import find_knee
from loadtests.load import Load
from loadtests.mix import Mix
from loadtests.run import LEAD_SECONDS
from loadtests.trace import Trace

SECONDS = 20.0
"""How long a rate is offered. In a shorter time a rate just above the knee leaves too little behind to be seen."""
FEWEST = 100
"""Iterations of a trial, at least, however long they take: of fewer the p99 is but the slowest."""
ARRIVALS = "poisson"
"""Users come at random: evenly spaced, they would never meet, and the knee would look higher than it is."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """Between which rates the knee is sought, and by what it is told. Rates are iterations a second."""

    limits: Limits
    start: float
    most: float
    seconds: float = SECONDS
    """How long a rate is offered; longer where that is needed for the fewest iterations."""
    fewest: int = FEWEST


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
        seconds = max(search.seconds, search.fewest / rate)
        # Each trial draws anew: a rate that is tried again with the same gaps would say the same again.
        times = parse(ARRIVALS, rate, seconds).times(substream(bed.run.info.seed, "capacity", str(next(trials))))
        load = Load(mix=mix, arrivals=Trace(ARRIVALS, seconds, tuple(times)))
        return await _trial(bed, load, search.limits, on_progress)

    def made(step: Step) -> None:
        steps.append(step)
        bed.run.write(step)
        on_step(step)

    rng: Random = substream(bed.run.info.seed, "capacity")
    async with sampled(bed):
        await find_knee(probe, limits=search.limits, start=search.start, most=search.most, rng=rng, on_step=made)
    return capacity_of(steps)


async def _trial(bed: Testbed, load: Load, limits: Limits, on_progress: Callable[[Progress], None]) -> Trial:
    """Offer this load, and wait until all of it has ended. The run's own load, which its gate judges, it is not."""
    began = now() + LEAD_SECONDS
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
    found = responses(operations)
    times = [response.time for response in found if response.outcome is Outcome.ANSWERED and response.time is not None]
    if operations and not found:
        raise CannotRun(
            f"{', '.join(scenarios)}: no iteration waits for a result, so there is no response time to find a knee by.",
            remedy="Choose scenarios that wait for their results.",
        )
    trial = Trial(began=began, ended=ended, times=times, lags=lags(operations), unserved=len(iterations) - len(times))
    samples = Recorded(bed.run.directory).read(Sample)
    limit = saturated(samples, began, ended, processors=os.cpu_count() or 1, generator_late=late(trial, limits))
    return replace(trial, saturated=limit)
