"""Loads for tests to act on: they are paused before their first step, so that they stay as they are."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from running_system import App, Write
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.service import RPCError

from harness.eventually import eventually
from system.control.models import BulkReport, BulkRequest
from system.control.pausable import PAUSE, RESUME, Order
from system.control.preview import preview
from system.control.workflow import Bulk
from system.pipeline.models import LoadReport, LoadRequest
from system.pipeline.schema import Schema
from system.pipeline.workflow import Pipeline

Load = WorkflowHandle[Pipeline, LoadReport]
WHO = {"by": "ann", "reason": "a test"}
PATIENCE = 30
"""Seconds: other tests may have the machine."""

LETTERED_WITH_OUTCOME = """
    SELECT letter.* FROM dead_letters AS letter
    JOIN control_outcomes AS outcome USING (workflow_id, run_id)
    JOIN effects AS line ON line.step = 'workflow_failed' AND line.item = letter.run_id
    WHERE outcome.xmin::text::bigint = line.transaction::text::bigint % (2::bigint ^ 32)::bigint
"""
"""Letters that say that a run has failed, and were written in the transaction of what control did to it."""


async def start_paused(app: App, source: Path, schema: Schema, workflow_id: str) -> Load:
    """Start a load that is paused from the beginning."""
    return await app.client.start_workflow(
        Pipeline.run,
        LoadRequest(sources=(str(source),), schema=schema, again=True),
        id=workflow_id,
        task_queue=app.settings.task_queue,
        start_signal=PAUSE,
        start_signal_args=[Order(by="the test", reason="to stay")],
    )


async def paused_loads(app: App, write: Write, schema: Schema, number: int) -> tuple[str, list[Load]]:
    """Start some paused loads; returns the query that finds them, once it does."""
    prefix = f"controlled-{secrets.token_hex(6)}-"
    source = write(b"name,age\nann,1\nbob,2\n")
    loads = [await start_paused(app, source, schema, f"{prefix}{index}") for index in range(number)]
    query = f"WorkflowId STARTS_WITH '{prefix}'"
    await visible(app, query, number)
    return query, loads


async def let_go(app: App) -> None:
    """Let every load that is still paused go on, and wait for its end: a worker forgets what it stops with too late."""
    left = f"TaskQueue = '{app.settings.task_queue}' AND WorkflowType = 'pipeline.Pipeline'"
    async for one in app.client.list_workflows(f"{left} AND ExecutionStatus = 'Running'"):
        handle = app.client.get_workflow_handle(one.id)
        with suppress(RPCError, WorkflowFailureError):
            await handle.signal(RESUME, Order(by="the test", reason="it is over"))
            await handle.result()


async def visible(app: App, query: str, number: int) -> None:
    """Wait until visibility has caught up."""

    async def found() -> bool:
        return (await app.client.count_workflows(query)).count == number

    await eventually(found, timeout=PATIENCE)


def request(query: str, action: Any, **options: Any) -> BulkRequest:
    """What ann asks for."""
    return BulkRequest(query=query, action=action, **{**WHO, **options})


async def start_bulk(app: App, query: str, action: Any, **options: Any) -> WorkflowHandle[Bulk, BulkReport]:
    """Preview, then start the operation."""
    previewed = await preview(app.client, action, query)
    return await app.client.start_workflow(
        Bulk.run,
        request(query, action, **{"token": previewed.token, **options}),
        id=f"bulk-{secrets.token_hex(6)}",
        task_queue=app.settings.task_queue,
    )


async def signals(load: Load) -> list[str]:
    """The signals a workflow has got, by name."""
    return [
        event.workflow_execution_signaled_event_attributes.signal_name
        async for event in load.fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    ]


async def states(app: App, operation: str) -> dict[str, int]:
    """How many targets of an operation are in which state."""
    rows: Sequence[Any] = await app.database.fetch(
        """
        SELECT outcomes.state, count(*) FROM control_outcomes AS outcomes
        JOIN control_operations AS operations ON operations.id = operation_id
        WHERE name = $1 GROUP BY 1
        """,
        operation,
    )
    return {row["state"]: row["count"] for row in rows}
