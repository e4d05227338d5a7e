"""Scenarios, under load and faults: `temper chaos`."""

from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import UnknownName
from temper.ending import run_to_end
from temper.judged import Plan, judged
from temper.options import DEFAULT_TARGET, PortOption, ProviderOption, SeedOption, TargetOption
from temper.terminal import screen

if TYPE_CHECKING:
    from chaos.experiment import Experiment
    from harness.target import Target


def chaos_list() -> None:
    """Show every experiment, and what a correct system does."""
    from chaos.experiment import read, shipped

    for name, path in shipped().items():
        experiment = read(path)
        print(f"{name}\n    {experiment.title}.\n    Expected: {experiment.expect}")


def chaos_run(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Experiments, or files ending in .toml.")],
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    port: PortOption = None,
    provider: ProviderOption = None,
) -> None:
    """Put a scenario under load, break what the experiment says, heal it, and check what was lost."""
    from chaos.experiment import find
    from harness.target import Target

    read = Target.read(target)
    experiments = [find(name) for name in names]
    for experiment in experiments:
        check_experiment(read, experiment, seed)
    codes = []
    for experiment in experiments:
        try:
            plan = Plan(
                target=read, kind="chaos", title=experiment.title, seed=seed, ports=port, providers=provider, links=True
            )
            run_to_end(_chaos(plan, experiment))
        except typer.Exit as exit_:
            codes.append(exit_.exit_code)
    if any(codes):
        raise typer.Exit(max(codes))


async def _chaos(plan: Plan, experiment: "Experiment") -> None:
    from chaos.runner import run_experiment

    async with judged(plan) as bed:
        await run_experiment(bed, experiment, screen.progress(experiment.name))


def check_experiment(target: "Target", experiment: "Experiment", seed: int) -> None:
    """Refuse an experiment that this target cannot run, before anything is started."""
    from chaos.drawing import drawn
    from loadtests.mix import Mix

    Mix.of(target, experiment.load.scenarios)
    drawn(experiment, seed)
    services = [*target.file.services, *target.file.processes]
    for fault in experiment.fault:
        for service in sorted(fault.needs - {*services}):
            raise UnknownName(f"service of {target.file.name}", service, services)
