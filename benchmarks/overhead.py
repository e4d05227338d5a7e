"""What the platform adds to a workflow with one activity, beside the same workflow on a bare SDK worker."""

import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from random import Random

from benchmarks.result import Result
from harness.checking.bootstrap import interval
from harness.checking.percentiles import percentile
from harness.measurements import workflow_overhead
from harness.records.run import Run
from harness.target import Target
from harness.testbed import Testbed, Wanted

SCENARIO = "orders-count"
PAIRS = 1_000
"""So many that ten of each lie above its p99."""
SEED = 1

Pair = tuple[float, float]
"""Milliseconds beyond activities: ours, and the bare SDK's."""


async def measure() -> AsyncIterator[Result]:
    """Time pairs of the same workflow, one of each at a time."""
    target = Target.read(Path("temper.toml"))
    with (
        tempfile.TemporaryDirectory() as directory,
        Run.create(Path(directory), kind="demo", title="", target=target.file.name, seed=1, command="") as run,
    ):
        async with Testbed.standing(target, run, Wanted()) as bed:
            ours, platform = await workflow_overhead(bed, target.scenario(SCENARIO), PAIRS, _tell)
    pairs = [(own, own - added) for own, added in zip(ours.samples, platform.samples, strict=True)]
    yield _result("median", 2.0, "the median of what one took beyond the other", pairs, median_added)
    yield _result("p99", 10.0, "the p99 of all of ours less the p99 of all of the bare ones", pairs, added_to_p99)


def _result(
    name: str, at_most: float, how: str, pairs: Sequence[Pair], figure: Callable[[Sequence[Pair]], float]
) -> Result:
    sure = interval(pairs, figure, Random(SEED))
    return Result(
        name=f"overhead of the platform, {name}",
        what=f"{SCENARIO}, a workflow with one activity, beside the same on a worker with nothing but the SDK; "
        f"{len(pairs):,} pairs in turn, {how}",
        value=sure.value,
        unit="ms",
        at_most=at_most,
        behind=f"95 % sure: {sure.low:.2f} to {sure.high:.2f} ms",
    )


def median_added(pairs: Sequence[Pair]) -> float:
    """The median of what ours took beyond the bare one of its pair."""
    return _percentile([own - bare for own, bare in pairs], 50)


def added_to_p99(pairs: Sequence[Pair]) -> float:
    """The p99 of all of ours less that of all of the bare ones.

    The p99 of the differences would be no figure of the platform: the slowest of the one stand beside ordinary ones of
    the other, so that of two equal workers each is slower than the other by almost all of their p99.
    """
    return _percentile([own for own, _ in pairs], 99) - _percentile([bare for _, bare in pairs], 99)


def _percentile(samples: Sequence[float], percent: float) -> float:
    value = percentile(samples, percent)
    assert value is not None
    return value


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
