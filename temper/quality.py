"""What tools find of the sources: `temper quality`."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import CannotRun
from harness.options import pairs_of
from temper.ending import FAILED, run_to_end
from temper.judged import RESULTS, as_called, listed, put_to_gate
from temper.options import DEFAULT_TARGET, TargetOption
from temper.policies import policy_of_target
from temper.terminal import screen

if TYPE_CHECKING:
    from harness.quality.measures import Given
    from harness.quality.tool import Project
    from harness.records.run import Run
    from reports.objectives import Policy

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
    from msgspec import structs

    from harness.quality.measures import MEASURES, chosen, read_given
    from harness.quality.tool import Project
    from harness.records.run import Run
    from harness.target import TargetFile

    file, by = TargetFile.read(target), policy_of_target(target)
    project = Project(section=file.quality, directory=target.resolve().parent)
    read = {name: read_given(project, name, files) for name, files in _files(given or ()).items()}
    wanted = chosen(file.quality, names or (), read)
    if record and not ("tests" in wanted and file.quality.known_tests):
        raise CannotRun("There is nothing to record.", remedy="Measure tests, and name a file: quality.known_tests.")
    title = f"the sources of {file.name}" + (f": {', '.join(wanted)}" if names else "")
    with Run.create(RESULTS, kind="quality", title=title, target=file.name, seed=0, command=as_called()) as run:
        listed(run)
        screen.say(f"run {run.info.id}; what the tools say is in {run.logs}")
        run_to_end(_measured(run, replace(project, logs=run.logs.resolve()), wanted, read, by))
        if record:
            _record(run, project)
    if names:
        asked = {metric for name in wanted for metric in MEASURES[name].metrics}
        by = structs.replace(by, objectives=tuple(each for each in by.objectives if each.metric in asked))
    put_to_gate(run, by)


async def _measured(run: "Run", project: "Project", wanted: Sequence[str], given: "Given", by: "Policy") -> None:
    from harness.quality.measures import taken
    from harness.records.fingerprint import Fingerprint
    from reports.html import write_report

    run.write_fingerprint(Fingerprint.of_machine())
    try:
        async for each in taken(project, wanted, given, screen.say):
            run.write(each)
        run.end()
    except BaseException:
        screen.say(f"the run was cut off; what it recorded: {write_report(run.directory, by)}")
        raise


def _record(run: "Run", project: "Project") -> None:
    from harness.quality.known_tests import write_known
    from harness.records.checks import Check, TestCase
    from harness.records.run import Recorded

    recorded = Recorded(run.directory)
    values = {check.metric: check.value for check in recorded.read(Check)}
    if values.get("tests_failed") != 0 or values.get("tests_run") is None:
        screen.say("the tests were not recorded: one failed, or they did not come to their end")
        raise typer.Exit(FAILED)
    screen.say(f"recorded which tests there are: {write_known(project, recorded.read(TestCase))}")


def _files(options: Sequence[str]) -> dict[str, list[Path]]:
    """The files that were given, by what is read from them. Raises CannotRun."""
    files: dict[str, list[Path]] = {}
    for option in options:
        ((name, value),) = pairs_of([option]).items()
        files.setdefault(name, []).append(Path(value))
    return files
