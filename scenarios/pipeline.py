"""Files come in and are loaded: whole, in slices, as JSON lines, several at once, and the reference data first."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random

import asyncpg
from msgspec import Struct
from temporalio.service import RPCError

from harness.driver import App
from harness.records.effects import Fact
from harness.records.operations import Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from scenarios import flights
from scenarios.dialects import BROKEN, PACKED, WRITTEN, csv_file, json_lines
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

    def __init__(self, name: str, proves: str, *, rows: tuple[int, int], weight: float = 1.0) -> None:
        self.name = name
        self.proves = proves
        self.weight = weight
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
            PIPELINE,
            LoadRequest(sources=(str(source),), schema=schema("flights"), again=True),
            result_type=LoadReport,
        )
        await app.result(started)

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await _observe(stores, iterations)

    def check(self, given: Slice, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Every row of the file was read, and just those were rejected that refer to nothing."""
        if not _completed(operations):
            return []
        rejected = _total(facts, "rejected")
        must_reject = flights.dangling(given.first, given.rows)
        findings = _unreconciled(operations, facts) + _unread(operations, facts, given.rows)
        if rejected != must_reject:
            message = f"{must_reject} rows refer to something that does not exist, {rejected} were rejected"
            findings.append(_finding(operations, "misjudged", message))
        return findings


class Lines(Struct, frozen=True):
    """A stretch of the flights as JSON lines, and which of them, from 0, are broken, and how."""

    first: int
    rows: int
    broken: dict[int, str]


class LoadLines(Scenario[Lines]):
    """A file of JSON lines arrives, some of them broken: each of these costs itself and no other."""

    name = "pipeline-lines"
    proves = "of 200 to 2,000 flights as JSON lines, just the lines broken in one of 13 ways are rejected, with reason"

    def warm_up(self) -> None:
        flights.read()

    def draw(self, rng: Random) -> Lines:
        rows = rng.randint(200, 2_000)
        places = sorted(rng.sample(range(rows), rng.randint(1, 40)))
        broken = {place: rng.choice(tuple(BROKEN)) for place in places}
        return Lines(rng.randint(0, flights.ROWS - rows), rows, broken)

    async def run(self, app: App, given: Lines) -> None:
        source = app.workspace / app.iteration.id("jsonl")
        await asyncio.to_thread(lambda: source.write_bytes(json_lines(given.first, given.rows, given.broken)))
        lines = schema("flights").model_copy(update={"format": "jsonl"})
        request = LoadRequest(sources=(str(source),), schema=lines, again=True)
        await app.result(await app.start(PIPELINE, request, result_type=LoadReport))

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await _observe(stores, iterations)

    def check(self, given: Lines, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Every line was read; the broken ones are among the rejects for the right reason, and no good one is."""
        if not _completed(operations):
            return []
        findings = _unreconciled(operations, facts) + _unread(operations, facts, given.rows)
        for reason, count in Counter(BROKEN[how][1] for how in given.broken.values()).items():
            found = _total(facts, f"rejected: {reason}")
            if found != count:
                message = f"{count} lines are broken so that the reason is {reason!r}, {found} were rejected for it"
                findings.append(_finding(operations, "misjudged", message))
        bad = {*given.broken, *flights.dangling_rows(given.first, given.rows)}
        expected = (len(bad), sum(place + 1 for place in bad))
        rejected = (_total(facts, "rejected"), _total(facts, "sum of rejected row numbers"))
        if rejected != expected:
            message = "{} rows, their numbers adding up to {}, must be rejected; {}, adding up to {}, were"
            findings.append(_finding(operations, "misjudged", message.format(*expected, *rejected)))
        return findings


class Part(Struct, frozen=True):
    """A file with a stretch of the flights, and how it is written and packed."""

    first: int
    rows: int
    written: str
    packed: str


class LoadAgain(Scenario[tuple[Part, ...]]):
    """Several files arrive at once, each written and packed in its own way; later the same ones arrive once more."""

    name = "pipeline-again"
    proves = "two to six files, plain or packed, of several dialects load in one run; in the next all are skipped"

    def warm_up(self) -> None:
        flights.read()

    def draw(self, rng: Random) -> tuple[Part, ...]:
        def part() -> Part:
            rows = rng.randint(50, 400)
            return Part(rng.randint(0, flights.ROWS - rows), rows, rng.choice(WRITTEN), rng.choice(PACKED))

        return tuple(part() for _ in range(rng.randint(2, 6)))

    async def run(self, app: App, given: tuple[Part, ...]) -> None:
        sources = [app.workspace / app.iteration.id(f"part-{number}") for number in range(len(given))]
        await asyncio.to_thread(_write_parts, sources, given)
        # An earlier run of the same seed may have loaded the same files: the first time they are loaded all the same.
        for part, again in (("first", True), ("second", False)):
            request = LoadRequest(sources=tuple(map(str, sources)), schema=schema("flights"), again=again)
            await app.result(await app.start(PIPELINE, request, part=part, result_type=LoadReport))

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await _observe(stores, iterations)

    def check(
        self, given: tuple[Part, ...], operations: Sequence[Operation], facts: Sequence[Fact]
    ) -> Sequence[Finding]:
        """All rows of all files were read once, and the second time none was, because each file was skipped."""
        if not _completed(operations, 2):
            return []
        findings = _unreconciled(operations, facts) + _unread(operations, facts, sum(part.rows for part in given))
        rejected = _total(facts, "rejected")
        must_reject = sum(flights.dangling(part.first, part.rows) for part in given)
        if rejected != must_reject:
            message = f"{must_reject} rows refer to something that does not exist, {rejected} were rejected"
            findings.append(_finding(operations, "misjudged", message))
        second = [
            fact.values["skipped"] for fact in facts if fact.step == RECONCILE and fact.workflow_id.endswith("second")
        ]
        if second != [len(given)]:
            message = f"{len(given)} files had been loaded already, {sum(second)} were skipped"
            findings.append(_finding(operations, "doubled", message))
        return findings


class Interrupted(Struct, frozen=True):
    """A stretch of the flights, and how many seconds after its load began that is cancelled."""

    part: Slice
    after: float


class LoadCancelled(Scenario[Interrupted]):
    """A load is cancelled at some moment; then its file is loaded under another id."""

    name = "pipeline-cancelled"
    proves = "of a load that is cancelled at any moment no row stays, and another load of its file brings each row once"
    ends = frozenset({"completed", "canceled"})

    def warm_up(self) -> None:
        flights.read()

    def draw(self, rng: Random) -> Interrupted:
        rows = rng.randint(500, 2_000)
        return Interrupted(Slice(rng.randint(0, flights.ROWS - rows), rows), rng.uniform(0, 0.4))

    async def run(self, app: App, given: Interrupted) -> None:
        source = app.workspace / app.iteration.id("csv")
        await asyncio.to_thread(_write_slice, source, given.part)
        request = LoadRequest(
            sources=(str(source),), schema=schema("flights"), again=True, chunk_bytes=8_192, concurrency=2
        )
        first = await app.start(PIPELINE, request, part="first", result_type=LoadReport)
        await asyncio.sleep(given.after)
        with suppress(RPCError):  # it has ended, or nobody answers: how it ends is seen by its result
            await first.handle.cancel()
        await app.result(first)
        await app.result(await app.start(PIPELINE, request, part="second", result_type=LoadReport))

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await _observe(stores, iterations)

    def check(self, given: Interrupted, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """A load that completed, if too late to be cancelled, has every row; one that was cancelled has none."""
        findings = []
        for result in (op for op in operations if op.kind is Kind.RESULT):
            own = [fact for fact in facts if fact.workflow_id == result.workflow_id]
            if result.status == "completed":
                findings += _unreconciled([result], own) + _unread([result], own, given.part.rows)
            if result.status == "canceled" and own:
                left = sum(fact.found for fact in own)
                findings.append(_finding([result], "doubled", f"it was cancelled, and {left} rows of it are there"))
        return findings


class LoadReference(Scenario[tuple[str, ...]]):
    """Airlines, airports and planes are loaded by the same workflow, all at once."""

    name = "pipeline-reference"
    weight = 0
    proves = "three small files of different schemas load side by side, and no row of them is rejected"

    def draw(self, rng: Random) -> tuple[str, ...]:  # there is nothing to choose
        return REFERENCE

    async def run(self, app: App, given: tuple[str, ...]) -> None:
        async def load(dataset: str) -> None:
            source = str(flights.directory() / f"{dataset}.csv")
            request = LoadRequest(sources=(source,), schema=schema(dataset), again=True)
            await app.result(await app.start(PIPELINE, request, part=dataset, result_type=LoadReport))

        await asyncio.gather(*(load(dataset) for dataset in given))

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await _observe(stores, iterations)

    def check(
        self, given: tuple[str, ...], operations: Sequence[Operation], facts: Sequence[Fact]
    ) -> Sequence[Finding]:
        loaded = {fact.workflow_id.rpartition(".")[2] for fact in facts if fact.step == LOAD_CHUNK}
        rejected = _total(facts, "rejected")
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


def _write_parts(paths: Sequence[Path], given: Sequence[Part]) -> None:
    for path, part in zip(paths, given, strict=True):
        path.write_bytes(csv_file(part.first, part.rows, part.written, part.packed))


def _completed(operations: Sequence[Operation], least: int = 1) -> bool:
    results = [op for op in operations if op.kind is Kind.RESULT]
    return len(results) >= least and all(op.status == "completed" for op in results)


def _total(facts: Sequence[Fact], value: str) -> int:
    return sum(fact.values.get(value, 0) for fact in facts if fact.step == LOAD_CHUNK)


def _unread(operations: Sequence[Operation], facts: Sequence[Fact], rows: int) -> list[Finding]:
    """Rows that are not accounted for, or more than once."""
    read = sum(fact.expected for fact in facts if fact.step == LOAD_CHUNK)
    files = "the file has" if len({op.workflow_id for op in operations}) == 1 else "the files have"
    return [] if read == rows else [_finding(operations, "lost", f"{files} {rows} rows, {read} were read")]


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


PIPELINES = (
    LoadReference(),
    LoadFlights(
        "pipeline-whole",
        f"all {flights.ROWS:,} flights, zipped, are loaded or rejected with a reason, each once",
        rows=(flights.ROWS, flights.ROWS),
        weight=0,
    ),
    LoadFlights(
        "pipeline-slice",
        "a file of 200 to 2,000 flights is loaded or rejected with a reason, each row once",
        rows=(200, 2_000),
        weight=2,
    ),
    LoadFlights(
        "pipeline-few",
        "a file of 100 flights is loaded: the smallest real use, by which a worker's start-up is timed",
        rows=(100, 100),
        weight=50,
    ),
    LoadLines(),
    LoadAgain(),
    LoadCancelled(),
)
