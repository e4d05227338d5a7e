"""Puts a scenario under load on a testbed: plans the arrivals, fires them, and notes what was driven."""

from collections.abc import Callable
from typing import Any

from harness.clock import now
from harness.records.operations import substream
from harness.scenario import Scenario
from harness.testbed import Testbed
from loadtests.arrivals import Arrivals
from loadtests.engine import Progress, fire, planned

LEAD_SECONDS = 0.2
"""Between planning and the first arrival, so that the first one is not late already."""


async def under_load(
    bed: Testbed,
    scenario: Scenario[Any],
    arrivals: Arrivals,
    *,
    begin: float | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> None:
    """Start iterations at these arrivals, and wait until all have ended.

    `begin` is when the first arrives, in seconds since the Unix epoch. Workers must be up, and the target prepared.
    """
    times = arrivals.times(substream(bed.run.info.seed, "arrivals", scenario.name))
    bed.run.under_load(scenario.name, rate=arrivals.expected / arrivals.duration, duration=arrivals.duration)
    iterations = planned(
        bed.run.info.id,
        scenario.name,
        bed.run.info.seed,
        times,
        begin or now() + LEAD_SECONDS,
        bed.next_index(scenario),
    )
    driven = await fire(scenario, iterations, bed.app, room=bed.room, on_progress=on_progress)
    bed.driven(driven.iterations, driven.broken)
