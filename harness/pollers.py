"""Sees that workers poll the task queue that scenarios start workflows on: elsewhere they would wait in vain."""

import asyncio
import time
from pathlib import Path

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, RPCError

from harness.errors import CannotRun

POLL_SECONDS = 30.0
"""A worker without a page that says when it is ready may well be still starting."""


async def await_pollers(client: Client, task_queue: str, logs: Path, *, timeout: float = POLL_SECONDS) -> None:
    """Wait until somebody polls it for workflow tasks, for `timeout` seconds; raises CannotRun where nobody does.

    A server that does not tell us is believed to have pollers.
    """
    question = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            if (await client.workflow_service.describe_task_queue(question)).pollers:
                return
        except RPCError:
            return
        await asyncio.sleep(0.05)
    raise CannotRun(
        f"The workers are up, and none of them polls the task queue {task_queue!r} in the namespace "
        f"{client.namespace!r}: workflows started there would wait for ever.",
        remedy="Let task_queue and namespace in temper.toml be those of your worker, or hand them over: "
        f'TASK_QUEUE = "{{worker.task_queue}}" under [environment]. What the workers say: {logs}',
    )
