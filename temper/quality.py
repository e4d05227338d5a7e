"""What tools find of the sources: `temper quality`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import CannotRun, UnknownName
from harness.options import pairs_of
from temper.ending import FAILED, run_to_end
from temper.judged import RESULTS, as_called, gate_of_metrics, listed
from temper.options import DEFAULT_TARGET, TargetOption
from temper.terminal import screen

if TYPE_CHECKING:
    from harness.quality.tool import Project
    from harness.records.run import Run

NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME…",
        help="types, ignores, dependencies, code, secrets, flakes, mutation, tests, coverage; all of them otherwise.",
    ),
]
FromOption = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="tests|coverage=FILE",
        help="Use what a run of the tests has left: JUnit XML, coverage.py's JSON. Repeatable.",
    ),
]
RecordOption = Annotated[
    bool, typer.Option("--record", help="Write down which tests there are, if none failed: none of them may be gone.")
]


def quality(
    names: NamesArgument = None,
    given: FromOption = None,
    record: RecordOption = False,
    target: TargetOption = DEFAULT_TARGET,
) -> None:
    """Measure the sources with the tools that temper.toml names, and hold what they find to the objectives."""
    from harness.quality.measures import MEASURES, chosen
    from harness.quality.tool import Project
    from harness.records.run import Run
    from harness.target import TargetFile

    file = TargetFile.read(target)
    files = _given(given or ())
    wanted = chosen(file.quality, names or (), files)
    if record and not ("tests" in wanted and file.quality.known_tests):
        raise CannotRun("There is nothing to record.", remedy="Measure tests, and name a file: quality.known_tests.")
    title = f"the sources of {file.name}" + (f": {', '.join(wanted)}" if names else "")
    with Run.create(RESULTS, kind="quality", title=title, target=file.name, seed=0, command=as_called()) as run:
        listed(run)
        screen.say(f"run {run.info.id}; what the tools say is in {run.logs}")
        project = Project(section=file.quality, directory=target.resolve().parent, logs=run.logs.resolve())
        run_to_end(_measured(run, project, wanted, files))
        if record:
            _record(run, project)
    only = {metric for name in wanted for metric in MEASURES[name].metrics} if names else None
    raise typer.Exit(gate_of_metrics(run.directory, only))


async def _measured(run: "Run", project: "Project", wanted: Sequence[str], given: dict[str, list[Path]]) -> None:
    from harness.quality.measures import taken
    from harness.records.fingerprint import Fingerprint

    run.write_fingerprint(Fingerprint.of_machine())
    async for each in taken(project, wanted, given, screen.say):
        run.write(each)
    run.end()


def _record(run: "Run", project: "Project") -> None:
    from harness.quality.tests import write_known
    from harness.records.checks import Check, TestCase
    from harness.records.run import Recorded

    recorded = Recorded(run.directory)
    values = {check.metric: check.value for check in recorded.read(Check)}
    if values.get("tests_failed") != 0 or values.get("tests_run") is None:
        screen.say("the tests were not recorded: one failed, or they did not come to their end")
        raise typer.Exit(FAILED)
    path = project.directory / project.section.known_tests
    write_known(path, recorded.read(TestCase))
    screen.say(f"recorded which tests there are: {path}")


def _given(options: Sequence[str]) -> dict[str, list[Path]]:
    """Files by the name of what is read from them. Raises UnknownName, and CannotRun where there is no such file."""
    from harness.quality.measures import GIVEN

    files: dict[str, list[Path]] = {}
    for option in options:
        ((name, value),) = pairs_of([option]).items()
        if name not in GIVEN:
            raise UnknownName("measure that is read from a file", name, GIVEN)
        path = Path(value)
        if not path.is_file():
            raise CannotRun(f"{path} is no file.", remedy=f"--from {name}=FILE names what a run of the tests has left.")
        files.setdefault(name, []).append(path)
    return files
