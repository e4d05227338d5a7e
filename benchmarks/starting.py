"""What the engine adds to starting workflows: processor time of the client, and how late it is."""

import asyncio
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from temporalio.client import Client

from benchmarks.result import Result
from harness.checking.load import lags
from harness.checking.percentiles import percentile
from harness.clock import now
from harness.driver import App
from harness.records.effects import Fact
from harness.records.operations import Iteration, Operation
from harness.records.run import Recorded, Run
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from harness.stack import Stack
from loadtests.engine import fire

RATE = 150.0
STARTS = 450
ROUNDS = 8
AT_ONCE = 40
CEILING_SECONDS = 4.0
SHARE = 0.8


class Starts(Scenario[None]):
    """A start, and nothing else; nobody polls the queue."""

    name = "start"
    proves = "the server takes a start"

    def draw(self, rng: Random) -> None:
        """Nothing is drawn."""

    async def run(self, app: App, given: None) -> None:  # noqa: ARG002 - the contract's signature
        await app.start("Nobody", None)

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> dict[int, Sequence[Fact]]:  # noqa: ARG002 - the contract's signature
        return {}

    def check(self, given: None, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:  # noqa: ARG002 - the contract's signature
        return ()


async def measure() -> AsyncIterator[Result]:
    """Start workflows at one rate by the engine and by a bare loop, in turn; then by the engine near the ceiling."""
    with tempfile.TemporaryDirectory() as directory:
        async with Stack.of(["temporal"], log_directory=Path(directory)) as stack:
            client = await Client.connect(stack.addresses["temporal.address"])
            ours: list[float] = []
            bare: list[float] = []
            for number in range(ROUNDS + 1):
                for take in (_by_engine, _bare) if number % 2 else (_bare, _by_engine):
                    begin = time.process_time()
                    await take(client, RATE, STARTS, Path(directory))
                    spent = (time.process_time() - begin) / STARTS * 1e6
                    if number:  # the first of each warms up
                        (ours if take is _by_engine else bare).append(spent)
            yield Result(
                name="processor time of a start",
                what=f"client processor time of each start at {RATE:g}/s, by the engine over by a bare asyncio loop; "
                f"median of {ROUNDS} pairs of {STARTS} starts",
                value=median(one / other for one, other in zip(ours, bare, strict=True)),
                at_most=1.2,
                behind=f"{median(ours):,.0f} µs over {median(bare):,.0f} µs",
            )
            ceiling = await _ceiling(client)
            rate = SHARE * ceiling
            late = await _by_engine(client, rate, round(rate * 5), Path(directory))
            p99 = percentile(late, 99)
            assert p99 is not None
            yield Result(
                name="lag of the engine",
                what=f"how late a start was sent, p99, at {SHARE:.0%} of the highest rate the server takes starts at",
                value=p99 * 1e3,
                unit="ms",
                at_most=5.0,
                behind=f"{rate:,.0f}/s of {ceiling:,.0f}/s, n={len(late):,}",
            )


async def _by_engine(client: Client, rate: float, count: int, results: Path) -> list[float]:
    """Fire so many iterations at this rate; seconds by which each was late."""
    with Run.create(results, kind="load", title="", target="", seed=1, command="") as run:
        begin = now() + 0.1
        iterations = [
            Iteration(run=run.info.id, scenario=Starts.name, index=index, seed=1, intended=begin + index / rate)
            for index in range(count)
        ]

        def app(iteration: Iteration) -> App:
            return App(client=client, iteration=iteration, task_queue="nobody", workspace=results, record=run.write)

        await fire({Starts.name: Starts()}, iterations, app, in_flight=count)
    return lags(Recorded(run.directory).frame(Operation)).to_list()


async def _bare(client: Client, rate: float, count: int, _: Path) -> None:
    prefix, begin = secrets.token_hex(6), now() + 0.1
    async with asyncio.TaskGroup() as group:
        for index in range(count):
            await asyncio.sleep(max(0.0, begin + index / rate - now()))
            group.create_task(_start(client, f"bare-{prefix}-{index}"))


async def _start(client: Client, workflow_id: str) -> Any:
    return await client.start_workflow("Nobody", None, id=workflow_id, task_queue="nobody")


async def _ceiling(client: Client) -> float:
    """Starts a second that the server takes from some callers who each wait for their answer."""
    prefix, started, end = secrets.token_hex(6), 0, now() + CEILING_SECONDS

    async def caller(number: int) -> None:
        nonlocal started
        while now() < end:
            await _start(client, f"ceiling-{prefix}-{number}-{started}")
            started += 1

    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE):
            group.create_task(caller(number))
    return started / CEILING_SECONDS
