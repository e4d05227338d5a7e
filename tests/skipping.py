"""The system with one worker on a server that skips time; PostgreSQL is real."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from harness.services.installed import program
from system.plugin import SystemPlugin
from system.search_attributes import register


@asynccontextmanager
async def skipping(activities: Sequence[Callable[..., Any]]) -> AsyncIterator[tuple[Client, str]]:
    """A client and the task queue that a worker with these activities polls.

    Time is skipped only while a handle of the client's own `start_workflow` is awaited: one workflow at a time.
    """
    server = program("temporal-test-server")
    async with await WorkflowEnvironment.start_time_skipping(
        plugins=[SystemPlugin()], test_server_existing_path=str(server)
    ) as environment:
        await register(environment.client)
        task_queue = f"system-{secrets.token_hex(6)}"
        async with Worker(environment.client, task_queue=task_queue, activities=activities):
            yield environment.client, task_queue
