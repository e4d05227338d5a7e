"""The scenarios of small.toml: the small target's, one that waits for nothing, a hasty one, one that leaves marks."""

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import small_target
from small_worker import Quiet

from harness.driver import App
from harness.records.effects import Fact
from harness.records.operations import Iteration
from harness.scenario import Stores


class Starts(Quiet):
    """Starts a workflow and leaves it: what it takes is the server's alone."""

    name = "small-starts"

    async def run(self, app: App, given: Any) -> None:
        await app.start("Echo", "hello")


class Hasty(Quiet):
    """A workflow that has a second: what keeps its worker busy or away for longer costs it."""

    name = "small-hasty"

    async def run(self, app: App, given: Any) -> None:
        await app.result(await app.start("Echo", "hello", run_timeout=timedelta(seconds=1)))


class Marks(Quiet):
    """A workflow with one activity that leaves a line in a file, to be counted."""

    name = "small-marks"

    async def run(self, app: App, given: Any) -> None:
        await app.result(await app.start("Marks", {"path": str(marks_of(app.iteration))}))

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> dict[int, list[Fact]]:
        """Count the lines, and take the file away."""
        facts = {}
        for each in iterations:
            lines = marks_of(each).read_text().splitlines()
            marks_of(each).unlink()
            facts[each.index] = [
                Fact(
                    scenario=self.name,
                    iteration=each.index,
                    workflow_id=each.id("main"),
                    step="marks",
                    item="",
                    expected=1,
                    found=len(lines),
                )
            ]
        return facts


def marks_of(iteration: Iteration) -> Path:
    """The file of one iteration."""
    return Path(tempfile.gettempdir()) / f"{iteration.prefix}marks"


SCENARIOS = [*small_target.SCENARIOS, Starts(), Hasty(), Marks()]
