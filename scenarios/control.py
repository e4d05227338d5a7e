"""Operators hold workflows, let them go on, and end them: one, or many at once."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

import asyncpg
from msgspec import Struct

from harness.driver import App, Refused, Started
from harness.records.effects import Fact
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from scenarios import flights
from scenarios.held import ACT, PAUSED, outcome_facts, pause_facts
from scenarios.loaded import RECONCILE, chunk_facts
from scenarios.pipeline import LoadFlights, Slice, schema
from system.control.models import BULK, Action, BulkReport, BulkRequest, Cancel, Pause, Preview, Resume
from system.control.pausable import PAUSE, RESUME, Order
from system.control.preview import preview
from system.errors import Unavailable
from system.pipeline.models import PIPELINE, LoadReport, LoadRequest

BY = "the scenario"
CHUNK_BYTES = 4_096
"""About 45 flights: many chunks, so that a pause falls between two of them."""
VISIBLE_SECONDS = 60.0
POLL_SECONDS = 0.1


class Held(Struct, frozen=True):
    """A stretch of the flights, and when its load is paused, and for how long, in seconds."""

    load: Slice
    after: float
    length: float


class PausedLoad(Scenario[Held]):
    """A load of many chunks is paused somewhere in its midst, and later resumed."""

    name = "control-paused"
    proves = "a load paused at any moment starts nothing until it is resumed, and then loads each row once"
    rows = LoadFlights("control-paused", proves, rows=(500, 1_500))

    def warm_up(self) -> None:
        flights.read()

    def draw(self, rng: Random) -> Held:
        return Held(self.rows.draw(rng), round(rng.uniform(0, 1), 3), round(rng.uniform(0.1, 1), 3))

    async def run(self, app: App, given: Held) -> None:
        load = await _load(app, given.load, "main", concurrency=2)
        await asyncio.sleep(given.after)
        with contextlib.suppress(Refused):  # it may have completed by then
            await app.signal(load, PAUSE, Order(by=BY, reason="to see that nothing starts"))
            await asyncio.sleep(given.length)
            await app.signal(load, RESUME, Order(by=BY, reason="seen"))
        await app.result(load)

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return _together(await _loaded(stores, iterations), await pause_facts(stores, iterations, "main"))

    def check(self, given: Held, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Nothing was started while it was paused, every pause that was acknowledged is known, no row is missing."""
        findings = list(self.rows.check(given.load, operations, facts))
        asked = sum(op.kind is Kind.SIGNAL and op.name == PAUSE and op.ack is Ack.OK for op in operations)
        for fact in facts:
            if fact.step == PAUSED and fact.found:
                findings.append(_finding(fact.workflow_id, "impossible", f"paused, it started {fact.found} activities"))
            if fact.step == PAUSED and fact.values["pauses"] < asked:
                findings.append(_finding(fact.workflow_id, "lost", "a pause was acknowledged, and it never came"))
        return findings


class Many(Struct, frozen=True):
    """Stretches of the flights; how many of their loads are paused from the start; and what becomes of all."""

    loads: tuple[Slice, ...]
    waiting: int
    then: str
    rate: float


class ManyLoads(Scenario[Many]):
    """Several loads are found by a query and paused at once, then resumed or cancelled at once."""

    name = "control-bulk"
    proves = "two to six loads found by a query are previewed, paused, then resumed or cancelled in bulk, each once"
    ends = frozenset({"completed", "canceled"})
    rows = LoadFlights("control-bulk", proves, rows=(200, 800))

    def warm_up(self) -> None:
        flights.read()

    def draw(self, rng: Random) -> Many:
        loads = tuple(self.rows.draw(rng) for _ in range(rng.randint(2, 6)))
        return Many(loads, rng.randint(1, len(loads)), rng.choice(("resume", "cancel")), rng.choice((2.0, 5.0, 50.0)))

    async def run(self, app: App, given: Many) -> None:
        loads = [
            await _load(app, load, f"load-{number}", **(_paused() if number < given.waiting else {}))
            for number, load in enumerate(given.loads)
        ]
        query = f"WorkflowId STARTS_WITH '{app.iteration.id('load-')}'"
        then: Action = Resume() if given.then == "resume" else Cancel()
        for part, action in (("pause", Pause()), ("then", then)):
            seen = await _previewed(app, action, query, len(loads))
            request = BulkRequest(
                by=BY,
                reason="a drill",
                query=query,
                action=action,
                token=seen.token,
                sample=seen.sample,
                rate=given.rate,
            )
            await app.result(await app.start(BULK, request, part=part, result_type=BulkReport))
        await asyncio.gather(*(app.result(load) for load in loads))

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        assert isinstance(stores.postgres, asyncpg.Pool)
        return _together(await _loaded(stores, iterations), await outcome_facts(stores.postgres, iterations))

    def check(self, given: Many, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Every load was a target of both operations, and what became of it is what was done to it."""
        ended = {op.workflow_id: op.status for op in operations if op.kind is Kind.RESULT}
        loads = {workflow: status for workflow, status in ended.items() if ".load-" in workflow}
        operated = {workflow for workflow, status in ended.items() if workflow not in loads and status == "completed"}
        if len(operated) < 2 or len(loads) < len(given.loads):
            return []
        findings = []
        acts = [fact for fact in facts if fact.step == ACT]
        for operation, targets in Counter(fact.workflow_id for fact in acts).items():
            if targets != len(given.loads):
                message = f"it was to act on {len(given.loads)} loads, and has {targets} targets"
                findings.append(_finding(operation, "lost", message))
        reconciled = {fact.workflow_id for fact in facts if fact.step == RECONCILE}
        cancelled = {
            fact.item.partition("/")[0]
            for fact in acts
            if fact.workflow_id.endswith(".then") and fact.values.get("done") and given.then == "cancel"
        }
        for workflow, status in loads.items():
            if status == "completed" and workflow not in reconciled:
                findings.append(_finding(workflow, "lost", "it completed, and its load is not reconciled"))
            if status == "canceled" and workflow not in cancelled:
                findings.append(_finding(workflow, "impossible", "it was cancelled, and nobody has done that"))
            if status == "completed" and workflow in cancelled and workflow in _waiting(given, loads):
                findings.append(_finding(workflow, "lost", "it was paused, then cancelled, and completed"))
        return findings


CONTROL = (PausedLoad(), ManyLoads())
"""The scenarios of this domain."""


def _waiting(given: Many, loads: Mapping[str, object]) -> set[str]:
    """The loads that were paused from the start."""
    return {workflow for workflow in loads if int(workflow.rpartition("-")[2]) < given.waiting}


async def _load(app: App, given: Slice, part: str, **options: object) -> Started:
    source = app.workspace / app.iteration.id(f"{part}.csv")
    await asyncio.to_thread(_write, source, given)
    concurrency = options.pop("concurrency", 1)
    request = LoadRequest.model_validate(
        {
            "sources": (str(source),),
            "schema": schema("flights"),
            "again": True,
            "chunk_bytes": CHUNK_BYTES,
            "concurrency": concurrency,
        }
    )
    return await app.start(PIPELINE, request, part=part, result_type=LoadReport, **options)


def _paused() -> Mapping[str, object]:
    return {"start_signal": PAUSE, "start_signal_args": [Order(by=BY, reason="to be found waiting")]}


async def _previewed(app: App, action: Action, query: str, number: int) -> Preview:
    """Preview until visibility has caught up; what is still missing after so long is not acted on."""
    loop = asyncio.get_running_loop()
    until = loop.time() + VISIBLE_SECONDS
    while True:
        with contextlib.suppress(Unavailable):  # under faults
            seen = await preview(app.client, action, query)
            if seen.count >= number or loop.time() > until:
                return seen
        await asyncio.sleep(POLL_SECONDS)


async def _loaded(stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
    assert isinstance(stores.postgres, asyncpg.Pool)
    async with stores.postgres.acquire() as connection:
        return await chunk_facts(connection, iterations)


def _together(*observed: Mapping[int, Sequence[Fact]]) -> Mapping[int, Sequence[Fact]]:
    return {index: [fact for facts in observed for fact in facts.get(index, ())] for index in observed[0]}


def _write(path: Path, given: Slice) -> None:
    path.write_bytes(flights.read().slice(given.first, given.rows))


def _finding(workflow_id: str, problem: str, message: str) -> Finding:
    return Finding(problem=problem, message=message, workflow_id=workflow_id)
