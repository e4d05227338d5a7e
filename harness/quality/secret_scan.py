"""What looks like a secret in the files git knows: detect-secrets."""

import subprocess

import msgspec
from msgspec import Struct

from harness.quality.tool import Project, Tool
from harness.records.checks import Check

METRIC = "secrets"


class Secret(Struct):
    """One place that looks like one."""

    type: str
    line_number: int


class Plugin(Struct):
    name: str


class Scan(Struct):
    """What detect-secrets writes; it says nothing of what it looked at."""

    plugins_used: list[Plugin]
    results: dict[str, list[Secret]]


async def secrets(project: Project) -> list[Check]:
    """How many places look like a secret, and are not explained beside them; unknown where git knows no file."""
    tool = Tool(name="secrets", command=project.section.secrets)
    # Where there are none, it finds nothing, and says so without a complaint.
    files = known_to_git(project)
    if not files:
        return [tool.check(METRIC, None, reason="it looks at the files git knows, and here git knows none")]
    ended = await tool.run(project)
    try:
        scan = msgspec.json.decode(ended.output, type=Scan)
    except msgspec.DecodeError:
        return [tool.check(METRIC, None, reason=ended.why())]
    if ended.code or not scan.plugins_used:
        return [tool.check(METRIC, None, reason=ended.why() if ended.code else "it was told to look for nothing")]
    findings = tuple(
        f"{path}:{each.line_number}: {each.type}" for path, found in scan.results.items() for each in found
    )
    detail = f"in {files:,} files, of {len(scan.plugins_used)} kinds"
    return [tool.check(METRIC, len(findings), detail=detail, findings=findings)]


def known_to_git(project: Project) -> int:
    """How many files git knows in the project's directory; 0 where it is no repository."""
    try:
        answer = subprocess.run(["git", "ls-files", "-z"], cwd=project.directory, capture_output=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    return answer.stdout.count(b"\0")
