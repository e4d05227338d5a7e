"""A worker process for the small workflows: what the tests' own target runs."""

import asyncio
import os
import signal
import sys

from small_worker import small_worker
from small_workflows import ACTIVITIES, SLEEPING, WORKFLOWS, LateEcho

from harness import faultpoints


async def main() -> None:
    """Work on TASK_QUEUE at TEMPORAL_ADDRESS until SIGTERM, measured at METRICS; "late" makes Echo slow.

    With "asleep" its activity is.
    """
    workflows = [LateEcho] if "late" in sys.argv else WORKFLOWS
    activities = SLEEPING if "asleep" in sys.argv else ACTIVITIES
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    address, task_queue = os.environ["TEMPORAL_ADDRESS"], os.environ["TASK_QUEUE"]
    metrics = os.environ.get("METRICS", "")
    async with small_worker(address, task_queue, workflows, faultpoints.interceptors(), metrics, activities):
        await told.wait()


if __name__ == "__main__":
    asyncio.run(main())
    os._exit(0)
