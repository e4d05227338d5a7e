"""What runs came to: `temper report` and `temper gate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import CannotRun
from temper.ending import FAILED
from temper.faces import append_summary, code_of, show, show_self_test, write_junit
from temper.judged import RESULTS, directory_of
from temper.options import DEFAULT_TARGET, RunsArgument, TargetOption
from temper.policies import policy_of_target
from temper.terminal import screen

if TYPE_CHECKING:
    from reports.gate import GateResult
    from reports.objectives import Policy


def report(
    runs: RunsArgument = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to; of several runs: report.html here.")
    ] = None,
    show_page: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    target: TargetOption = DEFAULT_TARGET,
) -> None:
    """Write the report of a run anew, or of several together: one file of HTML, nothing fetched."""
    import webbrowser

    from reports.html import FILE

    wanted = _file(out, "-o FILE") if out else None
    by, directories = policy_of_target(target), _directories(runs)
    page = wanted or (directories[0] / FILE if len(directories) == 1 else Path(FILE))
    judged = _written(directories, page, by, "-o FILE")
    for each in judged.unreadable:
        screen.say(f"temper: {each.reason}")
    print(page)
    if show_page:
        webbrowser.open(page.resolve().as_uri())
    if judged.unreadable:
        raise typer.Exit(FAILED)


def gate(
    runs: RunsArgument = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For other programs; docs/schema/gate.schema.json describes it.")
    ] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="For a pull request.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="What was not measured fails, aims too.")] = False,
    complete: Annotated[
        bool, typer.Option("--complete", help="Every objective there is must be measured by one of these runs.")
    ] = False,
    junit: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write it as JUnit XML too, for CI systems.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write the report too, in the same reading.")
    ] = None,
    summary: Annotated[
        bool,
        typer.Option("--summary", help="Append it as Markdown to the file that GITHUB_STEP_SUMMARY names, if any."),
    ] = False,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Prove that each objective can fail, by runs with one bad value each.")
    ] = False,
    target: TargetOption = DEFAULT_TARGET,
) -> None:
    """Show the objectives of runs, and exit 0 only if every hard one holds; of several runs the worst counts."""
    from reports.gate import gate_of

    by = policy_of_target(target)
    if self_test:
        raise typer.Exit(show_self_test(by))
    if html is not None:
        result = _written(
            _directories(runs), _file(html, "--html FILE"), by, "--html FILE", strict=strict, complete=complete
        )
    else:
        result = gate_of(_directories(runs), strict=strict, complete=complete, by=by)
    show(result, "json" if as_json else "markdown" if as_markdown else "text")
    if junit is not None:
        write_junit(result, junit)
    if summary:
        append_summary(result)
    raise typer.Exit(code_of(result))


def _file(path: Path, option: str) -> Path:
    if path.is_dir() or not path.parent.is_dir():
        what = "a directory" if path.is_dir() else f"in {path.parent}, which is no directory"
        problem = f"The report cannot be written to {path}: it is {what}."
        raise CannotRun(problem, remedy=f"Name a file with {option}.")
    return path


def _written(directories: Sequence[Path], path: Path, by: "Policy", option: str, **asked: bool) -> "GateResult":
    """Put these runs to the gate and write their report there, which the option names. Raises CannotRun."""
    from reports.html import judge_and_write

    try:
        return judge_and_write(directories, path, by, **asked)
    except (ArithmeticError, ValueError) as error:
        which = "One of these runs" if len(directories) > 1 else str(directories[0])
        message = f"{which} has times or figures that no page can show ({error})."
        raise CannotRun(message, remedy="Its files were changed: `temper gate` tells what there is.") from error
    except OSError as error:
        message = f"The report cannot be written to {error.filename}: {error.strerror}."
        raise CannotRun(message, remedy=f"Name another file with {option}.") from error


def _directories(runs: Sequence[str] | None) -> list[Path]:
    from harness.records.run import latest

    if not runs:
        return [latest(RESULTS)]
    return [directory_of(name) for name in runs]
