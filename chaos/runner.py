"""Runs an experiment on a testbed: load plus faults, both on one clock, and stopped where it goes too far."""

import asyncio
from collections.abc import Callable
from functools import partial

from chaos.drawing import drawn
from chaos.experiment import Experiment
from chaos.schedule import Planned, Stage, carry_out
from chaos.situation import Situation
from chaos.steadiness import Steadiness
from chaos.writing import toml_of
from harness.clock import now
from harness.records.experiment import ExperimentInfo
from harness.records.operations import Operation
from harness.testbed import Testbed
from loadtests.engine import Progress
from loadtests.load import BACKLOG_SECONDS, Load
from loadtests.mix import Mix
from loadtests.run import LEAD_SECONDS, under_load

LAG_BUDGET = 0.5
"""Seconds by which the generator may be late, at the 99th percentile. Nothing is measured in milliseconds here: a fault
takes seconds, and injecting and healing one keeps a small machine busy."""


async def run_experiment(
    bed: Testbed, experiment: Experiment, on_progress: Callable[[Progress], None] = lambda _: None
) -> None:
    """Start the workers on links of their own, put the scenarios under load, and break what the experiment says.

    Returns when every fault is healed, every iteration has ended, no workflow runs any more, or for too long, and the
    workers are drained. Raises UnknownName; and ExceptionGroup of what went wrong in the load or in a fault, or of
    NotSteady where the load is not served before the first fault, or nobody is answered for too long. Whatever it
    raises, every fault is healed first.
    """
    experiment = drawn(experiment, bed.run.info.seed)
    mix = Mix.of(bed.target, experiment.load.scenarios)
    load = Load(mix=mix, arrivals=experiment.load.planned(), lag_budget=LAG_BUDGET)
    for fault in experiment.fault:
        await fault.prepare(bed, experiment.workers)
    async with bed.workers(experiment.workers, linked=True):
        await bed.prepare(*mix.scenarios)
        plan = planned(bed, experiment)
        bed.run.write_experiment(info_of(experiment))
        read_effects = bed.target.read_effects
        situation = Situation(partial(read_effects, bed.stores, f"{bed.run.info.id}.") if read_effects else None)
        begin = now() + LEAD_SECONDS
        steadiness = Steadiness(experiment.steady, begin, situation, bed.iterations)
        stage = Stage(
            begin=begin, situation=situation, record=bed.run.write, notify=bed.notify, before_first=steadiness.before
        )

        def record(operation: Operation) -> None:
            bed.run.write(operation)
            situation.record(operation)

        def progressed(progress: Progress) -> None:
            situation.progress = progress
            on_progress(progress)

        async with asyncio.TaskGroup() as group:
            watch = group.create_task(steadiness.watch())
            faults = group.create_task(carry_out(plan, stage))
            await under_load(bed, load, begin=begin, record=record, on_progress=progressed)
            stage.over.set()
            await asyncio.wait({faults})
            watch.cancel()
        if running := await bed.quiesce(0.0):
            bed.notify(f"{running} workflows still run; they have {BACKLOG_SECONDS:.0f} s")
            await bed.quiesce(BACKLOG_SECONDS)


def planned(bed: Testbed, experiment: Experiment) -> list[Planned]:
    """Every fault of the experiment, made for this testbed."""
    return [
        Planned(
            fault=fault.fault(bed),
            at=fault.at or 0.0,
            when=fault.when,
            duration=fault.duration,
            every=fault.every or 0.0,
            times=fault.times,
            touches=fault.touches(experiment.workers),
        )
        for fault in experiment.fault
    ]


def info_of(experiment: Experiment) -> ExperimentInfo:
    """What is noted of it in the run."""
    return ExperimentInfo(
        name=experiment.name,
        title=experiment.title,
        expect=experiment.expect,
        steady=experiment.steady,
        recovery=experiment.recovery,
        toml=toml_of(experiment),
    )
