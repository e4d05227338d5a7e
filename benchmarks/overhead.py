"""What the platform adds to a workflow with one activity, beside the same workflow on a bare SDK worker."""

import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.result import Result
from harness.checking.percentiles import median, percentile
from harness.measurements import workflow_overhead
from harness.records.run import Run
from harness.target import Target
from harness.testbed import Testbed, Wanted

SCENARIO = "orders-count"
PAIRS = 200


async def measure() -> AsyncIterator[Result]:
    """Time pairs of the same workflow, one of each at a time."""
    target = Target.read(Path("temper.toml"))
    with (
        tempfile.TemporaryDirectory() as directory,
        Run.create(Path(directory), kind="demo", title="", target=target.file.name, seed=1, command="") as run,
    ):
        async with Testbed.standing(target, run, Wanted()) as bed:
            _, platform = await workflow_overhead(bed, target.scenario(SCENARIO), PAIRS, _tell)
    for name, percent, limit in (("median", 50, 2.0), ("p99", 99, 10.0)):
        value = percentile(platform.samples, percent)
        assert value is not None
        yield Result(
            name=f"overhead of the platform, {name}",
            what=f"{SCENARIO}, a workflow with one activity, less the same on a worker with nothing but the SDK; "
            f"{PAIRS} pairs in turn",
            value=value,
            unit="ms",
            at_most=limit,
            behind=f"median {median(platform.samples):.2f} ms" if percent != 50 else "",
        )


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
