"""How many type errors a type checker finds."""

import re

from harness.quality.tool import Project, Tool
from harness.records.checks import Check

ERROR = re.compile(r"[:-] error(: | TS)")
"""As mypy, pyright and tsc write it."""
LOOKED_AT = re.compile(r"\d+ source files?")


async def type_errors(project: Project) -> list[Check]:
    """The number of errors; none where the checker failed and told of no error, or told of one and did not fail."""
    tool = Tool(name="types", command=project.section.types)
    ended = await tool.run(project)
    errors = [line for line in ended.output.splitlines() if ERROR.search(line)]
    if bool(ended.code) != bool(errors):
        reason = ended.why() + ("" if errors else ", and told of no error")
        return [tool.check("type_errors", None, reason=reason, findings=tuple(errors))]
    looked_at = LOOKED_AT.findall(ended.output)
    detail = f"of {looked_at[-1]}" if looked_at else ""
    return [tool.check("type_errors", len(errors), detail=detail, findings=tuple(errors))]
