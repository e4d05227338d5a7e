"""A fault point bites the attempts of the run while it is armed, and what it killed is there again afterwards."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from small_target import small_target, standing
from small_workflows import Marking
from temporalio.client import WorkflowHandle

from chaos.faults.fault import Bite
from chaos.faults.points import Act, PointFault, PointPlan
from harness.errors import CannotRun
from harness.eventually import eventually
from harness.faultpoints import FaultPoints, interceptors
from harness.stack import Stack
from harness.testbed import Testbed

PATIENCE = 60


def plan(act: Act = "after_commit", *, call: int | None = None, attempt: int = 1, share: float = 1.0) -> PointPlan:
    return PointPlan(activity="marks", act=act, call=call, attempt=attempt, share=share, at=1, duration=1)


@pytest.fixture(scope="module")
async def bed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Testbed]:
    """A testbed of the small target, whose one worker looks for fault points."""
    async with standing(small_target(), stack, tmp_path_factory.mktemp("points")) as standing_one:
        await plan().prepare(standing_one, 1)
        async with standing_one.workers(1):
            yield standing_one


async def mark(bed: Testbed, name: str, calls: int = 1) -> WorkflowHandle[object, list[int]]:
    """Start the workflow that leaves marks, and returns the attempt by which each call ended well."""
    return await bed.client.start_workflow(
        "Marks",
        Marking(str(bed.run.directory / name), calls=calls),
        id=f"{bed.run.info.id}.{name}",
        task_queue=bed.target.file.task_queue,
        result_type=list[int],
    )


async def test_it_bites_while_it_is_armed(bed: Testbed) -> None:
    """Every first attempt of the run, and none after heal; each time it is injected it counts anew."""
    fault = plan().fault(bed)
    assert (fault.name, fault.on, fault.slows) == ("point after_commit", "marks", None)
    assert await fault.bite() == Bite(in_force=False, evidence="it is not armed")
    await fault.heal()
    await fault.inject()
    assert await fault.bite() == Bite(in_force=True, evidence="it is armed, and 1 workers look for fault points")
    assert await (await mark(bed, "one", calls=2)).result() == [2, 2]
    await fault.heal()
    await fault.heal()
    assert await fault.met() == (f"{bed.run.info.id}.one: marks, attempt 1",) * 2
    assert await (await mark(bed, "two")).result() == [1]
    await fault.inject()
    assert await (await mark(bed, "three")).result() == [2]
    await fault.heal()
    assert await fault.met() == (f"{bed.run.info.id}.three: marks, attempt 1",)


async def test_a_worker_that_it_killed_is_started_again_at_heal(bed: Testbed) -> None:
    """The attempt that killed it is told, and the next one has the effect."""
    (worker,) = bed.at_work
    before = worker.pid
    fault = plan("kill_before", call=1).fault(bed)
    await fault.inject()
    marking = await mark(bed, "killed")
    await eventually(lambda: not worker.alive, timeout=PATIENCE)
    await fault.heal()
    assert worker.alive
    assert worker.pid != before
    assert await asyncio.wait_for(marking.result(), PATIENCE) == [2]
    assert await fault.met() == (f"{bed.run.info.id}.killed: marks, attempt 1",)


async def test_whom_it_holds_it_lets_go_at_heal(bed: Testbed) -> None:
    """An attempt that hangs has its effect then, if it has not been given up."""
    fault = plan("hang").fault(bed)
    await fault.inject()
    marking = await mark(bed, "held")
    await eventually(fault.met, timeout=PATIENCE)
    await fault.heal()
    assert await asyncio.wait_for(marking.result(), PATIENCE) in ([1], [2])


async def test_refused_is_not_tried_again(bed: Testbed) -> None:
    """The act that is no method of its own."""
    fault = plan("refuse", call=1).fault(bed)
    await fault.inject()
    with pytest.raises(Exception, match="Workflow execution failed"):
        await (await mark(bed, "refused")).result()
    assert len(await fault.met()) == 1


async def test_it_is_not_in_force_where_no_worker_looks(tmp_path: Path) -> None:
    """What is armed cannot bite a worker that was not composed with fault points; one that was says so."""
    points = FaultPoints(tmp_path / "points")
    gone = points.directory / "looking" / "4194305"  # beyond the largest id that a process can have
    gone.parent.mkdir()
    gone.touch()
    fault = PointFault(plan(), points.at("marks"), points, [])
    await fault.inject()
    assert await fault.bite() == Bite(in_force=False, evidence="it is armed, and no worker looks for fault points")
    interceptors(points.environment)
    assert points.looking() == {os.getpid()}
    await fault.inject()
    assert (await fault.bite()).in_force


async def test_unprepared_it_is_refused(stack: Stack, tmp_path: Path) -> None:
    """Workers that were started without being told of fault points never look."""
    async with standing(small_target(), stack, tmp_path) as bed:
        with pytest.raises(CannotRun, match="do not look for fault points"):
            plan().fault(bed)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (plan(attempt=0), "attempt and call are counted from 1"),
        (plan(call=0), "attempt and call are counted from 1"),
        (plan(share=0), "share is above 0 and up to 1, not 0"),
        (plan(share=1.5), "share is above 0 and up to 1, not 1.5"),
    ],
)
def test_what_can_never_bite_is_told(wrong: PointPlan, says: str) -> None:
    """Before anything is started."""
    assert list(wrong.problems(2)) == [says]
    assert list(plan().problems(2)) == []


def test_only_what_kills_workers_touches_them() -> None:
    """Two fault points may be armed at once, and one beside a worker that is killed otherwise only if it kills none."""
    assert plan("lose").touches(2) == frozenset()
    assert plan("kill_after").touches(2) == {"worker-1", "worker-2"}
