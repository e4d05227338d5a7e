"""How much memory a worker takes for a file, beside one four times as long."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import psutil

from benchmarks.result import Result
from harness.records.run import Run
from harness.target import Target
from harness.testbed import Testbed, Wanted
from scenarios import flights
from scenarios.pipeline import schema
from system.pipeline.models import PIPELINE, LoadReport, LoadRequest

LONGER = 4
LOOK_SECONDS = 0.01


async def measure() -> AsyncIterator[Result]:
    """Load each file by a worker of its own, which loads nothing else."""
    target = Target.read(Path("temper.toml"))
    with (
        tempfile.TemporaryDirectory() as directory,
        Run.create(Path(directory), kind="demo", title="", target=target.file.name, seed=1, command="") as run,
    ):
        async with Testbed.standing(target, run, Wanted()) as bed:
            async with bed.workers(1):
                await bed.prepare(target.scenario("pipeline-whole"))
            ours, longer = [await _peak(bed, times, Path(directory)) for times in (1, LONGER)]
    yield Result(
        name="memory of the pipeline",
        what=f"what {LONGER * flights.ROWS:,} rows take of a worker at its most, over what {flights.ROWS:,} take; four "
        "chunks of 1 MiB are loaded at a time",
        value=longer / ours,
        at_most=1.25,
        behind=f"{longer / 1e6:,.0f} over {ours / 1e6:,.0f} MB",
    )


async def _peak(bed: Testbed, times: int, directory: Path) -> float:
    """Bytes that loading the flights that many times over, in one file, takes in a worker at its most."""
    file = directory / f"{times}.csv"
    header, rows = flights.unzipped().split(b"\n", 1)
    file.write_bytes(header + b"\n" + rows * times)
    queue = f"memory-{times}"
    async with bed.workers(1, name=queue, task_queue=queue) as (worker,):
        before = _memory(worker.pid)
        request = LoadRequest(sources=(str(file),), schema=schema("flights"), chunk_bytes=1 << 20, again=True)
        load = asyncio.create_task(
            bed.client.execute_workflow(PIPELINE, request, id=queue, task_queue=queue, result_type=LoadReport)
        )
        peak = before
        while not load.done():
            peak = max(peak, _memory(worker.pid))
            await asyncio.wait({load}, timeout=LOOK_SECONDS)
        assert load.result().rows_read == times * flights.ROWS
    return peak - before


def _memory(pid: int) -> int:
    """Bytes of a process that no file backs: pages of a mapped file are the system's to take back."""
    memory = psutil.Process(pid).memory_info()
    return int(memory.rss - memory.shared)
