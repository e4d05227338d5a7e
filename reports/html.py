"""The report of one run, or of several together, as one HTML file that needs nothing but itself."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup
from msgspec import Struct

from harness.records.effects import Effect, Fact
from harness.records.run import Recorded, RunInfo
from harness.records.workflows import WorkflowRun
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
    judge_and_write([directory], path, by)
    return path


def judge_and_write(
    directories: Sequence[Path],
    path: Path,
    by: Policy | None = None,
    *,
    strict: bool = False,
    complete: bool = False,
) -> GateResult:
    """Put runs to the gate, and write what that shows as one page: each is read once for both.

    Of several runs, or where all objectives are asked for, it is the page of a set: one that cannot be read is named on
    it, and cannot pass. Raises BadObjectives, and NotARun if none can be read.
    """
    alone, parts = len(directories) == 1 and not complete, list[str]()
    sections: list[Section] = []

    def show(recorded: Recorded, judged: RunGate) -> None:
        if alone:
            parts.append(_alone(recorded, judged, by, path.parent))
        else:
            sections.append(_section(recorded, judged, by, f"run-{len(sections) + 1}", path.parent))

    result = gate_of(directories, strict=strict, complete=complete, by=by, read=_opened, seen=show)
    _write(parts[0] if alone else _together(result, sections), path)
    return result


def render(recorded: Recorded, by: Policy | None = None) -> str:
    """The report of one run as HTML, for a file in its directory.

    What was recorded is escaped; the page loads nothing, and runs nothing but its own script.
    """
    return _alone(recorded, run_gate(recorded, by=by), by, recorded.directory)


def _opened(directory: Path) -> Recorded:
    """A run of which the gate reads one part, while the other is read for the page."""
    recorded = Recorded(directory)
    recorded.read_ahead(WorkflowRun, Effect, Fact)
    return recorded


def _alone(recorded: Recorded, judged: RunGate, by: Policy | None, beside: Path) -> str:
    page = page_of(recorded, judged)
    changed = changes(recorded, judged, by)  # last: whoever reads other runs forgets what is kept of this one
    return document("report.html.j2", **_fields(page), changes=changed, base=_base(recorded, beside), alone=True)


def _together(result: GateResult, sections: Sequence[Section]) -> str:
    return document(
        "set.html.j2",
        answer=answer_of(result),
        objectives=result.objectives,
        unreadable=result.unreadable,
        sections=sections,
        names={section.info.id: section.name for section in sections},
    )


def _base(recorded: Recorded, beside: Path) -> str:
    """What a link from there to a file of the run begins with."""
    return "" if recorded.directory == beside else f"{Path(os.path.relpath(recorded.directory, beside)).as_posix()}/"


def _section(recorded: Recorded, judged: RunGate, by: Policy | None, name: str, beside: Path) -> Section:
    page, changed = page_of(recorded, judged), changes(recorded, judged, by)
    html = fragment("run.html.j2", **_fields(page), changes=changed, base=_base(recorded, beside), alone=False)
    return Section(
        name=name,
        info=page.info,
        gate=judged,
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
