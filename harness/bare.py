"""The bare SDK: a worker with nothing of anybody's, to compare with."""

import os
import sys
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

# The sandbox cannot import a workflow from __main__, so this module is not run as one.
COMMAND = (sys.executable, "-c", "import asyncio; from harness import bare; asyncio.run(bare.main())")
ENVIRONMENT = {
    "TEMPORAL_ADDRESS": "{temporal.address}",
    "TEMPORAL_NAMESPACE": "{worker.namespace}",
    "TASK_QUEUE": "{worker.task_queue}",
}
"""How a worker of this module is run; the placeholders are filled as those of temper.toml."""


@activity.defn(name="bare.echo")
async def echo(text: str) -> str:
    return text


@workflow.defn(name="bare.Echo")
class Echo:
    """Activities that return what they are given, one after the other."""

    @workflow.run
    async def run(self, text: str, activities: int) -> str:
        for _ in range(activities):
            text = await workflow.execute_activity(echo, text, start_to_close_timeout=timedelta(seconds=10))
        return text


async def start(client: Client, task_queue: str, *, id: str = "", activities: int = 1) -> WorkflowHandle[Any, Any]:  # noqa: A002 - as Temporal calls it
    """Start the workflow on this queue, with the queue's name as its id unless it has one; it waits for a worker."""
    return await client.start_workflow(
        "bare.Echo", args=["echo", activities], id=id or task_queue, task_queue=task_queue, result_type=str
    )


async def main() -> None:
    """Work on TASK_QUEUE at TEMPORAL_ADDRESS until killed."""
    client = await Client.connect(
        os.environ["TEMPORAL_ADDRESS"], namespace=os.environ.get("TEMPORAL_NAMESPACE", "default")
    )
    worker = Worker(client, task_queue=os.environ["TASK_QUEUE"], workflows=[Echo], activities=[echo])
    await worker.run()
