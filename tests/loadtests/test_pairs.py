"""Beside a load run bare workflows: each with as many activities as the iteration it is compared with."""

from pathlib import Path
from typing import Any

import pytest
from small_target import small_target, standing
from small_worker import Quiet

from harness.driver import App
from harness.observation import read_workflow
from harness.records.measurements import Measurement
from harness.records.operations import Iteration
from harness.records.run import Recorded
from harness.stack import Stack
from harness.target import Target
from loadtests.arrivals import parse
from loadtests.load import Load
from loadtests.mix import Mix
from loadtests.pairs import paired
from loadtests.run import under_load
from reports.metrics import metrics


class Twofold(Quiet):
    """An iteration of two workflows."""

    name = "small-twofold"

    async def run(self, app: App, given: Any) -> None:  # noqa: ARG002
        for part in ("one", "other"):
            await app.result(await app.start("Echo", "hello", part=part, result_type=str))


@pytest.fixture
def target() -> Target:
    """With a scenario whose iteration is not one workflow."""
    made = small_target()
    made.scenarios = {**made.scenarios, Twofold.name: Twofold()}
    return made


async def test_pairs_are_taken_beside_a_load(target: Target, stack: Stack, tmp_path: Path) -> None:
    """Once a second; what has no pair is told; driving one of each to count its activities is no part of the load."""
    mix, notes = Mix.of(target, ["small-steady=3", "small-twofold"]), list[str]()
    load = Load(mix=mix, arrivals=parse("constant", 6, 3))
    async with standing(target, stack, tmp_path, notify=notes.append) as bed, bed.workers(1):
        async with paired(bed, mix):
            await under_load(bed, load)
        bare = await read_workflow(bed.plain_client, "", f"{bed.run.info.id}-baseline.0")
        ours = await read_workflow(bed.client, "", _first(bed.iterations, "small-steady").id("main"))
        await bed.conclude()
    assert [note for note in notes if "baseline" in note] == [
        "small-twofold has no baseline: an iteration of it is not one workflow"
    ]
    assert len(bare.activities) == len(ours.activities) == 1
    recorded = Recorded(bed.run.directory)
    (measured,) = recorded.read(Measurement)
    assert (measured.name, measured.unit) == ("platform_overhead", "ms")
    assert 1 <= len(measured.samples) <= 3
    assert [each.warm_up for each in recorded.read(Iteration)] == [True, True] + [False] * 18
    assert "paired differences" in metrics(recorded)["platform_overhead_median"].detail


def _first(iterations: list[Iteration], scenario: str) -> Iteration:
    return next(each for each in iterations if each.scenario == scenario)
