"""What bandit finds in the code."""

import msgspec
from msgspec import Struct

from harness.quality.tool import Project, Tool
from harness.records.checks import Check

METRIC = "vulnerabilities_code"
GRAVE = ("MEDIUM", "HIGH")
"""The severities, and the confidences, that count: of lower ones, most are no vulnerability."""


class Issue(Struct):
    """One place."""

    test_id: str
    filename: str
    line_number: int
    issue_text: str
    issue_severity: str
    issue_confidence: str


class Totals(Struct):
    loc: int


class Metrics(Struct):
    totals: Totals = msgspec.field(name="_totals")


class Unread(Struct):
    """A file that could not be looked at."""

    filename: str
    reason: str


class Scan(Struct):
    """What bandit writes."""

    results: list[Issue]
    errors: list[Unread]
    metrics: Metrics


async def vulnerabilities_code(project: Project) -> list[Check]:
    """How many findings are grave; unknown where a file could not be looked at and nothing was found elsewhere."""
    tool = Tool(name="code", command=project.section.code)
    ended = await tool.run(project)
    try:
        scan = msgspec.json.decode(ended.output, type=Scan)
    except msgspec.DecodeError:
        return [tool.check(METRIC, None, reason=ended.why())]
    grave = [each for each in scan.results if each.issue_severity in GRAVE and each.issue_confidence in GRAVE]
    findings = tuple(f"{each.filename}:{each.line_number}: {each.test_id} {each.issue_text}" for each in grave)
    reason = ""
    if scan.errors:
        reason = f"{scan.errors[0].filename} could not be looked at: {scan.errors[0].reason}"
    elif not scan.metrics.totals.loc:
        reason = "it looked at no line of code"
    if reason and not findings:
        return [tool.check(METRIC, None, reason=reason)]
    detail = f"in {scan.metrics.totals.loc:,} lines; severity and confidence medium or more"
    if reason:
        detail += f"; {reason}"
    return [tool.check(METRIC, len(grave), detail=detail, findings=findings)]
