"""Loads for control to act on, and what is on record of who did what to them."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import asyncpg
from temporalio.service import RPCError

from harness.driver import App, Started
from harness.records.effects import Fact
from harness.records.operations import Iteration
from harness.records.verdicts import Finding
from harness.scenario import Stores
from scenarios import flights
from scenarios.loaded import chunk_facts
from scenarios.pipeline import Slice, schema
from system.control.models import Action, Signal
from system.control.pausable import PAUSE, PAUSED, RESUME, Order, Paused
from system.pipeline.models import PIPELINE, LoadReport, LoadRequest

ACT = "act"
"""The step of a fact that tells what was done to one target, by whom and why."""
BY, REASON = "the scenario", "a drill"
SIGNED = f"by {BY}: {REASON}"
LET_GO = Signal(name=RESUME, argument={"by": BY, "reason": REASON})
"""What `Resume` does, as any other signal is sent."""
CHUNK_BYTES = 4_096
"""About 45 flights: many chunks, so that an action falls between two of them."""
DECIDED = ("done", "skipped", "failed")
POLL_SECONDS = 0.1


async def start_load(
    app: App, given: Slice, part: str = "main", *, concurrency: int = 1, paused: bool = False, late: bool = False
) -> Started:
    """Start a load of many chunks; `paused` from the start, then it has begun when this returns; `late` without its
    file, which `bring` brings.
    """
    if not late:
        await bring(app, given, part)
    request = LoadRequest.model_validate(
        {
            "sources": (str(_source(app, part)),),
            "schema": schema("flights"),
            "again": True,
            "chunk_bytes": CHUNK_BYTES,
            "concurrency": concurrency,
        }
    )
    order = Order(by=BY, reason="to be found waiting")
    options = {"start_signal": PAUSE, "start_signal_args": [order]} if paused else {}
    load = await app.start(PIPELINE, request, part=part, result_type=LoadReport, **options)
    if paused:
        await begun(app, load)
    return load


async def bring(app: App, given: Slice, part: str = "main") -> None:
    """Put a load's file where the load looks for it."""
    await asyncio.to_thread(_write, _source(app, part), given)


async def begun(app: App, load: Started) -> None:
    """Wait for the first workflow task: before it there is nothing to reset to, and nothing that knows of a pause."""
    await app.query(load, PAUSED, result_type=Paused)


async def newest(app: App, load: Started) -> Started:
    """The run that stands in the place of the first one by now: after a reset, a retry or a redrive."""
    while True:
        try:
            described = await app.client.get_workflow_handle(load.id).describe()
        except RPCError:  # under faults: ask again, for as long as the iteration has
            await asyncio.sleep(POLL_SECONDS)
            continue
        handle = app.client.get_workflow_handle(load.id, run_id=described.run_id, result_type=LoadReport)
        return Started(handle, load.intended)


async def observed(stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
    """What the tables have of these iterations' loads: their rows, and what control did to them."""
    assert isinstance(stores.postgres, asyncpg.Pool)
    async with stores.postgres.acquire() as connection:
        loaded = await chunk_facts(connection, iterations)
    acts = await outcome_facts(stores.postgres, iterations)
    return {index: [*found, *acts[index]] for index, found in loaded.items()}


async def outcome_facts(postgres: asyncpg.Pool, iterations: Sequence[Iteration]) -> dict[int, list[Fact]]:
    """A fact for each of these iterations' workflows and each operation of which it was a target; one query for all.

    Its values are the outcome, the kind of action, and who wanted it and why. A single operation is no workflow's, so
    the ledger has nothing to compare it with.
    """
    facts: dict[int, list[Fact]] = {iteration.index: [] for iteration in iterations}
    if not iterations:
        return facts
    prefix = f"{iterations[0].run}.{iterations[0].scenario}."
    rows = await postgres.fetch(
        """
        SELECT name, operations.kind, operations.state AS operation, action ->> 'kind' AS action, ordered_by, reason,
               outcomes.workflow_id, run_id, outcomes.state, attempted_at IS NOT NULL AS attempted,
               count(*) OVER (PARTITION BY operation_id, outcomes.workflow_id, run_id) AS rows,
               outcomes.xmin::text::bigint AS writer
        FROM control_outcomes AS outcomes JOIN control_operations AS operations ON operation_id = operations.id
        WHERE starts_with(outcomes.workflow_id, $1) ORDER BY operation_id, number
        """,
        prefix,
    )
    for row in rows:
        index = int(row["workflow_id"].removeprefix(prefix).partition(".")[0])
        if index in facts:
            facts[index].append(_as_fact(iterations[0].scenario, index, row))
    return facts


def carried_out(fact: Fact, kind: str) -> bool:
    """Whether control did this to its target, or went to do it, and what came of that was never known."""
    return never_heard_of(fact, kind) or (fact.step == ACT and {kind, "done"} <= fact.values.keys())


def never_heard_of(fact: Fact, kind: str) -> bool:
    """Whether control went to do this to its target, and was cut off before it knew what came of that."""
    return fact.step == ACT and {kind, "attempted"} <= fact.values.keys()


def unsigned(facts: Sequence[Fact]) -> list[Finding]:
    """What was done without a record of who wanted it and why."""
    return [
        finding(fact.workflow_id, "misjudged", f"its record is {sorted(fact.values)}, and not signed {SIGNED!r}")
        for fact in facts
        if fact.step == ACT and SIGNED not in fact.values
    ]


def finding(workflow_id: str, problem: str, message: str) -> Finding:
    return Finding(problem=problem, message=message, workflow_id=workflow_id)


def kinds(actions: Sequence[Action]) -> list[str]:
    return [action.kind for action in actions]


def _as_fact(scenario: str, index: int, row: asyncpg.Record) -> Fact:
    decided = row["state"] in DECIDED
    state = "attempted" if row["state"] == "pending" and row["attempted"] else row["state"]
    return Fact(
        scenario=scenario,
        iteration=index,
        workflow_id=row["name"],
        step=ACT,
        item=f"{row['workflow_id']}/{row['run_id']}",
        expected=int(decided or row["operation"] == "done"),
        found=row["rows"] if decided else 0,
        transactions=(row["writer"],) if decided and row["kind"] == "bulk" else (),
        values={state: 1, row["action"]: 1, f"by {row['ordered_by']}: {row['reason']}": 1},
    )


def _source(app: App, part: str) -> Path:
    return app.workspace / app.iteration.id(f"{part}.csv")


def _write(path: Path, given: Slice) -> None:
    path.write_bytes(flights.read().slice(given.first, given.rows))
