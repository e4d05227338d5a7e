"""The capacity of a target that stands is searched with its own iterations, each step written into the run."""

import asyncio
import dataclasses
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from small_target import small_target, standing
from small_worker import Quiet

from harness.checking.capacity import Limits, capacity_of
from harness.clock import now
from harness.driver import App
from harness.errors import CannotRun
from harness.eventually import eventually
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.run import Recorded
from harness.records.samples import CLIENT, CPU, MACHINE, Sample
from harness.records.steps import Standing, Step
from harness.scenario import Scenario
from harness.stack import Stack
from harness.target import Target
from loadtests.capacity import Search, capacity

SMALL = Path(__file__).parent.parent / "small.toml"
LIMITS = Limits(p99=60.0, lag_budget=60.0)
UP = Search(limits=LIMITS, start=4_000, most=8_000, seconds=0.2)
DOWN = Search(limits=Limits(p99=1e-6, lag_budget=60.0), start=160, most=160, seconds=0.05, fewest=4)


class Answered(Quiet):
    """Is answered at once, by nobody: of the hundreds that tell a p99, workers would make a test of minutes."""

    name = "small-answered"
    kinds: tuple[Kind, ...] = (Kind.START, Kind.RESULT)
    status = "completed"

    async def run(self, app: App, given: object) -> None:
        for kind in self.kinds:
            app.record(
                Operation(
                    scenario=self.name,
                    iteration=app.iteration.index,
                    kind=kind,
                    name="",
                    workflow_id=app.iteration.id("main"),
                    run_id=None,
                    intended=app.iteration.intended,
                    sent=now(),
                    acknowledged=now(),
                    ack=Ack.OK,
                    status=self.status if kind is Kind.RESULT else None,
                )
            )


class Rejected(Answered):
    """Is told no, as it may be, and at once."""

    name = "small-rejected"
    status = "failed"
    ends = frozenset({"failed"})


class Told(Answered):
    """Asks for no result."""

    name = "small-told"
    kinds = (Kind.START,)


class GivenUp(Quiet):
    """Starts a workflow that nobody works on, sees it run, and waits no longer."""

    name = "small-given-up"

    async def run(self, app: App, given: object) -> None:
        started = await app.start("Never", None)
        query = f'WorkflowId = "{started.id}" AND ExecutionStatus = "Running"'

        async def seen() -> bool:
            return (await app.client.count_workflows(query)).count == 1

        await eventually(seen)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await app.result(started)


class Enough(Exception):
    """Raised by a test that has seen what it wanted to."""


class Fired(Quiet):
    """Starts a workflow, and does not wait for it."""

    name = "small-fired"

    async def run(self, app: App, given: object) -> None:
        await app.start("Echo", "hello")


def target_of(*scenarios: Scenario[Any]) -> Target:
    """The small target, with no other scenarios than these."""
    target = small_target()
    target.scenarios = {scenario.name: scenario for scenario in scenarios}
    return target


async def test_the_capacity_of_a_target_is_searched(stack: Stack, tmp_path: Path) -> None:
    """With an objective that never holds the rate goes down, and no knee is made up."""
    target = small_target()
    told: list[Step] = []
    async with standing(target, stack, tmp_path) as bed, bed.workers(1):
        down = await capacity(bed, ["small-echo"], DOWN, on_step=told.append)
        await bed.conclude()
    recorded = Recorded(bed.run.directory)
    steps = recorded.read(Step)
    assert steps == told
    assert [step.rate for step in steps] == [160, 80, 40, 20, 10, 5, 2.5]
    assert down == capacity_of(told)
    assert down.knee is None
    iterations = recorded.read(Iteration)
    assert [each.index for each in iterations] == list(range(len(iterations))), "no id is used twice"
    results = [op for op in recorded.read(Operation) if op.kind is Kind.RESULT]
    assert len(results) == len(iterations) == sum(step.iterations for step in steps)
    assert all(step.p99 is not None and step.p99 > 0 for step in steps if step.iterations)
    assert {CLIENT, MACHINE, "worker-1"} <= {sample.source for sample in recorded.read(Sample) if sample.name == CPU}
    assert recorded.info.load is None, "its steps are no load that a gate judges"


async def test_scenarios_that_wait_for_no_result_have_no_knee(stack: Stack, tmp_path: Path) -> None:
    """There is no response time to judge by."""
    async with standing(target_of(Fired()), stack, tmp_path) as bed:
        with pytest.raises(CannotRun, match="small-fired: no iteration waits for a result"):
            await capacity(bed, [Fired.name], UP)


async def test_each_trial_draws_its_arrivals_anew(stack: Stack, tmp_path: Path) -> None:
    """With an objective that always holds the rate goes up to the most; no two trials have the same gaps."""
    told: list[Step] = []
    target = target_of(Answered(), Rejected(), Told())
    async with standing(target, stack, tmp_path) as bed:
        up = await capacity(bed, list(target.scenarios), UP, on_step=told.append)
    assert [(step.rate, step.standing) for step in told] == [(4_000, Standing.HOLDS), (8_000, Standing.HOLDS)]
    assert up == capacity_of(told)
    assert up.knee == 8_000
    intended = [each.intended for each in Recorded(bed.run.directory).read(Iteration)]
    first, second = (
        [(later - earlier) * step.rate for earlier, later in pairwise(intended) if step.began <= earlier < step.ended]
        for step in told
    )
    assert len(first) > 300
    assert {step.unserved for step in told} == {0}, "a rejection is an answer, and who asks for none is served"
    assert first[:100] != pytest.approx(second[:100], abs=0.01)


async def test_what_a_trial_leaves_running_is_waited_for_and_told(stack: Stack, tmp_path: Path) -> None:
    """It would be charged to the next rate, which is lower and would hold: that it ran beside it is in its step."""
    notes: list[str] = []
    steps: list[Step] = []

    def stop(step: Step) -> None:
        steps.append(step)
        if len(steps) == 2:
            raise Enough(step.reason)

    search = dataclasses.replace(DOWN, limits=LIMITS, fewest=8, idle=0.1)
    async with standing(target_of(GivenUp()), stack, tmp_path, notify=notes.append) as bed:
        with pytest.raises(Enough, match=r"(\d+) of \1 iterations were not served; and \d+ workflows of trials before"):
            await capacity(bed, [GivenUp.name], search, on_step=stop)
    first, second = steps
    assert (first.standing, first.disturbed) == (Standing.BREAKS, 0)
    assert (second.standing, second.repeats) == (Standing.UNCLEAR, 3)
    assert second.disturbed >= first.iterations
    assert f"{first.iterations} workflows of trials before still run: the next one shares the system with them" in notes


@pytest.mark.thorough
async def test_a_rate_is_offered_by_several_processes(stack: Stack, tmp_path: Path) -> None:
    """Each drives its share of every trial; none of them is the run's own load."""
    search = dataclasses.replace(DOWN, fewest=20, start=40, most=40)

    def stop(step: Step) -> None:
        raise Enough(step.reason)

    async with standing(Target.read(SMALL), stack, tmp_path) as bed, bed.workers(1):
        with pytest.raises(Enough, match=r"p99 is .* above 0\.001 ms|iterations are too few"):
            await capacity(bed, ["small-echo"], search, 2, on_step=stop)
    recorded = Recorded(bed.run.directory)
    results = [(op.scenario, op.iteration) for op in recorded.read(Operation) if op.kind is Kind.RESULT]
    assert sorted(results) == [("small-echo", each.index) for each in recorded.read(Iteration)]
    assert {path.name for path in bed.run.logs.glob("generator-*.log")} == {"generator-1.log", "generator-2.log"}
    assert recorded.info.load is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"start": 0}, "from a rate above 0 to a higher one"),
        ({"start": 9_000}, "from a rate above 0 to a higher one"),
        ({"limits": Limits(p99=float("inf"))}, "from a rate above 0 to a higher one"),
        ({"limits": Limits(p99=1.0, lag_budget=float("nan"))}, "cannot be allowed to be nan ms late"),
        ({"start": 0.1}, r"At 0.1/s it takes 5,700 s to tell a p99 by"),
        ({"seconds": float("inf")}, "it takes inf s"),
        ({"most": 1e9}, r"plans 200,000,000.0 iterations; .*\nSearch up to a lower rate"),
    ],
)
def test_a_search_that_cannot_be_made_is_refused(changes: dict[str, Any], says: str) -> None:
    """Before anything is started for it."""
    with pytest.raises(CannotRun, match=says):
        dataclasses.replace(UP, **changes)
