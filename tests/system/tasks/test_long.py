"""A batch of 20,000 tasks on real worker processes: exactly once, flat memory, short histories (`nox -s long`)."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression
from typing import Any

import psutil
import pytest
from batches import Handle, checksum, posting
from system_bed import system_bed

from harness.stack import Stack
from harness.testbed import Testbed
from system.tasks.handlers import REGISTRY
from system.tasks.models import BatchRequest, Item
from system.tasks.submission import submit
from system.tasks.workflow import Batch

ROOT = Path(__file__).parents[3]
ITEMS, WORKERS = 20_000, 2
MOST_EVENTS = 5_000
WARM = 0.25
"""The share of the batch after which a worker has imported, pooled and cached what it is going to."""
MOST_KEPT = 1_000
"""Bytes of a worker's memory that an item may cost for good. Nothing may be kept of it, and a workflow that kept only
its keys and states would cost several hundred in each worker that replays it; the allocator's own ups and downs are
some megabytes, which over 15,000 items is about half of this."""
MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class Sample:
    """How far the batch was, and what each worker held."""

    seconds: float
    ended: int
    resident: tuple[int, ...]
    """Bytes."""

    def __str__(self) -> str:
        memory = " + ".join(f"{each / MEBIBYTE:.0f}" for each in self.resident)
        return f"{self.seconds:5.0f} s  {self.ended:6,} of {ITEMS:,} tasks  workers hold {memory} MiB"


def items() -> list[Item]:
    """A third posts, the rest computes; every tenth needs the one before; several priorities and tenants."""
    tasks = []
    for number in range(ITEMS):
        key, needs = f"task-{number}", (f"task-{number - 1}",) if number % 10 == 9 else ()
        turn: dict[str, Any] = {"needs": needs, "priority": 1 + number % 5, "tenant": f"tenant-{number % 7}"}
        tasks.append(posting(key, **turn) if number % 3 == 0 else checksum(key, f"text {number}", **turn))
    return tasks


@pytest.mark.long
@pytest.mark.timeout(1_800)
async def test_20000_tasks_flat_and_exactly_once(stack: Stack, migrated: str, tmp_path: Path) -> None:
    """Each task is done once by SQL, every run stays below 5,000 events, and no worker keeps memory for each task."""
    async with (
        system_bed(ROOT / "temper.toml", stack, migrated, tmp_path) as bed,
        bed.workers(WORKERS) as workers,
    ):
        assert bed.stores.postgres is not None
        async with bed.stores.postgres.acquire() as connection:
            await submit(connection, "long", items(), REGISTRY)
        handle = await bed.client.start_workflow(
            Batch.run, BatchRequest(), id="long", task_queue=bed.target.file.task_queue
        )
        samples = await _watched(handle, [psutil.Process(worker.pid) for worker in workers])
        report = await handle.result()
        events = await _events(bed)
        await _each_once(bed)
    assert (report.items, report.done) == (ITEMS, ITEMS)
    kept = [_kept(samples, worker) for worker in range(WORKERS)]
    _say(f"{ITEMS / samples[-1].seconds:.0f} tasks/s; {len(events)} runs of up to {max(events):,} events")
    _say(f"start, middle, end: {samples[0]} | {samples[len(samples) // 2]} | {samples[-1]}")
    _say(f"memory kept for each task: {', '.join(f'{each:+.0f}' for each in kept)} bytes (at most {MOST_KEPT})")
    assert max(events) < MOST_EVENTS
    assert max(kept) < MOST_KEPT


async def _watched(handle: Handle, processes: Sequence[psutil.Process]) -> list[Sample]:
    """Sample once a second until the batch has ended."""
    began, samples, said = time.monotonic(), list[Sample](), 0.0
    while not samples or samples[-1].ended < ITEMS:
        progress = await handle.query(Batch.progress)
        samples.append(
            Sample(
                seconds=time.monotonic() - began,
                ended=progress.items - progress.waiting - progress.running,
                resident=tuple(process.memory_info().rss for process in processes),
            )
        )
        if samples[-1].seconds >= said:
            _say(str(samples[-1]))
            said += 10
        await asyncio.sleep(1)
    return samples


def _kept(samples: Sequence[Sample], worker: int) -> float:
    """Bytes that the worker's memory grew by with each task, once it was warm."""
    warm = [sample for sample in samples if sample.ended > WARM * ITEMS]
    assert len(warm) > 10, "too few samples to tell anything"
    return linear_regression([each.ended for each in warm], [each.resident[worker] for each in warm]).slope


async def _events(bed: Testbed) -> list[int]:
    """Events of each run of the chain, by the server's own count."""
    return [found.history_length async for found in bed.client.list_workflows("WorkflowId = 'long'")]


async def _each_once(bed: Testbed) -> None:
    """Every task is done, and has left one effect, and one entry where it posts: counted from the rows themselves."""
    assert bed.stores.postgres is not None
    query = bed.stores.postgres.fetchval
    assert await query("SELECT count(DISTINCT key) FROM task_items WHERE state = 'done'") == ITEMS
    ran = "FROM effects WHERE workflow_id = 'long' AND step = 'run' AND kind = 'forward'"
    assert await query(f"SELECT count(*) {ran}") == await query(f"SELECT count(DISTINCT item) {ran}") == ITEMS
    posted = len(range(0, ITEMS, 3))
    assert await query("SELECT count(*) FROM task_entries") == posted
    assert await query("SELECT count(DISTINCT item) FROM task_entries") == posted


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 progress of a test that takes minutes
