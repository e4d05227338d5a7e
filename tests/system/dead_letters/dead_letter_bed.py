"""A worker with workflows that fail in every way, and with the activities that keep their letters."""

import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from failing_workflows import ACTIVITIES, Chained, Failing, How, Work
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.worker import Worker

from system.connection import connect
from system.dead_letters import listing
from system.dead_letters.activities import DeadLetterActivities
from system.dead_letters.models import Filter, Letter
from system.dead_letters.redrive import Redriver, Redrives
from system.settings import Settings
from system.storage.pool import Pool
from system.tuning import deployment


@dataclass(frozen=True, kw_only=True)
class Bed:
    """What a test drives."""

    client: Client
    database: Pool
    task_queue: str
    redrives: Redrives

    async def start(self, how: How, **options: Any) -> WorkflowHandle[Failing, Any]:
        """Start a workflow that fails like this; its item is its own id, unless it is told otherwise."""
        workflow_id = options.pop("id", f"failing-{secrets.token_hex(6)}")
        return await self.client.start_workflow(
            Failing.run,
            Work(how=how, item=options.pop("item", workflow_id)),
            id=workflow_id,
            task_queue=self.task_queue,
            **options,
        )

    async def fail(self, how: How, **options: Any) -> WorkflowHandle[Failing, Any]:
        """Start one and wait for its failure."""
        handle = await self.start(how, **options)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        return handle

    async def letters(self, wanted: Filter | None = None) -> list[Letter]:
        """Every letter, oldest first."""
        async with self.database.acquire() as connection:
            return (await listing.find(connection, wanted or Filter(), limit=1000))[::-1]

    async def letter(self) -> Letter:
        """The only letter."""
        [one] = await self.letters()
        return one


@asynccontextmanager
async def bed(
    settings: Settings, database: Pool, *, redrivers: Mapping[str, Redriver] | None = None, cached: int = 100
) -> AsyncIterator[Bed]:
    """The worker, and what drives it."""
    client = await connect(settings)
    queue = settings.task_queue
    letters = DeadLetterActivities(database, client, queue, redrivers)
    async with Worker(
        client,
        task_queue=queue,
        workflows=[Failing, Chained],
        activities=[*ACTIVITIES, *letters.all],
        max_cached_workflows=cached,
        deployment_config=deployment(settings),
    ):
        yield Bed(client=client, database=database, task_queue=queue, redrives=Redrives(database, client, redrivers))


async def reset(client: Client, handle: WorkflowHandle[Any, Any]) -> str:
    """Run a workflow again from its first task; returns the new run's id."""
    answer = await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.first_execution_run_id or ""),
            reason="once more",
            workflow_task_finish_event_id=4,
            request_id=secrets.token_hex(8),
        )
    )
    return answer.run_id
