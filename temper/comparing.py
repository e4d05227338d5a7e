"""Runs beside each other: `temper compare`."""

from typing import Annotated

import typer

from harness.errors import CannotRun
from temper.ending import FAILED, GOOD
from temper.judged import directory_of

CompareArgument = Annotated[
    list[str], typer.Argument(metavar="BASE RUN…", help="Runs, by name or directory: the first is what it was before.")
]


def compare(
    runs: CompareArgument,
    tolerate: Annotated[
        str, typer.Option("--tolerate", metavar="PERCENT", help="What differs by less is no relevant change.")
    ] = "5%",
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare runs of other machines, versions or loads, or cut off, too.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For other programs.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="For a pull request.")] = False,
) -> None:
    """Compare runs of the same load with the first, and exit 0 if nothing is known to have got worse, else 1.

    Each difference has an interval. What lies in it may be chance; so nothing is told where 0 does.
    """
    from harness.records.run import Recorded
    from reports.compare import NotComparable
    from reports.compare import compare as compared
    from reports.compare_faces import markdown, text
    from reports.compare_words import to_json

    if len(runs) < 2:
        raise CannotRun("One run cannot be compared.", remedy="Name the run before it first: `temper compare A B`.")
    tolerated = share_of(tolerate)
    try:
        found = compared([Recorded(directory_of(run)) for run in runs], tolerated=tolerated, anyway=anyway)
    except NotComparable as error:
        raise CannotRun(str(error)) from error
    show = to_json if as_json else markdown if as_markdown else text
    print(show(found).rstrip("\n"), flush=True)
    raise typer.Exit(FAILED if found.worse else GOOD)


def share_of(percent: str) -> float:
    """The share that "5%" is. Raises CannotRun."""
    try:
        share = float(percent.removesuffix("%")) / 100
    except ValueError:
        share = -1.0
    if not 0 <= share < 1:
        message = f"{percent!r} is no share that can be tolerated."
        raise CannotRun(message, remedy="Say how many per cent: --tolerate 5%, or 0% to tolerate nothing.")
    return share
