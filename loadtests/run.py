"""Puts a testbed under load: plans the iterations, notes them, fires them."""

from collections.abc import Callable

from harness.clock import now
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
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Start the load's iterations at their times, and wait until all have ended.

    `begin` is when the first may come, in seconds since the Unix epoch. Workers must be up, and the target prepared.
    """
    begin = begin or now() + LEAD_SECONDS + load.planning
    scenarios = {scenario.name: scenario for scenario in load.mix.scenarios}
    first = {name: bed.next_index(scenario) for name, scenario in scenarios.items()}
    iterations = load.iterations(bed.run.info.id, bed.run.info.seed, begin, first)
    bed.run.under_load(load.info(begin))
    bed.planned(iterations)
    bed.broken += await fire(scenarios, iterations, bed.app, in_flight=load.in_flight, on_progress=on_progress)
