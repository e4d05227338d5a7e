"""What hosting a load in Locust costs: the rate of starts that one process comes to, beside the engine's own."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median

from benchmarks.result import Result
from benchmarks.starting import Starts
from harness.records.operations import Ack, Operation
from harness.records.run import Recorded, Run
from harness.stack import Stack
from harness.target import Target
from harness.testbed import Testbed, Wanted
from loadtests.hosted import Wish
from loadtests.hosting import Hosting, hosted
from loadtests.processes import from_processes

SCENARIOS = [Starts()]
TARGET = """
name = "starts"
task_queue = "nobody"
services = ["temporal"]
scenarios = "benchmarks.hosted:SCENARIOS"

[worker]
command = ["nobody"]
"""
RATE, SECONDS = 1_000.0, 2.0
"""More than the server takes, so that what is taken is what the generator and the server come to."""
ROUNDS = 5


async def measure() -> AsyncIterator[Result]:
    """Start workflows as fast as it goes, by the engine in a process of its own and by Locust, in turn."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "temper.toml").write_text(TARGET)
        target = Target.read(place / "temper.toml")
        wish = Wish(mix=[Starts.name], rate=RATE, duration=SECONDS)
        rates: dict[bool, list[float]] = {True: [], False: []}
        async with Stack.of(["temporal"], log_directory=place) as stack:
            for number in range(ROUNDS + 1):
                for by_locust in (bool(number % 2), not number % 2):
                    rate = await _rate(target, stack, wish, place, by_locust=by_locust)
                    if number:  # the first of each warms up
                        rates[by_locust].append(rate)
        ours, engine = rates[True], rates[False]
        yield Result(
            name="rate through Locust",
            what=f"starts a second where {RATE:,.0f}/s are asked for, through Locust over by the engine, one process "
            f"each; median of {ROUNDS} pairs of {RATE * SECONDS:,.0f} starts",
            value=median(one / other for one, other in zip(ours, engine, strict=True)),
            at_least=0.9,
            behind=f"{median(ours):,.0f}/s over {median(engine):,.0f}/s",
        )


async def _rate(target: Target, stack: Stack, wish: Wish, results: Path, *, by_locust: bool) -> float:
    """Starts a second that the server took, from the first intended one to the last answer."""
    external = {"temporal": stack["temporal"].address}
    with Run.create(results, kind="load", title="", target="", seed=1, command="") as run:
        async with Testbed.standing(target, run, Wanted(external=external)) as bed:
            if by_locust:
                async with hosted(bed, wish, Hosting()) as locust:
                    await locust.loaded()
            else:
                await from_processes(bed, wish, 1)
    taken = [op for op in Recorded(run.directory).read(Operation) if op.ack is Ack.OK]
    last = max(op.acknowledged for op in taken if op.acknowledged is not None)
    return len(taken) / (last - min(op.intended for op in taken))
