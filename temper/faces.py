"""The verdict of the gate as it is printed and written, and what it does to the exit code."""

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from harness.errors import CannotRun
from temper.ending import FAILED, GOOD
from temper.terminal import screen

if TYPE_CHECKING:
    from reports.gate import GateResult
    from reports.objectives import Policy

SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable by which GitHub's runner names the file that is shown above a job's log."""


def show(result: "GateResult", form: str = "text") -> None:
    """Print it: `text` for a person, in colour where one is there to see it; `json`, `markdown`."""
    from reports.gate import to_json
    from reports.markdown import markdown
    from reports.terminal import text

    told = {"json": to_json, "markdown": markdown}[form](result) if form != "text" else text(result, **_screen())
    print(told.rstrip("\n"), flush=True)


def show_self_test(by: "Policy") -> int:
    """Prove that each objective can fail, print how that went, and tell the exit code."""
    from reports.canary import self_test
    from reports.terminal import proofs_text

    proofs = self_test(by)
    print(proofs_text(proofs, **_screen()).rstrip("\n"), flush=True)
    return FAILED if any(proof.problems for proof in proofs) else GOOD


def write_junit(result: "GateResult", path: Path) -> None:
    """Write it as JUnit XML. Raises CannotRun."""
    from reports.junit import junit

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(junit(result), encoding="utf-8")
    except OSError as error:
        raise CannotRun(f"{path} cannot be written: {error.strerror}.", remedy="--junit names another file.") from error


def append_summary(result: "GateResult") -> None:
    """Append it as Markdown to the summary of the CI job; outside of one, say that there is none. Raises CannotRun."""
    from reports.markdown import markdown

    path = os.environ.get(SUMMARY)
    if not path:
        screen.say(f"no summary is written: {SUMMARY} names no file")
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(markdown(result) + "\n")
    except OSError as error:
        raise CannotRun(f"{path} cannot be written: {error.strerror}.", remedy=f"{SUMMARY} names it.") from error


def code_of(result: "GateResult") -> int:
    """The exit code: good only where every hard objective holds, or is waived."""
    from harness.records.verdicts import Verdict

    return GOOD if result.overall is Verdict.VALID else FAILED


class _Screen(TypedDict):
    width: int | None
    colour: bool


def _screen() -> _Screen:
    """How wide a table may be, and whether it has colours: in a pipe neither."""
    seen = sys.stdout.isatty()
    return _Screen(
        width=shutil.get_terminal_size().columns if seen else None, colour=seen and "NO_COLOR" not in os.environ
    )
