"""Files come in and are loaded: whole, in slices, and the reference data before them."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random

import asyncpg
from msgspec import Struct

from harness.driver import App
from harness.records.effects import Fact
from harness.records.operations import Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from scenarios import flights
from scenarios.loaded import LOAD_CHUNK, RECONCILE, chunk_facts
from system.pipeline.models import PIPELINE, LoadReport, LoadRequest
from system.pipeline.schema import Schema

SCHEMAS = Path(__file__).parent / "schemas"
REFERENCE = ("airlines", "airports", "planes")


class Slice(Struct, frozen=True):
    """A stretch of the flights file: its first row (from 0) and how many rows."""

    first: int
    rows: int

    @property
    def whole(self) -> bool:
        return self.rows == flights.ROWS


class LoadFlights(Scenario[Slice]):
    """A file with flights arrives and is loaded; its rows are in the database once each, or among the rejects."""

    def __init__(self, name: str, proves: str, *, rows: tuple[int, int]) -> None:
        self.name = name
        self.proves = proves
        self.least, self.most = rows

    def warm_up(self) -> None:
        flights.read()

    def draw(self, rng: Random) -> Slice:
        rows = rng.randint(self.least, self.most)
        return Slice(rng.randint(0, flights.ROWS - rows), rows)

    async def run(self, app: App, given: Slice) -> None:
        source = flights.archive() if given.whole else app.workspace / f"{app.iteration.id('csv')}"
        if not given.whole:
            await asyncio.to_thread(_write_slice, source, given)
        started = await app.start(
            PIPELINE, LoadRequest(source=str(source), schema=schema("flights")), result_type=LoadReport
        )
        await app.result(started)

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await _observe(stores, iterations)

    def check(self, given: Slice, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Every row of the file was read, and just those were rejected that refer to nothing."""
        if not _completed(operations):
            return []
        read = sum(fact.expected for fact in facts if fact.step == LOAD_CHUNK)
        rejected = sum(fact.values["rejected"] for fact in facts if fact.step == LOAD_CHUNK)
        must_reject = flights.dangling(given.first, given.rows)
        findings = _unreconciled(operations, facts)
        if read != given.rows:
            findings.append(_finding(operations, "lost", f"the file has {given.rows} rows, {read} were read"))
        if rejected != must_reject:
            message = f"{must_reject} rows refer to something that does not exist, {rejected} were rejected"
            findings.append(_finding(operations, "misjudged", message))
        return findings


class LoadReference(Scenario[tuple[str, ...]]):
    """Airlines, airports and planes are loaded by the same workflow, all at once."""

    name = "pipeline-reference"
    proves = "three small files of different schemas load side by side, and no row of them is rejected"

    def draw(self, rng: Random) -> tuple[str, ...]:  # noqa: ARG002  # there is nothing to choose
        return REFERENCE

    async def run(self, app: App, given: tuple[str, ...]) -> None:
        async def load(dataset: str) -> None:
            request = LoadRequest(source=str(flights.directory() / f"{dataset}.csv"), schema=schema(dataset))
            await app.result(await app.start(PIPELINE, request, part=dataset, result_type=LoadReport))

        await asyncio.gather(*(load(dataset) for dataset in given))

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await _observe(stores, iterations)

    def check(
        self, given: tuple[str, ...], operations: Sequence[Operation], facts: Sequence[Fact]
    ) -> Sequence[Finding]:
        loaded = {fact.workflow_id.rpartition(".")[2] for fact in facts if fact.step == LOAD_CHUNK}
        rejected = sum(fact.values["rejected"] for fact in facts if fact.step == LOAD_CHUNK)
        findings = _unreconciled(operations, facts) if _completed(operations) else []
        if _completed(operations) and loaded != set(given):
            findings.append(_finding(operations, "lost", f"{', '.join(sorted(set(given) - loaded))} left no row"))
        if rejected:
            findings.append(_finding(operations, "misjudged", f"{rejected} good rows were rejected"))
        return findings


async def _observe(stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
    assert isinstance(stores.postgres, asyncpg.Pool)
    async with stores.postgres.acquire() as connection:
        return await chunk_facts(connection, iterations)


@cache
def schema(dataset: str) -> Schema:
    """The declared schema of a data set."""
    return Schema.from_toml(SCHEMAS / f"{dataset}.toml")


def _write_slice(path: Path, given: Slice) -> None:
    path.write_bytes(flights.read().slice(given.first, given.rows))


def _completed(operations: Sequence[Operation]) -> bool:
    results = [op for op in operations if op.kind is Kind.RESULT]
    return bool(results) and all(op.status == "completed" for op in results)


def _unreconciled(operations: Sequence[Operation], facts: Sequence[Fact]) -> list[Finding]:
    """Completed workflows whose load does not say that it is reconciled."""
    reconciled = {fact.workflow_id for fact in facts if fact.step == RECONCILE}
    completed = {op.workflow_id for op in operations if op.kind is Kind.RESULT}
    return [
        Finding(problem="lost", message="the workflow completed, and its load is not reconciled", workflow_id=workflow)
        for workflow in sorted(completed - reconciled)
    ]


def _finding(operations: Sequence[Operation], problem: str, message: str) -> Finding:
    return Finding(problem=problem, message=message, workflow_id=operations[0].workflow_id)
