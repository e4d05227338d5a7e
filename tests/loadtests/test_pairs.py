"""Beside a load run bare workflows: each with as many activities as the iteration it is compared with."""

import re
from pathlib import Path
from typing import Any

import psutil
import pytest
from small_target import small_target, standing
from small_worker import Quiet

from harness import bare
from harness.driver import App
from harness.observation import read_workflow
from harness.records.anatomy import Anatomy, Part
from harness.records.measurements import Measurement
from harness.records.operations import Iteration
from harness.records.run import Recorded
from harness.records.verdicts import Verdict
from harness.records.workflows import WorkflowRun
from harness.stack import Stack
from harness.target import Target
from loadtests.arrivals import parse
from loadtests.load import Load
from loadtests.mix import Mix
from loadtests.pairs import differences, paired
from loadtests.run import under_load
from reports.metrics import metrics


class Twofold(Quiet):
    """An iteration of two workflows."""

    name = "small-twofold"

    async def run(self, app: App, given: Any) -> None:
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
        beside = await read_workflow(bed.plain_client, "", f"{bed.run.info.id}-baseline.0")
        ours = await read_workflow(bed.client, "", _first(bed.iterations, "small-steady").id("main"))
        await bed.conclude()
    assert [note for note in notes if "baseline" in note] == [
        "small-twofold has no baseline: an iteration of it is not one workflow"
    ]
    assert len(beside.activities) == len(ours.activities) == 1
    recorded = Recorded(bed.run.directory)
    measured = recorded.read(Measurement)
    assert [(each.name, each.unit) for each in measured] == [("platform_overhead", "ms"), ("waiting_under_load", "ms")]
    assert 1 <= len(measured[0].samples) == len(measured[1].samples) <= 3
    assert [each.warm_up for each in recorded.read(Iteration)] == [True, True] + [False] * 18
    assert "paired differences" in metrics(recorded)["platform_overhead_median"].detail


def test_what_a_load_makes_wait_is_no_overhead_of_the_platform() -> None:
    """Ours waited two seconds more for workers, and for a timer of its own; in workflow tasks it took 3 ms more."""
    ours = ran(workflow_tasks=0.008, server=0.002, worker=2.0, activity_queue=0.5, activity_execution=1.0, timers=4.0)
    bare_one = ran(workflow_tasks=0.005, server=0.002, worker=0.4, activity_queue=0.1)
    overhead, waiting = differences([(ours, bare_one)])
    assert overhead.samples == pytest.approx([3.0])
    assert waiting.samples == pytest.approx([2000.0])


def ran(**seconds: float) -> WorkflowRun:
    """A run that spent so many seconds on each part."""
    return WorkflowRun(
        scenario="s",
        iteration=0,
        workflow_id="w",
        run_id="r",
        type="T",
        status="completed",
        started=0.0,
        closed=sum(seconds.values()),
        events=9,
        anatomy=Anatomy(seconds={Part(name): length for name, length in seconds.items()}),
    )


@pytest.mark.thorough
async def test_a_load_does_not_fail_of_what_it_is_compared_with(
    target: Target, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a worker the bare workflows do not end: those pairs are left out, and told."""
    monkeypatch.setattr("loadtests.pairs.ANSWER_SECONDS", 0.2)
    mix, notes = Mix.of(target, ["small-steady"]), list[str]()
    load = Load(mix=mix, arrivals=parse("constant", 4, 1.5))
    async with standing(target, stack, tmp_path, notify=notes.append) as bed, bed.workers(1):
        async with paired(bed, mix):
            for child in psutil.Process().children():
                if child.cmdline() == list(bare.COMMAND):
                    child.kill()
            await under_load(bed, load)
        judgements = {each.invariant: each.verdict for each in await bed.conclude()}
    assert judgements["small-steady: its own check"] is Verdict.VALID
    (note,) = (note for note in notes if "pairs" in note)
    assert re.fullmatch(r"(\d) of \1 pairs are left out: one of the two did not complete", note)
    assert Recorded(bed.run.directory).read(Measurement) == []


def _first(iterations: list[Iteration], scenario: str) -> Iteration:
    return next(each for each in iterations if each.scenario == scenario)
