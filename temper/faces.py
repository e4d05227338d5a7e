"""The verdict of the gate as it is printed, and what it does to the exit code."""

import os
import shutil
import sys
from typing import TYPE_CHECKING

from temper.ending import FAILED, GOOD

if TYPE_CHECKING:
    from reports.gate import GateResult


def show(result: "GateResult", form: str = "text") -> None:
    """Print it: `text` for a person, in colour where one is there to see it; `json`, `markdown`."""
    from reports.gate import to_json
    from reports.markdown import markdown
    from reports.terminal import text

    if form == "text":
        seen = sys.stdout.isatty()
        width = shutil.get_terminal_size().columns if seen else None
        told = text(result, width=width, colour=seen and "NO_COLOR" not in os.environ)
    else:
        told = {"json": to_json, "markdown": markdown}[form](result)
    print(told.rstrip("\n"), flush=True)


def code_of(result: "GateResult") -> int:
    """The exit code: good only where every hard objective holds, or is waived."""
    from harness.records.verdicts import Verdict

    return GOOD if result.overall is Verdict.VALID else FAILED
