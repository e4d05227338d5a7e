"""The main job, end to end: `temper demo`."""

from typing import TYPE_CHECKING

from harness.errors import CannotRun
from temper.ending import end_with_parent, run_to_end
from temper.experiments import check_experiment
from temper.judged import Plan, judged
from temper.options import DEFAULT_TARGET, PortOption, ProviderOption, SeedOption, TargetOption
from temper.terminal import screen

if TYPE_CHECKING:
    from chaos.experiment import Experiment


def demo(
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    port: PortOption = None,
    provider: ProviderOption = None,
) -> None:
    """Do the main job end to end: the whole of the data, load with a fault, measurements, report, gate."""
    from chaos.experiment import find
    from harness.target import Target

    read = Target.read(target)
    if read.file.demo is None:
        raise CannotRun(f"{target} has no [demo] section.", remedy="It names a scenario (job) and an experiment.")
    experiment = find(read.file.demo.experiment, read.directory)
    check_experiment(read, experiment, seed)
    end_with_parent()
    title = f"{read.file.name}: the main job"
    plan = Plan(
        target=read,
        kind="demo",
        title=title,
        seed=seed,
        ports=port,
        providers=provider,
        links=True,
        persistent=experiment.needs_persistence,
    )
    run_to_end(_demo(plan, experiment))


async def _demo(plan: Plan, experiment: "Experiment") -> None:
    from chaos.runner import run_experiment
    from harness.measurements import worker_startup, workflow_overhead
    from harness.sampling import sampled

    section, settings = plan.target.file.demo, plan.target.file.measure
    assert section is not None
    async with judged(plan) as bed:
        job = bed.target.scenario(section.job)
        async with bed.workers(experiment.workers, name="worker-direct"):
            await bed.prepare(job)
            screen.say(f"{job.name}: {job.proves}")
            async with sampled(bed):
                await bed.once(job, client=bed.client)
            if bed.target.measure is not None:
                bed.run.write_all(await bed.target.measure(bed, screen.say))
        screen.say(f"{experiment.title}. Expected: {experiment.expect}")
        async with sampled(bed):
            await run_experiment(bed, experiment, screen.progress(experiment.name))
        if settings.scenario is not None:
            timed = bed.target.scenario(settings.scenario)
            bed.run.write_all(await workflow_overhead(bed, timed, settings.pairs, screen.say))
            bed.run.write_all(await worker_startup(bed, timed, settings.spawns, screen.say))
