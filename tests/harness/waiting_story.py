"""A workflow that waits in several ways, one after the other, each for a time that is known at least."""

import asyncio
import contextlib
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

PAUSE = timedelta(seconds=0.5)
"""What it spends in each way, at least."""
LIMIT = timedelta(minutes=1)


@activity.defn
async def takes_its_time() -> None:
    """Takes the pause."""
    await asyncio.sleep(PAUSE.total_seconds())


@activity.defn
async def fails_once() -> None:
    """Fails on its first attempt."""
    if activity.info().attempt == 1:
        message = "the first attempt is lost"
        raise RuntimeError(message)


@workflow.defn
class WaitingStory:
    """A timer, an activity, one that nobody takes, one that is tried again, and a signal."""

    def __init__(self) -> None:
        self._at_the_end = False
        self._told = False

    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(PAUSE)
        await workflow.execute_activity(takes_its_time, start_to_close_timeout=LIMIT)
        with contextlib.suppress(ActivityError):
            await workflow.execute_activity(
                takes_its_time,
                task_queue=f"{workflow.info().workflow_id}-that-nobody-polls",
                start_to_close_timeout=LIMIT,
                schedule_to_start_timeout=PAUSE,
            )
        again = RetryPolicy(initial_interval=PAUSE)
        await workflow.execute_activity(fails_once, start_to_close_timeout=LIMIT, retry_policy=again)
        self._at_the_end = True
        await workflow.wait_condition(lambda: self._told)

    @workflow.signal
    def tell(self) -> None:
        """Let it end."""
        self._told = True

    @workflow.query
    def at_the_end(self) -> bool:
        """Whether it waits for the signal."""
        return self._at_the_end
