"""The report of one run, or of several together, as one HTML file that needs nothing but itself."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from msgspec import Struct

from harness.records.run import Recorded
from reports.document import document, fragment
from reports.gate import gate_of, run_gate
from reports.merged import answer_of, objectives_of
from reports.nesting import nested
from reports.page import Page, page_of

FILE = "report.html"


class Section(Struct, frozen=True, kw_only=True):
    """One run on a page of several."""

    name: str
    """What every id within it begins with."""
    page: Page
    html: Markup


def write_report(directory: Path, path: Path | None = None) -> Path:
    """Write the report of a run, and tell where: report.html in its directory, unless told otherwise.

    Raises NotARun if the run cannot be read.
    """
    path = path or directory / FILE
    return _write(render(Recorded(directory), beside=path.parent), path)


def write_set(directories: Sequence[Path], path: Path) -> Path:
    """Write one page for several runs, and tell where. Raises NotARun if one of them cannot be read."""
    return _write(render_set([Recorded(directory) for directory in directories], beside=path.parent), path)


def render(recorded: Recorded, *, beside: Path | None = None) -> str:
    """The report of one run as HTML, for a file in the directory `beside`, or else in the run's own.

    What was recorded is escaped; the page loads nothing, and runs nothing but its own script.
    """
    base = _base(recorded, beside or recorded.directory)
    return document("report.html.j2", **_fields(page_of(recorded, run_gate(recorded))), base=base, alone=True)


def render_set(runs: Sequence[Recorded], *, beside: Path) -> str:
    """The report of several runs as HTML, for a file in the directory `beside`."""
    judged = gate_of([run.directory for run in runs])
    sections = [
        _section(page_of(recorded, gate), f"run-{number}", _base(recorded, beside))
        for number, (recorded, gate) in enumerate(zip(runs, judged.runs, strict=True), start=1)
    ]
    return document(
        "set.html.j2",
        answer=answer_of(judged),
        objectives=objectives_of(judged),
        sections=sections,
        names={section.page.info.id: section.name for section in sections},
    )


def _base(recorded: Recorded, beside: Path) -> str:
    """What a link from there to a file of the run begins with."""
    return "" if recorded.directory == beside else f"{Path(os.path.relpath(recorded.directory, beside)).as_posix()}/"


def _section(page: Page, name: str, base: str) -> Section:
    html = fragment("run.html.j2", **_fields(page), base=base, alone=False)
    return Section(name=name, page=page, html=Markup(nested(html, name)))  # noqa: S704  # escaped by its templates


def _fields(page: Page) -> dict[str, Any]:
    return {name: getattr(page, name) for name in Page.__struct_fields__}


def _write(html: str, path: Path) -> Path:
    part = path.with_suffix(".part")
    part.write_text(html, encoding="utf-8")
    part.replace(path)
    return path
