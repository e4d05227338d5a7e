"""What it costs to record an operation, and whether memory grows with how many were recorded."""

import tempfile
import time
from collections.abc import AsyncIterator
from itertools import cycle, islice
from pathlib import Path

import msgspec
import psutil

from benchmarks.result import Result
from harness.records.operations import Ack, Kind, Operation
from harness.records.run import Run

COUNT = 1_000_000
ROUND = 50_000
WARM = 100_000
"""Records after which memory is looked at for the first time."""


async def measure() -> AsyncIterator[Result]:
    """Record a million operations in rounds, in turn with only serialising as many."""
    operations = [_operation(index) for index in range(1_000)]
    encoder = msgspec.json.Encoder()
    process = psutil.Process()
    recording, serialising, before = [], [], 0
    with tempfile.TemporaryDirectory() as directory:
        arguments = {"kind": "load", "title": "", "target": "", "seed": 1, "command": ""}
        with Run.create(Path(directory), **arguments) as run:  # type: ignore[arg-type]  # texts and a number
            for number in range(COUNT // ROUND):
                some = list(islice(cycle(operations), ROUND))
                begin = time.perf_counter()
                for operation in some:
                    encoder.encode(operation)
                between = time.perf_counter()
                for operation in some:
                    run.write(operation)
                recording.append((time.perf_counter() - between) / ROUND * 1e6)
                serialising.append((between - begin) / ROUND * 1e6)
                if (number + 1) * ROUND == WARM:
                    before = process.memory_info().rss
    grown = (process.memory_info().rss - before) / 2**20
    ours, peer = min(recording), min(serialising)
    yield Result(
        name="recording an operation",
        what="writing an operation to the run, beyond serialising it; the best of "
        f"{COUNT // ROUND} rounds of {ROUND:,} each, in turn",
        value=ours - peer,
        unit="µs",
        at_most=3.0,
        behind=f"{ours:.2f} µs, of which {peer:.2f} µs serialise",
    )
    yield Result(
        name="memory of recording",
        what=f"growth of memory from {WARM:,} operations recorded to {COUNT:,}",
        value=grown,
        unit="MiB",
        at_most=4.0,
    )


def _operation(index: int) -> Operation:
    return Operation(
        scenario="pipeline-slice",
        iteration=index,
        kind=Kind.START,
        name="pipeline.Pipeline",
        workflow_id=f"load-20260101-000000-abcd.pipeline-slice.{index}.main",
        run_id="0198a1b2-0000-7000-8000-000000000000",
        intended=1_767_225_600.125 + index,
        sent=1_767_225_600.126 + index,
        acknowledged=1_767_225_600.131 + index,
        ack=Ack.OK,
    )
