"""Scenarios, under load and faults: `temper chaos`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.errors import CannotRun, HarnessError, UnknownName
from temper.ending import FAILED, GOOD, explain, run_to_end
from temper.judged import Plan, as_called, directory_of, judged
from temper.options import DEFAULT_TARGET, PortOption, ProviderOption, RunArgument, SeedOption, TargetOption
from temper.terminal import screen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chaos.experiment import Experiment
    from harness.records.run import Recorded
    from harness.target import Target


def chaos_list() -> None:
    """Show every experiment, and what a correct system does."""
    from chaos.experiment import read, shipped

    for name, path in shipped().items():
        experiment = read(path)
        lane = " (short lane)" if experiment.short else ""
        print(f"{name}{lane}\n    {experiment.title}.\n    Expected: {experiment.expect}")


def chaos_run(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME…", help="Experiments, or files ending in .toml.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are shipped.")] = False,
    short: Annotated[bool, typer.Option("--short", help="The short lane: one for each kind of trouble.")] = False,
    seed: SeedOption = 1,
    seeds: Annotated[int, typer.Option(min=1, help="With so many seeds, from --seed on.")] = 1,
    target: TargetOption = DEFAULT_TARGET,
    port: PortOption = None,
    provider: ProviderOption = None,
) -> None:
    """Put a scenario under load, break what the experiment says, heal it, and check what was lost."""
    from harness.target import Target

    read = Target.read(target)
    experiments = chosen(names or [], every=every, short=short)
    each_seed = range(seed, seed + seeds)
    for experiment in experiments.values():
        for number in each_seed:
            check_experiment(read, experiment, number)
    codes: dict[tuple[str, int], int] = {}
    for name, experiment in experiments.items():
        for number in each_seed:
            again = command_of(name, number, target, port, provider)
            plan = plan_of(read, experiment, number, ports=port, providers=provider, command=again)
            codes[experiment.name, number] = _ended(plan, experiment)
    if len(codes) > 1:
        _summarised(codes)
    if any(codes.values()):
        raise typer.Exit(max(codes.values()))


def chosen(names: list[str], *, every: bool, short: bool) -> dict[str, "Experiment"]:
    """The experiments that were asked for, by the name or the file of each.

    Raises CannotRun, UnknownName or BadExperiment.
    """
    from chaos.experiment import find, read, shipped

    if names and (every or short):
        raise CannotRun("Experiments were named, and --all or --short asks for others.", remedy="Leave one out.")
    if names:
        return {name: find(name) for name in names}
    if not (every or short):
        raise CannotRun("No experiment was named.", remedy="Name some, or say --short or --all: `temper chaos list`.")
    found = {name: read(path) for name, path in shipped().items()}
    return {name: experiment for name, experiment in found.items() if every or experiment.short}


def command_of(
    name: str, seed: int, target: Path, ports: "Sequence[str] | None", providers: "Sequence[str] | None"
) -> str:
    """What does this one again, of all that one command may run."""
    given = {"--target": [] if target == DEFAULT_TARGET else [str(target)], "--port": ports, "--provider": providers}
    options = [word for option, values in given.items() for value in values or () for word in (option, value)]
    return shlex.join(("temper", "chaos", "run", name, "--seed", str(seed), *options))


def plan_of(target: "Target", experiment: "Experiment", seed: int, **options: Any) -> Plan:
    """A run of an experiment, before anything is started."""
    return Plan(
        target=target,
        kind="chaos",
        title=experiment.title,
        seed=seed,
        links=True,
        persistent=experiment.needs_persistence,
        **options,
    )


def _ended(plan: Plan, experiment: "Experiment") -> int:
    """Run it; what went wrong in it is said, and does not keep the next from being run."""
    try:
        run_to_end(_chaos(plan, experiment))
    except typer.Exit as exit_:
        return exit_.exit_code
    except HarnessError as error:
        return explain(error)
    except ExceptionGroup as errors:
        if errors.split(HarnessError)[1] is not None:
            raise
        return explain(errors)
    return GOOD


def _summarised(codes: "Mapping[tuple[str, int], int]") -> None:
    print("Experiments:")
    for (name, seed), code in codes.items():
        word = {GOOD: "holds", FAILED: "does not hold"}.get(code, "could not be run, or was cut off")
        print(f"  {name}, seed {seed}: {word}")
    print(f"{sum(code == GOOD for code in codes.values())} of {len(codes)} hold")


def chaos_replay(
    run: RunArgument,
    target: TargetOption = DEFAULT_TARGET,
    port: PortOption = None,
    provider: ProviderOption = None,
) -> None:
    """Do the experiment of a run again: the same inputs and arrivals, and the same faults at the same times."""
    read, recorded, experiment = experiment_of(run, target)
    plan = plan_of(read, experiment, recorded.info.seed, ports=port, providers=provider, command=as_called())
    run_to_end(_chaos(plan, experiment))


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
        fault.check(target)


def experiment_of(run: str, path: Path) -> tuple["Target", "Recorded", "Experiment"]:
    """The target, a run of it, and the experiment that was run: with the faults and the times that were drawn then.

    Raises CannotRun, and NotARun, where there is none, or one of another target.
    """
    from chaos.experiment import BadExperiment, parsed
    from harness.records.run import Recorded
    from harness.target import Target

    recorded = Recorded(directory_of(run))
    told = recorded.experiment()
    if told is None:
        raise CannotRun(
            f"{recorded.directory} has no experiment.json: nothing was broken in it on purpose.",
            remedy="Name a run of an experiment: `temper chaos run NAME` makes one.",
        )
    target = Target.read(path)
    if recorded.info.target != target.file.name:
        raise CannotRun(
            f"{recorded.directory} is a run of {recorded.info.target}, and {path} describes {target.file.name}.",
            remedy="Name the other temper.toml with --target.",
        )
    try:
        experiment = parsed(told.toml)
    except ValueError as error:
        raise BadExperiment(f"{recorded.directory / 'experiment.json'}: {error}") from error
    check_experiment(target, experiment, recorded.info.seed)
    return target, recorded, experiment
