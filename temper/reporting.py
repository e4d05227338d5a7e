"""What runs came to: `temper report` and `temper gate`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from temper.faces import code_of, show
from temper.judged import RESULTS, directory_of
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
    complete: Annotated[
        bool, typer.Option("--complete", help="Every objective there is must be measured by one of these runs.")
    ] = False,
) -> None:
    """Show the objectives of runs, and exit 0 only if every hard one holds; of several runs the worst counts."""
    from reports.gate import gate_of

    result = gate_of(_directories(runs), strict=strict, complete=complete)
    show(result, "json" if as_json else "markdown" if as_markdown else "text")
    raise typer.Exit(code_of(result))


def _directories(runs: Sequence[str] | None) -> list[Path]:
    from harness.records.run import latest

    if not runs:
        return [latest(RESULTS)]
    return [directory_of(name) for name in runs]
