"""The figures every target is measured by: how fast a worker starts, and what the platform adds to a workflow."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from harness import bare
from harness.clock import now
from harness.driver import drive
from harness.errors import HarnessError
from harness.observation import read_workflows
from harness.records.measurements import Measurement
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.scenario import Scenario
from harness.testbed import Testbed
from harness.workers import Worker

FIRST_RESULT_SECONDS = 60.0
"""A worker that has not brought a first result by then does not work."""

Told = Callable[[str], None]


class MeasurementFailed(HarnessError):
    """What was to be timed did not succeed: a figure of it would mean nothing."""


@dataclass(frozen=True)
class Timed:
    """One timed iteration: seconds from sending its start to having its result, and those spent in activities."""

    total: float
    in_activities: float

    @property
    def overhead(self) -> float:
        return self.total - self.in_activities


async def worker_startup(bed: Testbed, scenario: Scenario[Any], spawns: int, told: Told) -> list[Measurement]:
    """Spawn a worker process and time it until its first result, `spawns` times, in turn with a bare SDK worker.

    The workflow is started first, on a queue of its own, where it waits for the worker. Workers go direct.
    """
    own: list[float] = []
    bare: list[float] = []
    for number in range(spawns):
        own.append(await _startup_of_target(bed, scenario, number))
        bare.append(await _startup_of_bare(bed, number))
        told(f"worker start-up {number + 1}/{spawns}: {own[-1]:.2f} s (bare SDK {bare[-1]:.2f} s)")
    how = "from spawning the process to the client having the result of {}; one at a time, direct, no proxy"
    return [
        Measurement(
            name="worker_startup", unit="s", samples=tuple(own), how=how.format(f"one iteration of {scenario.name}")
        ),
        Measurement(
            name="bare_worker_startup",
            unit="s",
            samples=tuple(bare),
            how=how.format("a workflow with one activity, on a worker with nothing but the SDK"),
        ),
    ]


async def workflow_overhead(bed: Testbed, scenario: Scenario[Any], pairs: int, told: Told) -> list[Measurement]:
    """Time the scenario's workflow end to end less its activities, one at a time, in turn with the bare SDK.

    Each pair draws the same input twice; which of the two goes first alternates. The first pair of each warms up
    and is left out. Without a [baseline] in temper.toml, the platform's own share is not measured.
    """
    section = bed.target.file.baseline
    samples: list[float] = []
    differences: list[float] = []
    own_queue, bare_queue = f"{bed.run.info.id}-overhead", f"{bed.run.info.id}-bare"
    async with AsyncExitStack() as exits:
        await exits.enter_async_context(bed.workers(1, name="overhead", task_queue=own_queue))
        if section:
            await exits.enter_async_context(bed.baseline(section, task_queue=bare_queue))
        queues = [own_queue, bare_queue] if section else [own_queue]
        for number in range(pairs + 1):
            seen: dict[str, float] = {}
            for queue in queues if number % 2 else reversed(queues):
                kind = "overhead" if queue == own_queue else "bare"
                seen[queue] = (await timed(bed, scenario, number, kind=kind, task_queue=queue)).overhead * 1000
            if number == 0:
                continue
            samples.append(seen[own_queue])
            if section:
                differences.append(seen[own_queue] - seen[bare_queue])
            if number % 10 == 0:
                told(f"workflow overhead {number}/{pairs}: {samples[-1]:.1f} ms")
    how = f"{scenario.name}, one at a time, one client, direct: from sending the start to having the result, "
    measured = [
        Measurement(
            name="workflow_overhead",
            unit="ms",
            samples=tuple(samples),
            how=how + "less the time in which an activity ran",
        )
    ]
    if section:
        measured.append(
            Measurement(
                name="platform_overhead",
                unit="ms",
                samples=tuple(differences),
                how=how + "less activities, less the same workflow with the same input on a bare SDK worker (pairs)",
            )
        )
    return measured


async def _startup_of_target(bed: Testbed, scenario: Scenario[Any], number: int) -> float:
    queue = f"{bed.run.info.id}-startup-{number}"
    begun = asyncio.Event()
    operations: list[Operation] = []

    def record(operation: Operation) -> None:
        operations.append(operation)
        begun.set()

    async def drive_it() -> None:
        await drive(
            scenario,
            bed.app(_beside(bed, scenario, number, kind="startup"), task_queue=queue, record=record, client=bed.client),
        )
        begun.set()

    driven = asyncio.create_task(drive_it())
    try:
        await begun.wait()
        begin = await _until(bed.worker(f"startup-{number}", task_queue=queue), driven)
    finally:
        driven.cancel()
    return _answered(operations, scenario) - begin


async def _startup_of_bare(bed: Testbed, number: int) -> float:
    queue = f"{bed.run.info.id}-bare-startup-{number}"
    handle = await bare.start(bed.plain_client, queue)
    begin = await _until(bed.bare_worker(f"bare-startup-{number}", task_queue=queue), handle.result())
    return now() - begin


async def _until(worker: Worker, result: Awaitable[object]) -> float:
    """Spawn the worker and wait for the result; the time of the spawn. Raises MeasurementFailed if none comes."""
    begin = now()
    try:
        worker.process.start()
        async with asyncio.timeout(FIRST_RESULT_SECONDS):
            await result
    except TimeoutError:
        message = f"{worker.name} brought no result within {FIRST_RESULT_SECONDS:.0f} s"
        raise MeasurementFailed(message) from None
    finally:
        await worker.kill()
    return begin


async def timed(bed: Testbed, scenario: Scenario[Any], number: int, *, kind: str, task_queue: str) -> Timed:
    """Drive one iteration beside the run, direct, on this queue, and time it. Raises MeasurementFailed."""
    operations: list[Operation] = []
    iteration = _beside(bed, scenario, number, kind=kind)
    broken = await drive(
        scenario, bed.app(iteration, task_queue=task_queue, record=operations.append, client=bed.client)
    )
    if broken:
        raise MeasurementFailed(broken[0].message)
    total = _answered(operations, scenario) - operations[0].sent
    runs = await read_workflows(bed.client, iteration.run, operations)
    in_activities = sum(run.activity_time() for run in runs)
    if in_activities > total:
        message = f"{scenario.name} took {total:.3f} s, and its activities {in_activities:.3f} s: the clocks disagree"
        raise MeasurementFailed(message)
    return Timed(total, in_activities)


def _beside(bed: Testbed, scenario: Scenario[Any], number: int, *, kind: str) -> Iteration:
    """An iteration of a run beside the run: what is timed here is a measurement, and no part of what is judged.

    Each is of a run of its own, so that the workflows read back for one are not those of the ones before.
    """
    return Iteration(
        run=f"{bed.run.info.id}-{kind}-{number}",
        scenario=scenario.name,
        index=number,
        seed=bed.run.info.seed,
        intended=now(),
    )


def _answered(operations: Sequence[Operation], scenario: Scenario[Any]) -> float:
    results = [op for op in operations if op.kind is Kind.RESULT and op.ack is Ack.OK]
    if not results or any(op.status not in scenario.ends for op in results):
        seen = "; ".join(f"{op.kind} {op.ack} {op.status or ''} {op.error or ''}".strip() for op in operations)
        message = f"an iteration of {scenario.name} to be timed did not succeed: {seen or 'it made no call'}"
        raise MeasurementFailed(message)
    times = [op.acknowledged for op in results if op.acknowledged is not None]
    return max(times)
