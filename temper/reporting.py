"""What runs came to: `temper report` and `temper gate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from temper.judged import RESULTS, directory_of, put_to_gate
from temper.options import RunsArgument


def report(
    runs: RunsArgument = None,
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


def gate(
    runs: RunsArgument = None,
    as_json: Annotated[bool, typer.Option("--json", help="For other programs.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="For a pull request.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="What was not measured fails, aims too.")] = False,
) -> None:
    """Show the objectives of runs, and exit 0 only if every hard one holds."""
    form = "json" if as_json else "markdown" if as_markdown else "text"
    raise typer.Exit(put_to_gate(_directories(runs), form, strict=strict))


def _directories(runs: Sequence[str] | None) -> list[Path]:
    from harness.records.run import latest

    if not runs:
        return [latest(RESULTS)]
    return [directory_of(name) for name in runs]
