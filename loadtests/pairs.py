"""Runs a bare SDK workflow beside some iterations of a load: what the platform adds is the difference of the two."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from temporalio.client import RPCError, WorkflowFailureError, WorkflowHandle

from harness import bare
from harness.clock import now
from harness.observation import read_workflow
from harness.records.anatomy import Part
from harness.records.measurements import Measurement
from harness.records.operations import Iteration, Operation
from harness.records.run import Recorded
from harness.records.workflows import WorkflowRun
from harness.testbed import Testbed
from loadtests.mix import Mix

EVERY = 1.0
"""Seconds between two pairs, at the least."""
LOOK_EVERY = 0.05
ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Pair:
    """An iteration of ours, and the bare workflow that was started when it was meant to start."""

    iteration: Iteration
    bare: WorkflowHandle[object, str]


@asynccontextmanager
async def paired(bed: Testbed, mix: Mix) -> AsyncIterator[None]:
    """Inside the block, once a second, a bare workflow starts beside an iteration; then the differences are noted.

    The bare one has as many activities, one after the other, as an iteration of the same scenario has; that is found
    out first, by driving one. Scenarios of which an iteration is not one workflow have no pair, and are told. Workers
    must be up, and the target prepared.
    """
    counts = await _activities(bed, mix)
    for scenario in mix.scenarios:
        if scenario.name not in counts:
            bed.notify(f"{scenario.name} has no baseline: an iteration of it is not one workflow")
    queue = f"{bed.run.info.id}-baseline"
    worker = bed.bare_worker("baseline", task_queue=queue)
    await worker.start()
    pairs: list[Pair] = []
    pairing = asyncio.create_task(_pair(bed, len(bed.iterations), counts, queue, pairs))
    try:
        yield
        await asyncio.gather(*(_over(pair) for pair in pairs))
    finally:
        pairing.cancel()
        with suppress(asyncio.CancelledError):
            await pairing
        await worker.drain()
    if measured := await _differences(bed, pairs):
        bed.run.write(measured)


async def _activities(bed: Testbed, mix: Mix) -> dict[str, int]:
    """How many activities an iteration has, by scenario, where it is one workflow."""
    for scenario in mix.scenarios:
        await bed.once(scenario, warm_up=True)
    driven = bed.iterations[-len(mix.scenarios) :]
    runs = await _runs(bed, driven)
    return {
        iteration.scenario: len(run.activities)
        for iteration in driven
        if (run := runs.get(iteration)) is not None and run.activities
    }


async def _pair(bed: Testbed, first: int, counts: dict[str, int], queue: str, pairs: list[Pair]) -> None:
    """Start a bare workflow beside iterations from the `first` on, each at its intended time, again and again."""
    due = 0.0
    async for iteration in _planned(bed, first):
        if iteration.scenario in counts and not iteration.warm_up and iteration.intended >= due:
            due = iteration.intended + EVERY
            await asyncio.sleep(max(0.0, iteration.intended - now()))
            try:
                handle = await bare.start(
                    bed.plain_client, queue, id=f"{queue}.{len(pairs)}", activities=counts[iteration.scenario]
                )
            except RPCError as error:  # a load is not to fail of what it is compared with
                bed.notify(f"a bare workflow could not be started beside {iteration.prefix} {error}")
            else:
                pairs.append(Pair(iteration, handle))


async def _planned(bed: Testbed, first: int) -> AsyncIterator[Iteration]:
    """The iterations from this one on, in the order they are planned."""
    for number in itertools.count(first):
        while number >= len(bed.iterations):  # noqa: ASYNC110  # whoever plans them knows nothing of pairs
            await asyncio.sleep(LOOK_EVERY)
        yield bed.iterations[number]


async def _over(pair: Pair) -> None:
    """Wait until the bare workflow has ended; whether it did, its history will say."""
    with suppress(TimeoutError, RPCError, WorkflowFailureError):
        async with asyncio.timeout(ANSWER_SECONDS):
            await pair.bare.result()


async def _differences(bed: Testbed, pairs: Sequence[Pair]) -> Measurement | None:
    """Milliseconds that ours took longer than the bare one, each less its activities; None where there is no pair."""
    ours = await _runs(bed, [pair.iteration for pair in pairs])
    samples = []
    for pair in pairs:
        theirs = await read_workflow(bed.plain_client, "", pair.bare.id)
        if (run := ours.get(pair.iteration)) is not None and theirs.status == "completed":
            samples.append((_overhead(run) - _overhead(theirs)) * 1e3)
    if missing := len(pairs) - len(samples):
        bed.notify(f"{missing} of {len(pairs)} pairs are left out: one of the two did not complete")
    if not samples:
        return None
    return Measurement(
        name="platform_overhead",
        unit="ms",
        samples=tuple(samples),
        how="under load: what a workflow took less its activities, less the same of a workflow with as many activities "
        f"on a bare SDK worker, started at the same moment ({len(samples)} of {len(pairs)} pairs)",
    )


async def _runs(bed: Testbed, iterations: Sequence[Iteration]) -> dict[Iteration, WorkflowRun]:
    """The run of each iteration's workflow, where it started just one, and that has ended and waited for no other."""
    ids = {(each.scenario, each.index): set[str]() for each in iterations}
    for operation in Recorded(bed.run.directory).read(Operation):
        if (key := (operation.scenario, operation.iteration)) in ids:
            ids[key].add(operation.workflow_id)
    found = {}
    for iteration in iterations:
        started = ids[iteration.scenario, iteration.index]
        if len(started) == 1:
            run = await read_workflow(bed.client, bed.run.info.id, *started)
            if run.anatomy is not None and Part.OTHERS not in run.anatomy.seconds:
                found[iteration] = run
    return found


def _overhead(run: WorkflowRun) -> float:
    assert run.closed is not None
    return run.closed - run.started - run.activity_time()
