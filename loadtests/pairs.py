"""Runs a bare SDK workflow beside some iterations of a load: what the platform adds is the difference of the two."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from temporalio.client import RPCError, WorkflowFailureError, WorkflowHandle

from harness import bare
from harness.clock import now
from harness.observation import read_workflow
from harness.records.anatomy import Part
from harness.records.columns import frame_of
from harness.records.measurements import Measurement
from harness.records.operations import Iteration, Operation
from harness.records.run import Recorded
from harness.records.workflows import WorkflowRun
from harness.testbed import Testbed
from loadtests.mix import Mix

EVERY = 1.0
"""Seconds between two pairs, at the least."""
OVERHEAD = (Part.WORKFLOW_TASKS, Part.SERVER)
"""What a platform can lengthen: its own code runs in workflow tasks, and it can have the server do more."""
WAITING = (Part.WORKER, Part.ACTIVITY_QUEUE)
"""What a load lengthens: ours waits for workers that carry all of it, the bare one for an idle worker of its own."""
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
        await _over(pairs)
    finally:
        pairing.cancel()
        with suppress(asyncio.CancelledError):
            await pairing
        await worker.drain()
    if ended := await _ended(bed, pairs):
        bed.run.write_all(differences(ended))


async def _activities(bed: Testbed, mix: Mix) -> dict[str, int]:
    """How many activities an iteration has, by scenario, where it is one workflow."""
    for (
        scenario
    ) in mix.scenarios:  # no faster than pairs are taken: a service may be somebody's, with a cap on its rate
        await asyncio.gather(bed.once(scenario, warm_up=True), asyncio.sleep(EVERY))
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


async def _over(pairs: Iterable[Pair]) -> None:
    """Wait until the bare workflows have ended, most of which have long since; whether they did, histories will say."""
    with suppress(TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            for pair in pairs:
                with suppress(RPCError, WorkflowFailureError):
                    await pair.bare.result()


async def _ended(bed: Testbed, pairs: Sequence[Pair]) -> list[tuple[WorkflowRun, WorkflowRun]]:
    """Both runs of each pair of which both completed; the others are told."""
    ours, found = await _runs(bed, [pair.iteration for pair in pairs]), []
    for pair in pairs:
        theirs = await read_workflow(bed.plain_client, "", pair.bare.id)
        if (run := ours.get(pair.iteration)) is not None and theirs.status == "completed":
            found.append((run, theirs))
    if missing := len(pairs) - len(found):
        bed.notify(f"{missing} of {len(pairs)} pairs are left out: one of the two did not complete")
    return found


def differences(pairs: Sequence[tuple[WorkflowRun, WorkflowRun]]) -> list[Measurement]:
    """Milliseconds that ours spent beyond the bare one, of each pair: on overhead, and apart from it on waiting."""

    def beyond(parts: Sequence[Part]) -> tuple[float, ...]:
        return tuple(1e3 * (_spent(ours, parts) - _spent(bare_one, parts)) for ours, bare_one in pairs)

    how = (
        "under load: {}, less the same of a workflow with as many activities on a bare SDK worker of its own, started "
        f"at the same moment, by the histories of {len(pairs)} pairs"
    )
    overhead = how.format("what a workflow spent in workflow tasks and gaps of the server, without what it waited for")
    waiting = how.format("what a workflow and its activities waited for workers, which comes of the load")
    return [
        Measurement(name="platform_overhead", unit="ms", samples=beyond(OVERHEAD), how=overhead),
        Measurement(name="waiting_under_load", unit="ms", samples=beyond(WAITING), how=waiting),
    ]


async def _runs(bed: Testbed, iterations: Sequence[Iteration]) -> dict[Iteration, WorkflowRun]:
    """The run of each iteration's workflow, where it started just one, and that has ended and waited for no other."""
    wanted = frame_of(Iteration, iterations).select("scenario", iteration="index")
    calls = Recorded(bed.run.directory).frame(Operation).join(wanted, on=["scenario", "iteration"], how="semi")
    ids: dict[tuple[str, int], set[str]] = defaultdict(set)
    for scenario, iteration, workflow_id in calls.select("scenario", "iteration", "workflow_id").iter_rows():
        ids[scenario, iteration].add(workflow_id)
    found = {}
    for each in iterations:
        started = ids[each.scenario, each.index]
        if len(started) == 1:
            run = await read_workflow(bed.client, bed.run.info.id, *started)
            if run.anatomy is not None and Part.OTHERS not in run.anatomy.seconds:
                found[each] = run
    return found


def _spent(run: WorkflowRun, parts: Sequence[Part]) -> float:
    assert run.anatomy is not None, "a run that has closed has one"
    return sum(run.anatomy.seconds.get(part, 0.0) for part in parts)
