"""The front door: the `temper` command. Each verb imports what it needs only when it is called."""

import asyncio
import ctypes
import io
import os
import re
import shlex
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

# Imported before the target's directory comes first on the path, where packages of these names may be others'.
import chaos  # noqa: F401
import loadtests  # noqa: F401
import reports  # noqa: F401
from harness.errors import CannotRun, HarnessError, UnknownName
from harness.options import allow_external, ask_leave, pairs_of, ports_of
from harness.screen import Screen

if TYPE_CHECKING:
    from chaos.experiment import Experiment
    from harness.records.run import Run
    from harness.scenario import Scenario
    from harness.target import Target
    from harness.testbed import Testbed

GOOD, FAILED, CANNOT_RUN, INTERRUPTED = 0, 1, 2, 130
SIGNALLED = 128 + signal.SIGTERM

PR_SET_PDEATHSIG = 1

RESULTS = Path("results")
PASSWORD = re.compile(r"(://[^:/@\s]*:)[^@\s]*@")
"""A password in an address; what is recorded of a run has none."""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Temper hardens Temporal applications: does it work, how much can it take, what does it lose when things "
    "break, may we ship?",
    epilog="Example: temper demo",
)
scenario_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List scenarios, and run them as tests.",
    epilog="Example: temper scenario run pipeline",
)
chaos_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List experiments, and run them.",
    epilog="Example: temper chaos run postgres-cut",
)
app.add_typer(scenario_app, name="scenario")
replay_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Record histories, and replay them with today's code.",
    epilog="Example: temper replay check",
)
app.add_typer(chaos_app, name="chaos")
app.add_typer(replay_app, name="replay")

TargetOption = Annotated[Path, typer.Option("--target", help="The target's description.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed draws the same inputs and arrivals.")]
ExternalOption = Annotated[
    list[str] | None,
    typer.Option("--external", metavar="SERVICE=ADDRESS", help="Use a service that runs already. Repeatable."),
]
PortOption = Annotated[
    list[str] | None,
    typer.Option("--port", metavar="SERVICE=PORT", help="Fix the port of a service that is started. Repeatable."),
]
YesOption = Annotated[
    bool, typer.Option("--yes", help="For external services: they are mine, and may be migrated and written to.")
]
HistoriesOption = Annotated[Path, typer.Option("--histories", help="The folder of golden histories.")]
DEFAULT_TARGET = Path("temper.toml")
HISTORIES = Path("tests/data/histories")
screen = Screen()


@app.command(epilog="Example: temper doctor")
def doctor() -> None:
    """Show what is installed, what each provider can use, and how to get what is missing."""
    from harness.doctor import as_text, inspect

    findings = asyncio.run(inspect())
    print(as_text(findings))
    if any(finding.needed and not finding.available for finding in findings):
        raise typer.Exit(FAILED)


@app.command(epilog="Example: temper init && $EDITOR temper.toml")
def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = DEFAULT_TARGET,
) -> None:
    """Write a commented temper.toml that describes your own system; it refuses to overwrite one."""
    from harness.target import STARTER

    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(STARTER.read_text(encoding="utf-8"))
    except FileExistsError:
        raise CannotRun(f"{path} exists already.", remedy="Move it away, or name another file.") from None
    except OSError as error:
        raise CannotRun(f"{path} cannot be written: {error.strerror}.", remedy="Name another file.") from error
    print(f"wrote {path}. Fill it in, then: temper scenario list --target {path}")


@app.command(epilog="Example: temper up --only postgres,redis --port postgres=5432")
def up(
    only: Annotated[str, typer.Option("--only", help="Some services, with commas; all four otherwise.")] = "",
    external: ExternalOption = None,
    port: PortOption = None,
) -> None:
    """Start the services in the foreground, and print their addresses and UIs, until Ctrl-C."""
    names = [name.strip() for name in only.split(",") if name.strip()] or ["temporal", "postgres", "redis", "toxiproxy"]
    _run(_up(names, pairs_of(external), ports_of(port)))


async def _up(names: Sequence[str], external: dict[str, str], ports: dict[str, int]) -> None:
    from datetime import UTC, datetime

    from harness.stack import Stack

    logs = RESULTS / f"up-{datetime.now(tz=UTC):%Y%m%d-%H%M%S}-{os.getpid()}"
    async with Stack.of(names, log_directory=logs, external=external, ports=ports, notify=screen.say) as stack:
        for name, address in stack.addresses.items():
            if name.endswith((".url", ".ui")):
                print(f"{name:<16} {address}")
        print(f"Ctrl-C stops them. Their logs: {logs}", flush=True)
        await asyncio.Event().wait()


@scenario_app.command("list", epilog="Example: temper scenario list")
def scenario_list(target: TargetOption = DEFAULT_TARGET) -> None:
    """Show every scenario, and what it proves."""
    from harness.target import Target

    scenarios = Target.read(target).scenarios.values()
    width = max((len(scenario.name) for scenario in scenarios), default=0)
    for scenario in scenarios:
        print(f"{scenario.name:<{width}}  {scenario.proves}")


@scenario_app.command("run", epilog="Example: temper scenario run pipeline -n 3 --seed 7")
def scenario_run(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Scenarios, or domains.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every scenario of the target.")] = False,
    iterations: Annotated[int, typer.Option("-n", min=1, help="Iterations of each.")] = 1,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    external: ExternalOption = None,
    port: PortOption = None,
    yes: YesOption = False,
) -> None:
    """Run scenarios one after the other, as tests, and check what they left in the stores."""
    read, chosen = _chosen(target, names, every=every)
    if external:
        ask_leave(yes=yes)
    plan = _Plan(read, "scenario", _titled(chosen, every=every), seed, external, port)
    _run(_scenario_run(plan, chosen, iterations, workers))


async def _scenario_run(plan: "_Plan", scenarios: Sequence["Scenario[Any]"], iterations: int, workers: int) -> None:
    async with _judged(plan) as bed, bed.workers(workers):
        await bed.prepare(*scenarios)
        for scenario in scenarios:
            for number in range(iterations):
                await bed.once(scenario)
                screen.say(f"{scenario.name} {number + 1}/{iterations}")


@app.command(epilog="Example: temper load pipeline-slice --rate 6 --duration 20")
def load(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Scenarios, or domains.")],
    rate: Annotated[float, typer.Option(help="Iterations started a second, of each scenario.")],
    duration: Annotated[float, typer.Option(help="Seconds over which they are started.")],
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 2,
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    external: ExternalOption = None,
    port: PortOption = None,
    rate_cap: Annotated[
        float | None, typer.Option(help="For external services: the highest rate you allow, of all together.")
    ] = None,
    yes: YesOption = False,
) -> None:
    """Start iterations at a constant rate, whatever becomes of the ones before, and check every one of them."""
    from loadtests.arrivals import constant

    read, chosen = _chosen(target, names, every=False)
    try:
        constant(rate, duration)
    except ValueError as error:
        raise CannotRun(f"{error}.", remedy="Example: temper load pipeline-slice --rate 6 --duration 20") from error
    if external:
        allow_external(rate * len(chosen), rate_cap, yes=yes)
    _run(_load(_Plan(read, "load", _titled(chosen), seed, external, port), chosen, rate, duration, workers))


async def _load(
    plan: "_Plan", scenarios: Sequence["Scenario[Any]"], rate: float, duration: float, workers: int
) -> None:
    from loadtests.run import under_load

    async with _judged(plan) as bed, bed.workers(workers):
        await bed.prepare(*scenarios)
        async with asyncio.TaskGroup() as group:
            for scenario in scenarios:
                show = screen.progress(scenario.name)
                group.create_task(under_load(bed, scenario, rate=rate, duration=duration, on_progress=show))


@chaos_app.command("list", epilog="Example: temper chaos list")
def chaos_list() -> None:
    """Show every experiment, and what a correct system does."""
    from chaos.experiment import read, shipped

    for name, path in shipped().items():
        experiment = read(path)
        print(f"{name}\n    {experiment.title}.\n    Expected: {experiment.expect}")


@chaos_app.command("run", epilog="Example: temper chaos run postgres-cut --seed 7")
def chaos_run(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Experiments, or files ending in .toml.")],
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    port: PortOption = None,
) -> None:
    """Put a scenario under load, break what the experiment says, heal it, and check what was lost."""
    from chaos.experiment import find
    from harness.target import Target

    read = Target.read(target)
    experiments = [find(name) for name in names]
    for experiment in experiments:
        _check_experiment(read, experiment)
    codes = []
    for experiment in experiments:
        try:
            _run(_chaos(_Plan(read, "chaos", experiment.title, seed, None, port, links=True), experiment))
        except typer.Exit as exit_:
            codes.append(exit_.exit_code)
    if any(codes):
        raise typer.Exit(max(codes))


async def _chaos(plan: "_Plan", experiment: "Experiment") -> None:
    from chaos.runner import run_experiment

    async with _judged(plan) as bed:
        await run_experiment(bed, experiment, screen.progress(experiment.load.scenario))


@replay_app.command("record", epilog="Example: temper replay record orders tasks")
def replay_record(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME…", help="Scenarios, or domains.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every scenario of the target.")] = False,
    folder: HistoriesOption = HISTORIES,
    iterations: Annotated[int, typer.Option("-n", min=1, help="Iterations of each.")] = 1,
    seed: SeedOption = 1,
    target: TargetOption = DEFAULT_TARGET,
    external: ExternalOption = None,
    yes: YesOption = False,
) -> None:
    """Run scenarios, and keep a history of each way in which each workflow went: the shortest."""
    read, chosen = _chosen(target, names, every=every)
    if external:
        ask_leave(yes=yes)
    plan = _Plan(read, "scenario", _titled(chosen, every=every), seed, external, None)
    _run(_replay_record(plan, chosen, iterations, folder))


async def _replay_record(plan: "_Plan", scenarios: Sequence["Scenario[Any]"], iterations: int, folder: Path) -> None:
    from harness.replay.golden import choose, stored_elsewhere, write
    from harness.watching import histories

    async with _judged(plan) as bed, bed.workers(1):
        await bed.prepare(*scenarios)
        for scenario in scenarios:
            for _ in range(iterations):
                await bed.once(scenario)
        query = f'WorkflowId STARTS_WITH "{bed.run.info.id}."'
        found = await histories(bed.client, [listed.id async for listed in bed.client.list_workflows(query)])
        chosen = choose(history for history in found if not stored_elsewhere(history))
        write(folder, chosen)
        print(f"{len(found)} histories seen, {len(chosen)} ways kept in {folder}")


@replay_app.command("check", epilog="Example: temper replay check --seeds 0,1,7")
def replay_check(
    folder: HistoriesOption = HISTORIES,
    seeds: Annotated[str, typer.Option(help="Hash seeds, with commas.")] = "0,1,2",
    target: TargetOption = DEFAULT_TARGET,
) -> None:
    """Replay what was recorded with today's code, and compare every command, arguments and all."""
    try:
        wanted = [int(seed) for seed in seeds.split(",")]
    except ValueError as error:
        raise CannotRun(
            f"--seeds is {seeds!r}: expected numbers with commas.", remedy="Example: --seeds 0,1,7"
        ) from error
    _run(_replay_check(target, folder, wanted))


async def _replay_check(target: Path, folder: Path, seeds: Sequence[int]) -> None:
    from harness.replay.seeds import check

    same = differing = 0
    async for outcome in check(target, folder, seeds):
        if outcome.differs:
            differing += 1
            print(f"✗ {outcome.path} (hash seed {outcome.seed}, {outcome.time})")
            print("\n".join(f"  {line}" for line in outcome.differs), flush=True)
        else:
            same += 1
    print(f"{same + differing} replays: {same} the same, {differing} not")
    if differing:
        raise typer.Exit(FAILED)


@app.command(epilog="Example: temper demo")
def demo(seed: SeedOption = 1, target: TargetOption = DEFAULT_TARGET, port: PortOption = None) -> None:
    """Do the main job end to end: the whole of the data, load with a fault, measurements, report, gate."""
    from chaos.experiment import find
    from harness.target import Target

    read = Target.read(target)
    if read.file.demo is None:
        raise CannotRun(f"{target} has no [demo] section.", remedy="It names a scenario (job) and an experiment.")
    experiment = find(read.file.demo.experiment, read.directory)
    _check_experiment(read, experiment)
    _end_with_parent()
    _run(_demo(_Plan(read, "demo", f"{read.file.name}: the main job", seed, None, port, links=True), experiment))


async def _demo(plan: "_Plan", experiment: "Experiment") -> None:
    from chaos.runner import run_experiment
    from harness.measurements import worker_startup, workflow_overhead

    section, settings = plan.target.file.demo, plan.target.file.measure
    assert section is not None
    async with _judged(plan) as bed:
        job = bed.target.scenario(section.job)
        async with bed.workers(experiment.workers, name="direct"):
            await bed.prepare(job)
            screen.say(f"{job.name}: {job.proves}")
            await bed.once(job, client=bed.client)
            if bed.target.measure is not None:
                bed.run.write_all(await bed.target.measure(bed, screen.say))
        screen.say(f"{experiment.title}. Expected: {experiment.expect}")
        await run_experiment(bed, experiment, screen.progress(experiment.load.scenario))
        if settings.scenario is not None:
            timed = bed.target.scenario(settings.scenario)
            bed.run.write_all(await workflow_overhead(bed, timed, settings.pairs, screen.say))
            bed.run.write_all(await worker_startup(bed, timed, settings.spawns, screen.say))


@app.command(epilog="Example: temper report --open")
def report(
    runs: Annotated[list[str] | None, typer.Argument(metavar="RUN…", help="Runs; the newest otherwise.")] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write a run's report anew: results/<run>/report.html, one file, nothing fetched."""
    import webbrowser

    from reports.html import write_report

    for directory in _directories(runs):
        page = write_report(directory)
        print(page)
        if show:
            webbrowser.open(page.resolve().as_uri())


@app.command(epilog="Example: temper gate --strict --json")
def gate(
    runs: Annotated[list[str] | None, typer.Argument(metavar="RUN…", help="Runs; the newest otherwise.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For other programs.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="For a pull request.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="What was not measured fails, aims too.")] = False,
) -> None:
    """Show the objectives of runs, and exit 0 only if every hard one holds."""
    form = "json" if as_json else "markdown" if as_markdown else "text"
    raise typer.Exit(_gate(_directories(runs), form, strict=strict))


def _check_experiment(target: "Target", experiment: "Experiment") -> None:
    """Refuse an experiment that this target cannot run, before anything is started."""
    target.scenario(experiment.load.scenario)
    services = [*target.file.services, *target.file.processes]
    for fault in experiment.fault:
        if fault.service not in services:
            raise UnknownName(f"service of {target.file.name}", fault.service, services)


@dataclass(frozen=True)
class _Plan:
    """What a run is to be, before anything is started."""

    target: "Target"
    kind: str
    title: str
    seed: int
    external: Sequence[str] | None
    ports: Sequence[str] | None
    links: bool = False


@asynccontextmanager
async def _judged(plan: _Plan) -> AsyncIterator["Testbed"]:
    """A testbed in a run of its own; on leaving, the run is observed, judged, reported and put to the gate."""
    from harness.records.run import Run
    from harness.testbed import Testbed, Wanted
    from reports.html import write_report
    from reports.terminal import judgement_text

    wanted = Wanted(links=plan.links, external=pairs_of(plan.external), ports=ports_of(plan.ports))
    words = [PASSWORD.sub(r"\1…@", word) for word in ("temper", *sys.argv[1:])]
    command = shlex.join(words) + ("" if "--seed" in words else f" --seed {plan.seed}")
    with Run.create(
        RESULTS, kind=plan.kind, title=plan.title, target=plan.target.file.name, seed=plan.seed, command=command
    ) as run:
        screen.say(f"run {run.info.id}, seed {plan.seed}; logs in {run.logs}")
        try:
            async with Testbed.standing(plan.target, run, wanted, screen.say) as bed:
                yield bed
                screen.say("observing the server and the stores")
                for judgement in await bed.conclude():
                    screen.say(judgement_text(judgement))
            run.end()
        except BaseException:
            if (run.directory / "operations.jsonl").exists():
                screen.say(f"the run was cut off; what it recorded: {write_report(run.directory)}")
            raise
    _finish(run, write_report(run.directory))


def _finish(run: "Run", page: Path) -> None:
    from harness.records.run import Recorded
    from reports.terminal import rows_text

    if rows := rows_text(Recorded(run.directory)):
        print(f"What the stores hold:\n{rows}\n")
    code = _gate([run.directory], "text", strict=False)
    print(f"report: {page}", flush=True)
    if code:
        raise typer.Exit(code)


def _gate(directories: Sequence[Path], form: str, *, strict: bool) -> int:
    from harness.records.verdicts import Verdict
    from reports.gate import gate_of, to_json
    from reports.markdown import markdown
    from reports.terminal import text

    result = gate_of(directories, strict=strict)
    print({"text": text, "json": to_json, "markdown": markdown}[form](result), flush=True)
    return GOOD if result.overall is Verdict.VALID else FAILED


def _chosen(path: Path, names: Sequence[str] | None, *, every: bool) -> tuple["Target", list["Scenario[Any]"]]:
    from harness.target import Target

    target = Target.read(path)
    if every:
        return target, list(target.scenarios.values())
    if not names:
        raise CannotRun("No scenario was named.", remedy="Name some, or say --all. `temper scenario list` shows them.")
    return target, target.choose(names)


def _titled(scenarios: Sequence["Scenario[Any]"], *, every: bool = False) -> str:
    return f"all {len(scenarios)} scenarios" if every else ", ".join(scenario.name for scenario in scenarios)


def _directories(runs: Sequence[str] | None) -> list[Path]:
    from harness.records.run import latest

    if not runs:
        return [latest(RESULTS)]
    return [Path(name) if (Path(name) / "run.json").exists() else RESULTS / name for name in runs]


def _end_with_parent() -> None:
    """Be told to end when whoever started this is gone: nobody would see the outcome."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run to the end; Ctrl-C, SIGTERM and SIGHUP all take everything down in order first."""

    async def until_told() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await work

    try:
        asyncio.run(until_told())
    except asyncio.CancelledError:
        raise typer.Exit(SIGNALLED) from None


def _call(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit code: 0 done and good, 1 ran and failed, 2 could not run."""
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    sys.argv[1:] = arguments
    try:
        app(arguments, prog_name="temper")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else GOOD
    except KeyboardInterrupt:
        screen.close()
        screen.say("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001  # the last resort: no traceback unless it is asked for
        screen.close()
        if debug:
            traceback.print_exc()
        return _explain(error)
    return GOOD


def _explain(error: BaseException) -> int:
    """Say what went wrong; returns the exit code."""
    from harness.records.run import NoPlaceForRuns, NotARun

    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    theirs = isinstance(error, CannotRun | NotARun | NoPlaceForRuns)
    screen.say(f"temper: {error}" if theirs or isinstance(error, HarnessError) else f"temper: {error!r}")
    if theirs:
        return CANNOT_RUN
    if not isinstance(error, HarnessError):
        screen.say("This should not have happened. Add --debug to see where it did.")
    return FAILED


def main() -> None:
    """Run the command and leave.

    The Temporal client can abort the interpreter while it exits, after having succeeded; so it does not get there.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a mark that the terminal cannot show must not cost the verdict
    code = _call(sys.argv[1:])
    try:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
    except OSError:
        code = code or FAILED  # whoever was to read it did not get it
    os._exit(code)


if __name__ == "__main__":
    main()
