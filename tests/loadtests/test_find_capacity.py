"""The capacity of a target that stands is searched with its own iterations, each step written into the run."""

from pathlib import Path

import pytest
from small_target import small_target, standing
from small_worker import Quiet

from harness.checking.capacity import Limits, capacity_of
from harness.driver import App
from harness.errors import CannotRun
from harness.records.operations import Iteration, Kind, Operation
from harness.records.run import Recorded
from harness.records.samples import CLIENT, CPU, MACHINE, Sample
from harness.records.steps import Standing, Step
from harness.stack import Stack
from loadtests.capacity import Search, capacity
from loadtests.mix import Mix

TARGET = small_target()
UP = Search(limits=Limits(p99=60.0, lag_budget=60.0), start=10, most=20, seconds=0.5, fewest=5)
DOWN = Search(limits=Limits(p99=1e-6, lag_budget=60.0), start=160, most=160, seconds=0.05, fewest=4)


class Fired(Quiet):
    """Starts a workflow, and does not wait for it."""

    name = "small-fired"

    async def run(self, app: App, given: object) -> None:  # noqa: ARG002
        await app.start("Echo", "hello")


async def test_the_capacity_of_a_target_is_searched(stack: Stack, tmp_path: Path) -> None:
    """With an objective that always holds the rate goes up to the most; with one that never does it goes down."""
    mix = Mix.of(TARGET, ["small-echo"])
    told: list[Step] = []
    async with standing(TARGET, stack, tmp_path) as bed, bed.workers(1):
        up = await capacity(bed, mix, UP, on_step=told.append)
        down = await capacity(bed, mix, DOWN)
        await bed.conclude()
    recorded = Recorded(bed.run.directory)
    steps = recorded.read(Step)
    assert steps[:2] == told
    assert [(step.rate, step.standing) for step in told] == [(10, Standing.HOLDS), (20, Standing.HOLDS)]
    assert up == capacity_of(told)
    assert up.knee == 20
    assert [step.rate for step in steps[2:]] == [160, 80, 40, 20, 10, 5, 2.5]
    assert down.knee is None
    iterations = recorded.read(Iteration)
    assert [each.index for each in iterations] == list(range(len(iterations))), "no id is used twice"
    firsts = [min(each.intended for each in iterations if each.intended >= step.began) - step.began for step in told]
    assert firsts[0] * 10 != pytest.approx(firsts[1] * 20), "each trial draws its arrivals anew"
    results = [op for op in recorded.read(Operation) if op.kind is Kind.RESULT]
    assert len(results) == len(iterations) == sum(step.iterations for step in steps)
    assert all(step.p99 is not None and step.p99 > 0 for step in steps if step.iterations)
    assert {CLIENT, MACHINE, "worker-1"} <= {sample.source for sample in recorded.read(Sample) if sample.name == CPU}
    assert recorded.info.load is None, "its steps are no load that a gate judges"


async def test_scenarios_that_wait_for_no_result_have_no_knee(stack: Stack, tmp_path: Path) -> None:
    """There is no response time to judge by."""
    mix = Mix({Fired(): 1.0})
    async with standing(TARGET, stack, tmp_path) as bed:
        with pytest.raises(CannotRun, match="small-fired: no iteration waits for a result"):
            await capacity(bed, mix, UP)
