"""How much work waits for a worker, by the server's own estimate."""

from __future__ import annotations

from datetime import timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

KINDS = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
ANSWER_WITHIN = timedelta(seconds=5)


async def backlog(client: Client, task_queue: str) -> int:
    """Return how many workflow and activity tasks no worker has taken yet.

    Raises:
        RPCError: the server did not answer within 5 seconds, or refused.

    """
    waiting = 0
    for kind in KINDS:
        answer = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace,
                task_queue=TaskQueue(name=task_queue),
                task_queue_type=kind,
                report_stats=True,
            ),
            timeout=ANSWER_WITHIN,
        )
        waiting += answer.stats.approximate_backlog_count
    return waiting
