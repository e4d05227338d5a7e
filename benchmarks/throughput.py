"""How fast the pipeline loads the whole file, beside a plain COPY of the same rows."""

import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

from benchmarks.result import Result
from harness.records.run import Run
from harness.target import Target
from harness.testbed import Testbed, Wanted
from scenarios import throughput

WORKERS = 2
ROUNDS = 9


async def measure() -> AsyncIterator[Result]:
    """Load it by both in turn, on one server."""
    target = Target.read(Path("temper.toml"))
    with (
        tempfile.TemporaryDirectory() as directory,
        Run.create(Path(directory), kind="demo", title="", target=target.file.name, seed=1, command="") as run,
    ):
        async with Testbed.standing(target, run, Wanted()) as bed, bed.workers(WORKERS):
            await bed.prepare(target.scenario("pipeline-whole"))
            ours, peer = await throughput.measure(bed, _tell, ROUNDS)
    ratios = sorted(one / other for one, other in zip(ours.samples, peer.samples, strict=True))
    yield Result(
        name="throughput of the pipeline",
        what=f"{ours.how}; over {peer.how}",
        value=median(ratios),
        at_least=0.7,
        behind=f"median of {len(ratios)} pairs, from {ratios[0]:.2f} to {ratios[-1]:.2f}; "
        f"{median(ours.samples):,.0f} over {median(peer.samples):,.0f} rows/s",
    )


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
