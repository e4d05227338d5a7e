"""Runs an experiment on a testbed: load plus faults, both on one clock."""

import asyncio
from collections.abc import Callable

from chaos.experiment import Experiment
from chaos.schedule import Planned, carry_out
from harness.clock import now
from harness.testbed import Testbed
from loadtests.engine import Progress
from loadtests.load import Load
from loadtests.mix import Mix
from loadtests.run import LEAD_SECONDS, under_load


async def run_experiment(
    bed: Testbed, experiment: Experiment, on_progress: Callable[[Progress], None] = lambda _: None
) -> None:
    """Start the workers on links of their own, put the scenario under load, and break what the experiment says.

    Returns when every fault is healed, every iteration has ended and the workers are
    drained. Raises UnknownName, and ExceptionGroup of what went wrong in the load or in a fault.
    """
    mix = Mix.of(bed.target, experiment.load.scenarios)
    load = Load(mix=mix, arrivals=experiment.load.planned())
    async with bed.workers(experiment.workers, linked=True):
        await bed.prepare(*mix.scenarios)
        begin = now() + LEAD_SECONDS
        plan = [
            Planned(fault=fault.fault(bed), at=fault.at or 0.0, duration=fault.duration) for fault in experiment.fault
        ]
        async with asyncio.TaskGroup() as group:
            group.create_task(carry_out(plan, begin, bed.run.write, bed.notify))
            group.create_task(under_load(bed, load, begin=begin, on_progress=on_progress))
