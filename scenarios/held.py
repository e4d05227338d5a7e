"""What can be seen of workflows that were held: what they started meanwhile, and what bulk operations recorded."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import asyncpg
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from harness.records.effects import Fact
from harness.records.operations import Iteration
from harness.scenario import Stores
from system.control.pausable import PAUSE, RESUME

PAUSED, ACT = "paused", "act"
"""Steps of facts: what a workflow started while it was paused; what a bulk operation did to one target."""
DECIDED = ("done", "skipped", "failed")
AT_ONCE = 8


def started_while_paused(events: Iterable[HistoryEvent]) -> tuple[int, int]:
    """How many activities were ordered by a workflow task that knew of a pause and of no resume; how many pauses.

    A task knows of the signals that came before it started.
    """
    pauses = started = 0
    paused_at: list[tuple[int, bool]] = [(0, False)]
    began: dict[int, int] = {}
    for event in events:
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            name = event.workflow_execution_signaled_event_attributes.signal_name
            if name in {PAUSE, RESUME}:
                paused_at.append((event.event_id, name == PAUSE))
                pauses += name == PAUSE
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
            began[event.event_id] = event.workflow_task_completed_event_attributes.started_event_id
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            task = began[event.activity_task_scheduled_event_attributes.workflow_task_completed_event_id]
            started += [paused for at, paused in paused_at if at < task][-1]
    return started, pauses


async def pause_facts(stores: Stores, iterations: Sequence[Iteration], part: str) -> Mapping[int, list[Fact]]:
    """A fact for each iteration's workflow: what its history says that it started while it was paused."""
    client = await Client.connect(
        stores.addresses["temporal.address"], namespace=stores.addresses["temporal.namespace"]
    )
    room = asyncio.Semaphore(AT_ONCE)

    async def fact(iteration: Iteration) -> list[Fact]:
        try:
            async with room:
                history = await client.get_workflow_handle(iteration.id(part)).fetch_history()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return []  # its start never came through
            raise
        started, pauses = started_while_paused(history.events)
        return [
            Fact(
                scenario=iteration.scenario,
                iteration=iteration.index,
                workflow_id=iteration.id(part),
                step=PAUSED,
                item="",
                expected=0,
                found=started,
                values={"pauses": pauses},
            )
        ]

    found = await asyncio.gather(*(fact(iteration) for iteration in iterations))
    return {iteration.index: facts for iteration, facts in zip(iterations, found, strict=True)}


async def outcome_facts(postgres: asyncpg.Pool, iterations: Sequence[Iteration]) -> dict[int, list[Fact]]:
    """A fact for each target of these iterations' bulk operations; one query, however many there are."""
    facts: dict[int, list[Fact]] = {iteration.index: [] for iteration in iterations}
    if not iterations:
        return facts
    prefix = f"{iterations[0].run}.{iterations[0].scenario}."
    rows = await postgres.fetch(
        """
        SELECT name, operations.state AS operation, outcomes.workflow_id, run_id, outcomes.state,
               count(*) OVER (PARTITION BY operation_id, outcomes.workflow_id, run_id) AS rows,
               outcomes.xmin::text::bigint AS writer
        FROM control_operations AS operations JOIN control_outcomes AS outcomes ON operation_id = operations.id
        WHERE starts_with(name, $1)
        """,
        prefix,
    )
    for row in rows:
        index = int(row["name"].removeprefix(prefix).partition(".")[0])
        decided = row["state"] in DECIDED
        if index not in facts:
            continue
        facts[index].append(
            Fact(
                scenario=iterations[0].scenario,
                iteration=index,
                workflow_id=row["name"],
                step=ACT,
                item=f"{row['workflow_id']}/{row['run_id']}",
                expected=int(decided or row["operation"] == "done"),
                found=row["rows"] if decided else 0,
                transactions=(row["writer"],) if decided else (),
                values={row["state"]: 1},
            )
        )
    return facts
