"""A run from its beginning to its verdict: a testbed, then what is observed, judged, reported and put to the gate."""

import os
import shlex
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from harness.errors import CannotRun
from harness.options import pairs_of, ports_of, providers_of, without_passwords
from temper.faces import code_of, show
from temper.policies import policy_of
from temper.terminal import screen

if TYPE_CHECKING:
    from harness.records.run import Run
    from harness.scenario import Scenario
    from harness.target import Target
    from harness.testbed import Testbed
    from reports.objectives import Policy

RESULTS = Path("results")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run is to be, before anything is started."""

    target: "Target"
    kind: str
    title: str
    seed: int
    external: Sequence[str] | None = None
    ports: Sequence[str] | None = None
    providers: Sequence[str] | None = None
    links: bool = False
    persistent: bool = False
    """Whether Temporal keeps what it has in a file, to be killed and started again."""
    command: str = ""
    """How to do it again; as this was called, with the seed, where it is empty."""

    @property
    def journal(self) -> bool:
        """Whether PostgreSQL's journal is read: under faults, and of a target whose effects nothing else tells.

        Never over hours, in which PostgreSQL would keep all that is written, nor in a search, most of whose loads fail.
        """
        return self.kind == "chaos" or (self.target.read_effects is None and self.kind in {"scenario", "load", "demo"})


@asynccontextmanager
async def judged(plan: Plan) -> AsyncIterator["Testbed"]:
    """A testbed in a run of its own; on leaving, the run is observed, judged, reported and put to the gate."""
    from harness.records.run import Run
    from harness.testbed import Testbed, Wanted
    from reports.html import write_report
    from reports.terminal import judgement_text

    wanted = Wanted(
        links=plan.links,
        persistent=plan.persistent,
        journal=plan.journal,
        providers=providers_of(plan.providers),
        external=pairs_of(plan.external),
        ports=ports_of(plan.ports),
    )
    by = policy_of(plan.target.directory / plan.target.file.objectives if plan.target.file.objectives else None)
    command = plan.command or as_called() + ("" if "--seed" in sys.argv else f" --seed {plan.seed}")
    with Run.create(
        RESULTS, kind=plan.kind, title=plan.title, target=plan.target.file.name, seed=plan.seed, command=command
    ) as run:
        listed(run)
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
                screen.say(f"the run was cut off; what it recorded: {write_report(run.directory, by)}")
            raise
    put_to_gate(run, by)


def listed(run: "Run") -> None:
    """Add its directory to the file that TEMPER_RUNS names, if it names one: so a lane knows which runs it made."""
    if runs := os.environ.get("TEMPER_RUNS"):
        with Path(runs).open("a", encoding="utf-8") as file:
            file.write(f"{run.directory.resolve()}\n")


def as_called() -> str:
    """The command, to do the same again."""
    return shlex.join(without_passwords(["temper", *sys.argv[1:]]))


def directory_of(run: str) -> Path:
    """The directory of a run that is told by its path, or by its name below `results`."""
    path, named = Path(run), RESULTS / run
    try:
        is_path = path.exists() or (len(path.parts) > 1 and not named.exists())
    except OSError:  # it may be there, and be nobody's to look into: whoever reads it says so
        is_path = True
    return path if is_path else named


def put_to_gate(run: "Run", by: "Policy") -> None:
    """Report a run that has ended, and say what it came to; a bad exit code ends the command where its gate is shut."""
    from harness.records.run import Recorded
    from reports.html import FILE, judge_and_write
    from reports.terminal import rows_text

    page = run.directory / FILE
    result = judge_and_write([run.directory], page, by)
    if rows := rows_text(Recorded(run.directory)):
        print(f"What the stores hold:\n{rows}\n")
    show(result)
    print(f"report: {page}", flush=True)
    if code := code_of(result):
        raise typer.Exit(code)


def choose(path: Path, names: Sequence[str] | None, *, every: bool) -> tuple["Target", list["Scenario[Any]"]]:
    from harness.target import Target

    target = Target.read(path)
    if every:
        return target, list(target.scenarios.values())
    if not names:
        raise CannotRun("No scenario was named.", remedy="Name some, or say --all. `temper scenario list` shows them.")
    return target, target.choose(names)


def titled(scenarios: Sequence["Scenario[Any]"], *, every: bool = False) -> str:
    return f"all {len(scenarios)} scenarios" if every else ", ".join(scenario.name for scenario in scenarios)
