"""How much of the code the tests ran: from the JSON report of coverage.py."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.errors import CannotRun
from harness.quality.tool import Project, Tool
from harness.records.checks import Check, FileCoverage

METRIC = "branch_coverage"


class _Summary(Struct):
    num_statements: int
    covered_lines: int
    num_branches: int = 0
    covered_branches: int = 0


class _File(Struct):
    summary: _Summary
    executed_lines: list[int]
    missing_lines: list[int]


class _Meta(Struct):
    branch_coverage: bool


class _Report(Struct):
    """As much of it as is read."""

    meta: _Meta
    files: dict[str, _File]


async def branch_coverage(project: Project) -> list[Check | FileCoverage]:
    """The share of the branches that were taken, in percent; to be called once the tests have run.

    Or that of the lines, where it is less: code without a branch would go untested unseen.
    """
    report = project.logs / "coverage.json"
    tool = Tool(name="coverage", command=["coverage"])
    for number, command in enumerate(project.section.coverage, start=1):
        tool = Tool(name=f"coverage-{number}", command=command, known={"coverage": str(report)})
        ended = await tool.run(project)
        if ended.code:
            return [tool.check(METRIC, None, reason=ended.why())]
    return told(report, tool)


def given_coverage(project: Project, report: Path) -> list[Check | FileCoverage]:
    """The same from a report that a run of the tests has left. Raises CannotRun where it cannot be read."""
    command = project.section.coverage[-1] if project.section.coverage else ["coverage", "json"]
    tool = Tool(name="coverage", command=command, known={"coverage": "coverage.json"})
    checks = told(report, tool, measured=report.stat().st_mtime if report.exists() else None)
    for check in checks:
        if isinstance(check, Check) and check.value is None:
            raise CannotRun(check.reason, remedy="--from coverage=FILE names a report of `coverage json`.")
    return checks


def told(path: Path, tool: Tool, **beside: float | None) -> list[Check | FileCoverage]:
    """What a report says."""
    given = {name: value for name, value in beside.items() if value is not None}
    try:
        report = msgspec.json.decode(path.read_bytes(), type=_Report)
    except (OSError, msgspec.DecodeError) as error:
        return [tool.check(METRIC, None, reason=f"{path.name} cannot be read: {error}", **given)]
    if not report.meta.branch_coverage:
        reason = "the tests were run without branch coverage: say branch = true in coverage's settings"
        return [tool.check(METRIC, None, reason=reason, **given)]
    files = [_covered(name, file) for name, file in sorted(report.files.items())]
    lines, branches = sum(file.statements for file in files), sum(file.branches for file in files)
    if not lines:
        return [tool.check(METRIC, None, reason=f"{path.name} has no file with a statement in it", **given)]
    ran, taken = sum(file.covered for file in files), sum(file.covered_branches for file in files)
    of_lines, of_branches = 100 * ran / lines, 100 * taken / branches if branches else 100.0
    detail = f"{of_branches:.1f} % of {branches:,} branches, {of_lines:.1f} % of {lines:,} lines"
    return [*files, tool.check(METRIC, min(of_lines, of_branches), detail=detail, **given)]


def _covered(name: str, file: _File) -> FileCoverage:
    return FileCoverage(
        path=name.replace("\\", "/"),
        statements=file.summary.num_statements,
        covered=file.summary.covered_lines,
        branches=file.summary.num_branches,
        covered_branches=file.summary.covered_branches,
        missing=tuple(ranges(file.missing_lines, file.executed_lines)),
    )


def ranges(missing: Sequence[int], ran: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Lines that were never run, as ranges: one goes on over lines that hold no code, up to one that was run."""
    never = set(missing)
    for missed, lines in groupby(sorted({*missing, *ran}), never.__contains__):
        if missed:
            first, *rest = lines
            yield first, rest[-1] if rest else first
