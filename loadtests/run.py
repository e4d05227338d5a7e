"""Puts a testbed under load: plans the iterations, notes them, fires them."""

from collections.abc import Callable, Sequence
from functools import partial

from harness.clock import now
from harness.records.operations import Iteration, Operation
from harness.testbed import Testbed
from loadtests.engine import Progress, fire
from loadtests.load import Load

LEAD_SECONDS = 0.2
"""Between planning and the first arrival, so that the first one is not late already."""


async def under_load(
    bed: Testbed,
    load: Load,
    *,
    begin: float | None = None,
    record: Callable[[Operation], None] | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Start the load's iterations at their times, and wait until all have ended.

    `begin` is when the first may come, in seconds since the Unix epoch; `record` takes each call in the place of the
    run. Workers must be up, and the target prepared.
    """
    begin = begin or now() + LEAD_SECONDS + load.planning
    bed.run.under_load(load.info(begin))
    await driven(bed, load, begin, record=record, on_progress=on_progress)


async def driven(
    bed: Testbed,
    load: Load,
    begin: float,
    *,
    record: Callable[[Operation], None] | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Sequence[Iteration]:
    """Plan the load's iterations, note and fire them, and wait until all have ended; what was planned."""
    scenarios = {scenario.name: scenario for scenario in load.mix.scenarios}
    first = {name: bed.next_index(scenario) for name, scenario in scenarios.items()}
    iterations = load.iterations(bed.run.info.id, bed.run.info.seed, begin, first)
    bed.planned(iterations)
    bed.broken += await fire(
        scenarios, iterations, partial(bed.app, record=record), in_flight=load.in_flight, on_progress=on_progress
    )
    return iterations
