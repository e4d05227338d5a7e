"""What runs came to: `temper report` and `temper gate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from harness.errors import CannotRun
from temper.judged import RESULTS, directory_of, put_to_gate
from temper.options import RunsArgument


def report(
    runs: RunsArgument = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to; of several runs: report.html here.")
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Write the report of a run anew, or of several together: one file of HTML, nothing fetched."""
    import webbrowser

    from reports.html import FILE, write_report, write_set

    path = _file(out) if out else None
    directories = _directories(runs)
    page = write_report(directories[0], path) if len(directories) == 1 else write_set(directories, path or Path(FILE))
    print(page)
    if show:
        webbrowser.open(page.resolve().as_uri())


def gate(
    runs: RunsArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="For other programs.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="For a pull request.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="What was not measured fails, aims too.")] = False,
) -> None:
    """Show the objectives of runs, and exit 0 only if every hard one holds."""
    form = "json" if as_json else "markdown" if as_markdown else "text"
    raise typer.Exit(put_to_gate(_directories(runs), form, strict=strict))


def _file(path: Path) -> Path:
    if path.is_dir() or not path.parent.is_dir():
        what = "a directory" if path.is_dir() else f"in {path.parent}, which is no directory"
        raise CannotRun(f"The report cannot be written to {path}: it is {what}.", remedy="Name a file with -o FILE.")
    return path


def _directories(runs: Sequence[str] | None) -> list[Path]:
    from harness.records.run import latest

    if not runs:
        return [latest(RESULTS)]
    return [directory_of(name) for name in runs]
