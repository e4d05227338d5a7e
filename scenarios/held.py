"""What the histories of workflows that were held say that they started meanwhile."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from harness.records.effects import Fact
from harness.records.operations import Iteration
from harness.scenario import Stores
from system.control.pausable import PAUSE, RESUME

PAUSED = "paused"
"""The step of a fact that counts what a workflow started while it was paused."""
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
