"""Handwritten loads to compare: hundreds of iterations, the same arrivals, and how long each took."""

from collections.abc import Callable, Container, Sequence
from pathlib import Path
from random import Random

from handwritten_runs import BEGIN, conditions, judged, result, start, write_run
from msgspec import Struct

from harness.records.fingerprint import Fingerprint
from harness.records.operations import Operation
from harness.records.samples import CPU, MEMORY, Sample

SECONDS = 100
ITERATIONS = 1_000
LOAD = {"slice": (ITERATIONS / SECONDS, float(SECONDS))}
GOOD = [judged("nothing lost"), judged("nothing doubled")]
SAME = conditions()


def times(seed: int, *, slower: float = 1.0) -> Callable[[int], float]:
    """For each iteration, seconds that it took: about 0.1, at random."""
    rng = Random(seed)
    drawn = [slower * (0.05 + rng.expovariate(20)) for _ in range(ITERATIONS)]
    return drawn.__getitem__


def load_run(
    results: Path,
    took: Callable[[int], float | None],
    *records: Struct,
    fingerprint: Fingerprint | None = SAME,
    kind: str = "load",
    judgements: Sequence[Struct] = GOOD,
    ended: bool = True,
    title: str = "a load",
    failing: Container[int] = (),
) -> Path:
    """A run of a thousand iterations in a hundred seconds; of those that fail, the workflow ends so."""
    operations: list[Operation] = []
    for number in range(ITERATIONS):
        at, status = number * SECONDS / ITERATIONS, "failed" if number in failing else "completed"
        operations += [start(number, at), result(number, at, took(number), status=status)]
    return write_run(
        results,
        [*operations, *judgements, *records],
        kind=kind,
        load=LOAD,
        fingerprint=fingerprint,
        ended=ended,
        title=title,
    )


def used(seed: int, *, cpu: float = 50.0, memory: float = 2e8) -> list[Sample]:
    """CPU and memory of two workers and of Temporal, every other second."""
    rng = Random(seed)
    return [
        Sample(time=BEGIN + second, source=source, name=name, value=value * rng.uniform(0.97, 1.03), unit=unit)
        for second in range(0, SECONDS, 2)
        for source in ("worker-1", "worker-2", "temporal", "machine")
        for name, value, unit in ((CPU, cpu, "%"), (MEMORY, memory, "bytes"))
    ]
