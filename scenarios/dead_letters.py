"""Things fail for good, and nothing of it is lost: it is kept, redriven, swept up."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import asyncpg
from msgspec import Struct

from harness.driver import App, Outcome, Started
from harness.records.effects import Fact
from harness.records.operations import Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from scenarios import flights
from scenarios.controlled import newest
from scenarios.loaded import RECONCILE, chunk_facts
from scenarios.pipeline import schema
from system.control.pausable import PAUSE, PAUSED, Order, Paused
from system.dead_letters.models import (
    DIGEST,
    REDRIVE,
    DigestReport,
    DigestRequest,
    Filter,
    RedriveProgress,
    RedriveRequest,
)
from system.pipeline.models import PIPELINE, LoadReport, LoadRequest

LETTER = "letter"
"""The step of a fact that counts the letters of a workflow. Its rows change with their state, so it tells no writer."""
MISSING = "pipeline.prepare: SourceMissing"
TERMINATED = "pipeline.Pipeline: Terminated"
BY = "the scenario"
MAIN = ".main"
"""How the id of a load ends that runs again under it; its first end comes first."""


class Missing(Struct, frozen=True):
    """Loads of files that are not there."""

    names: tuple[str, ...]


class Kept(Scenario[Missing]):
    """One to three loads of files that are not there, side by side."""

    name = "dead_letters-kept"
    proves = "a load whose file is missing leaves exactly one letter, which says what failed, how often, and what to do"
    ends = frozenset({"failed"})

    def draw(self, rng: Random) -> Missing:
        return Missing(tuple(f"missing-{rng.getrandbits(64):016x}" for _ in range(rng.randint(1, 3))))

    async def run(self, app: App, given: Missing) -> None:
        async def load(number: int, name: str) -> None:
            await app.result(await _load(app, app.workspace / f"{name}.csv", part=f"load{number}"))

        await asyncio.gather(*(load(number, name) for number, name in enumerate(given.names)))

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await _letters(_postgres(stores), iterations)

    def check(
        self, given: Missing, operations: Sequence[Operation], facts: Sequence[Fact]
    ) -> Sequence[Finding]:  # what is missing is missing, whatever its name
        findings = _unlettered(operations, facts)
        findings += [
            _finding(op.workflow_id, "impossible", f"it ended {op.status} without its file")
            for op in _results(operations)
            if op.status != "failed"
        ]
        letters = (fact for fact in facts if fact.step == LETTER)
        return findings + [wrong for letter in letters for wrong in _wrong(letter, MISSING, open=1, resolved=0)]


class Redriven(Scenario[int]):
    """A file arrives too late: the load fails, then the file is there, and its letter is redriven, twice."""

    name = "dead_letters-redriven"
    proves = "a redriven load does the work, once however often it is redriven, and its letter is resolved"
    ends = frozenset({"completed", "failed"})

    def warm_up(self) -> None:
        flights.read()

    def draw(self, rng: Random) -> int:
        return rng.randint(20, 200)

    async def run(self, app: App, given: int) -> None:
        source = app.workspace / app.iteration.id("csv")
        load = await _load(app, source)
        if (await app.result(load)).status != "failed":
            return
        await asyncio.to_thread(_write, source, given)
        of_the_load = RedriveRequest(by=BY, reason="the file is there now", filter=Filter(workflow_id=load.id))
        first = await _redrive(app, "first", of_the_load)
        if first.value is None or not first.value.redriven:
            return
        letter = first.value.after
        await app.result(await newest(app, load))
        same = RedriveRequest(by=BY, reason="in a hurry", letters=(letter,))
        await _redrive(app, "second", same)

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        postgres = _postgres(stores)
        letters = await _letters(postgres, iterations)
        async with postgres.acquire() as connection:
            loaded = await chunk_facts(connection, iterations)
        return {index: [*found, *loaded.get(index, ())] for index, found in letters.items()}

    def check(self, given: int, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        again = {op.workflow_id: op.status for op in _results(operations)[1:] if op.workflow_id.endswith(MAIN)}
        findings = _unlettered(operations, facts)
        findings += [
            _finding(workflow_id, "lost", f"the file is there, and its load ended {status}")
            for workflow_id, status in again.items()
            if status != "completed"
        ]
        reconciled = {fact.workflow_id for fact in facts if fact.step == RECONCILE}
        if again and not findings:
            findings += [
                each for fact in facts if fact.step == LETTER for each in _wrong(fact, MISSING, open=0, resolved=1)
            ]
            if reconciled != set(again):
                findings.append(_finding(next(iter(again)), "doubled", f"loaded: {sorted(reconciled)}"))
        read = sum(fact.values["read"] for fact in facts if "read" in fact.values)
        if again and not findings and read != given:
            findings.append(_finding(next(iter(again)), "lost", f"the file has {given} rows, {read} were read"))
        return findings


class Swept(Scenario[None]):
    """A load that waits is terminated, which it cannot notice itself; then the digest is taken."""

    name = "dead_letters-swept"
    proves = "a workflow that is terminated cannot keep its own letter: the digest's sweep does"
    ends = frozenset({"completed", "terminated"})

    def draw(self, rng: Random) -> None:  # there is nothing to choose
        return None

    async def run(self, app: App, given: None) -> None:  # there is nothing to choose
        paused = await _load(
            app,
            app.workspace / "never.csv",
            start_signal=PAUSE,
            start_signal_args=[Order(by=BY, reason="to be terminated")],
        )
        # Once it has answered, its first task is over: a task cut off by the end would count as failed.
        await app.query(paused, PAUSED, result_type=Paused)
        await paused.handle.terminate(reason="the scenario ends it")
        await app.result(paused)
        await _visible(app, paused.id)
        digest = await app.start(DIGEST, DigestRequest(), part="digest", result_type=DigestReport)
        await app.result(digest)

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await _letters(_postgres(stores), iterations)

    def check(self, given: None, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        ended = {op.workflow_id.rpartition(".")[2]: op for op in _results(operations)}
        letters = [fact for fact in facts if fact.step == LETTER]
        if not letters and "digest" in ended and ended["digest"].status == "completed":
            return [_finding(ended["main"].workflow_id, "lost", "the digest was taken, and there is no letter of it")]
        return [finding for letter in letters for finding in _wrong(letter, TERMINATED, open=1, resolved=0)]


async def _load(app: App, source: Path, part: str = "main", **options: object) -> Started:
    request = LoadRequest(sources=(str(source),), schema=schema("flights"), again=True)
    return await app.start(PIPELINE, request, part=part, result_type=LoadReport, **options)


async def _redrive(app: App, part: str, request: RedriveRequest) -> Outcome:
    return await app.result(await app.start(REDRIVE, request, part=part, result_type=RedriveProgress))


async def _visible(app: App, workflow_id: str) -> None:
    """Wait until visibility has the end of it: a digest taken before would leave it to the next one."""
    ended = f"WorkflowId = '{workflow_id}' AND ExecutionStatus = 'Terminated'"
    while not (await app.client.count_workflows(ended)).count:  # noqa: ASYNC110  # the server tells nobody
        await asyncio.sleep(0.05)


def _write(path: Path, rows: int) -> None:
    path.write_bytes(flights.read().slice(0, rows))


def _postgres(stores: Stores) -> "asyncpg.Pool[asyncpg.Record]":
    assert isinstance(stores.postgres, asyncpg.Pool)
    return stores.postgres


async def _letters(postgres: "asyncpg.Pool[asyncpg.Record]", iterations: Sequence[Iteration]) -> dict[int, list[Fact]]:
    """For each workflow that has letters: how many, and what they say. One query for all iterations."""
    facts: dict[int, list[Fact]] = {iteration.index: [] for iteration in iterations}
    if not iterations:
        return facts
    prefix = f"{iterations[0].run}.{iterations[0].scenario}."
    rows = await postgres.fetch(
        """
        SELECT workflow_id, count(*) AS letters, min(attempts) AS attempts,
               min(coalesce(nullif(activity_type, ''), workflow_type) || ': ' || error_type) AS says,
               count(*) FILTER (WHERE ended_workflow) AS ended,
               count(*) FILTER (WHERE remedy <> '') AS remedies,
               count(*) FILTER (WHERE state = 'open') AS open,
               count(*) FILTER (WHERE state = 'resolved') AS resolved
        FROM dead_letters WHERE starts_with(workflow_id, $1) GROUP BY workflow_id
        """,
        prefix,
    )
    for row in rows:
        index = int(row["workflow_id"].removeprefix(prefix).partition(".")[0])
        if index in facts:
            counts = ("attempts", "ended", "remedies", "open", "resolved")
            facts[index].append(
                Fact(
                    scenario=iterations[0].scenario,
                    iteration=index,
                    workflow_id=row["workflow_id"],
                    step=LETTER,
                    item=row["says"],
                    expected=1,
                    found=row["letters"],
                    values={name: row[name] or 0 for name in counts},
                )
            )
    return facts


def _unlettered(operations: Sequence[Operation], facts: Sequence[Fact]) -> list[Finding]:
    lettered = {fact.workflow_id for fact in facts if fact.step == LETTER}
    return [
        _finding(op.workflow_id, "lost", "it failed, and there is no letter of it")
        for op in _results(operations)
        if op.status == "failed" and op.workflow_id not in lettered
    ]


def _wrong(letter: Fact, says: str, **counts: int) -> list[Finding]:
    """What a letter must say, and does not."""
    must = {"ended": 1, "remedies": 1, **counts}
    has = {name: letter.values[name] for name in must}
    if (letter.item, has) == (says, must) and letter.values["attempts"] >= 1:
        return []
    message = f"its letter says {letter.item!r} and has {letter.values}; it should say {says!r} and have {must}"
    return [_finding(letter.workflow_id, "misjudged", message)]


def _results(operations: Sequence[Operation]) -> list[Operation]:
    return [op for op in operations if op.kind is Kind.RESULT and op.status is not None]


def _finding(workflow_id: str, problem: str, message: str) -> Finding:
    return Finding(problem=problem, message=message, workflow_id=workflow_id)
