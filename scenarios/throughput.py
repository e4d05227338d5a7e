"""How fast the pipeline loads the whole file, beside a plain COPY of it: both in one run, on one server, direct."""

import io
import time
from collections.abc import Callable, Sequence

import asyncpg

from harness.measurements import timed
from harness.records.measurements import Measurement
from harness.testbed import Testbed
from scenarios.flights import ROWS, unzipped
from scenarios.pipeline import schema
from system.pipeline.datasets import ROW_OWNER

ROUNDS = 3


async def measure(bed: Testbed, told: Callable[[str], None], rounds: int = ROUNDS) -> Sequence[Measurement]:
    """Load the whole file by the pipeline and by COPY in turn. Needs two workers on the target's own queue."""
    assert isinstance(bed.stores.postgres, asyncpg.Pool)
    whole = bed.target.scenario("pipeline-whole")
    text = unzipped()
    ours: list[float] = []
    plain: list[float] = []
    for number in range(rounds):
        took = await timed(bed, whole, number, kind="throughput", task_queue=bed.target.file.task_queue)
        ours.append(ROWS / took.total)
        plain.append(ROWS / await _copy(bed.stores.postgres, text))
        told(f"pipeline {ours[-1]:,.0f} rows/s, plain COPY {plain[-1]:,.0f} rows/s ({number + 1}/{rounds})")
    return [
        Measurement(
            name="pipeline_throughput",
            unit="rows/s",
            samples=tuple(ours),
            how=f"{ROWS:,} rows, zipped: from starting the workflow to its result; unpacking, validation, references, "
            "rejects and reconciliation included; two workers, direct",
        ),
        Measurement(
            name="copy_throughput",
            unit="rows/s",
            samples=tuple(plain),
            how="the same rows, unpacked and in memory already, by one COPY into an equal table: columns, constraints "
            "and index are those the pipeline loads into",
        ),
    ]


async def _copy(pool: asyncpg.Pool, text: bytes) -> float:
    """Seconds that one COPY of the file takes, committed, into a fresh table that is equal to the pipeline's."""
    columns = [field.target for field in schema("flights").fields]
    async with pool.acquire() as connection:
        await connection.execute("CREATE TABLE copied (LIKE datasets.flights INCLUDING ALL)")
        try:
            # What the file does not have: all of it counts as one chunk, and derived columns stay empty.
            await connection.execute(f"ALTER TABLE copied ALTER {ROW_OWNER} SET DEFAULT 0")
            begin = time.perf_counter()
            await connection.copy_to_table(
                "copied", source=io.BytesIO(text), columns=columns, format="csv", header=True, null="NA"
            )
            return time.perf_counter() - begin
        finally:
            await connection.execute("DROP TABLE copied")
