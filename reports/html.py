"""The report of one run, or of several together, as one HTML file that needs nothing but itself."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from msgspec import Struct

from harness.records.run import Recorded, RunInfo
from reports.changes import Changes, NoGoodRun, changes
from reports.document import document, fragment
from reports.gate import GateResult, RunGate, gate_of, run_gate
from reports.nesting import nested
from reports.objectives import Policy
from reports.page import Page, page_of
from reports.sentence import Answer, answer_of

FILE = "report.html"


class Section(Struct, frozen=True, kw_only=True):
    """One run on a page of several."""

    name: str
    """What every id within it begins with."""
    info: RunInfo
    gate: RunGate
    answer: Answer
    changes: Changes | NoGoodRun
    html: Markup


def write_report(directory: Path, by: Policy | None = None, path: Path | None = None) -> Path:
    """Write the report of a run, and tell where: report.html in its directory, unless told otherwise.

    It is judged by these objectives, or by ours.
    Raises NotARun if the run cannot be read.
    """
    path = path or directory / FILE
    return _write(render(Recorded(directory), by, beside=path.parent), path)


def write_set(
    directories: Sequence[Path], path: Path, judged: GateResult | None = None, by: Policy | None = None
) -> Path:
    """Write one page for several runs, and tell where; `judged` is what they came to by these objectives, or by ours.

    A run that cannot be read is named on it, and cannot pass. Raises NotARun if none can be.
    """
    return _write(render_set(directories, judged or gate_of(directories, by=by), by, beside=path.parent), path)


def render(recorded: Recorded, by: Policy | None = None, *, beside: Path | None = None) -> str:
    """The report of one run as HTML, for a file in the directory `beside`, or else in the run's own.

    What was recorded is escaped; the page loads nothing, and runs nothing but its own script.
    """
    base = _base(recorded, beside or recorded.directory)
    judged = run_gate(recorded, by=by)
    page = page_of(recorded, judged)
    changed = changes(recorded, judged, by)  # last: whoever reads other runs forgets what is kept of this one
    return document("report.html.j2", **_fields(page), changes=changed, base=base, alone=True)


def render_set(directories: Sequence[Path], judged: GateResult, by: Policy | None = None, *, beside: Path) -> str:
    """The report of several runs that were put to the gate as HTML, for a file in the directory `beside`."""
    unreadable = {each.directory for each in judged.unreadable}
    readable = [directory for directory in directories if str(directory) not in unreadable]
    sections = [
        _section(Recorded(directory), gate, by, f"run-{number}", beside)
        for number, (directory, gate) in enumerate(zip(readable, judged.runs, strict=True), start=1)
    ]
    return document(
        "set.html.j2",
        answer=answer_of(judged),
        objectives=judged.objectives,
        unreadable=judged.unreadable,
        sections=sections,
        names={section.info.id: section.name for section in sections},
    )


def _base(recorded: Recorded, beside: Path) -> str:
    """What a link from there to a file of the run begins with."""
    return "" if recorded.directory == beside else f"{Path(os.path.relpath(recorded.directory, beside)).as_posix()}/"


def _section(recorded: Recorded, gate: RunGate, by: Policy | None, name: str, beside: Path) -> Section:
    page, changed = page_of(recorded, gate), changes(recorded, gate, by)
    html = fragment("run.html.j2", **_fields(page), changes=changed, base=_base(recorded, beside), alone=False)
    return Section(
        name=name,
        info=page.info,
        gate=gate,
        answer=page.answer,
        changes=changed,
        html=Markup(nested(html, name)),  # noqa: S704  # nosec B704 # escaped by templates
    )


def _fields(page: Page) -> dict[str, Any]:
    return {name: getattr(page, name) for name in Page.__struct_fields__}


def _write(html: str, path: Path) -> Path:
    part = path.with_suffix(".part")
    part.write_text(html, encoding="utf-8")
    part.replace(path)
    return path
