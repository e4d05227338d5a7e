"""Known vulnerabilities of the dependencies: pip-audit."""

import time
from pathlib import Path

import msgspec
from msgspec import Struct

from harness.quality.tool import Ended, Project, Tool
from harness.records.checks import Check

METRIC = "vulnerabilities_dependencies"
PROBE = "urllib3==1.24.1"
"""It has had known vulnerabilities for many years: who finds none in it has not reached the data."""


class Vulnerability(Struct):
    """One that is known."""

    id: str
    fix_versions: list[str] = []


class Dependency(Struct):
    """What is known of one dependency, or why nothing is."""

    name: str
    version: str = ""
    vulns: list[Vulnerability] = []
    skip_reason: str = ""


class Audit(Struct):
    """What pip-audit writes."""

    dependencies: list[Dependency]


async def vulnerabilities_dependencies(project: Project) -> list[Check]:
    """How many vulnerabilities are known of the dependencies; unknown where the data of the tool was not reached.

    The tool says "none found" of what its data does not have, too. So it is first asked of one that must be found.
    """
    probe = project.logs / "probe.txt"
    probe.write_text(f"{PROBE}\n")
    tool = _tool(project, "dependencies", project.directory / project.section.requirements)
    found = _audited(await _tool(project, "dependencies-probe", probe).run(project))
    if isinstance(found, str):
        return [tool.check(METRIC, None, reason=found)]
    if not any(dependency.vulns for dependency in found.dependencies):
        why = tuple(dependency.skip_reason for dependency in found.dependencies if dependency.skip_reason)
        reason = f"its data was not reached, for it finds nothing in {PROBE}"
        return [tool.check(METRIC, None, reason=reason, findings=why)]
    found = _audited(await tool.run(project))
    return [tool.check(METRIC, None, reason=found) if isinstance(found, str) else told(tool, found)]


def told(tool: Tool, audit: Audit) -> Check:
    """What an audit comes to; a vulnerability is one, also where nothing is known of other dependencies."""
    findings = tuple(
        f"{each.name} {each.version}: {vulnerability.id}"
        + (f", mended in {', '.join(vulnerability.fix_versions)}" if vulnerability.fix_versions else "")
        for each in audit.dependencies
        for vulnerability in each.vulns
    )
    untold = [each for each in audit.dependencies if each.skip_reason]
    of = f"{len(audit.dependencies):,} dependencies"
    reason = ""
    if not audit.dependencies:
        reason = "it looked at no dependency"
    elif untold:
        reason = f"of {len(untold):,} of {of} nothing is known: {untold[0].skip_reason}"
    if reason and not findings:
        return tool.check(METRIC, None, reason=reason)
    detail = f"in {of}" + (f"; {reason}" if reason else "")
    return tool.check(METRIC, len(findings), detail=detail, findings=findings, data=time.time())


def _tool(project: Project, name: str, requirements: Path) -> Tool:
    return Tool(name=name, command=project.section.dependencies, known={"requirements": str(requirements)})


def _audited(ended: Ended) -> Audit | str:
    """What it found; or why that is not known."""
    try:
        return msgspec.json.decode(ended.output, type=Audit)
    except msgspec.DecodeError:
        return ended.why()
