"""Workflows that are over when what they wait for is: an update that takes an hour, an activity."""

from datetime import timedelta

from temporalio import workflow


@workflow.defn
class SlowApproval:
    """Waits for its approval, for as long as it takes."""

    def __init__(self) -> None:
        self._approved = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self._approved)
        return "over"

    @workflow.update
    async def approve(self) -> str:
        """Think about it for an hour."""
        await workflow.sleep(timedelta(hours=1))
        self._approved = True
        return "approved"


@workflow.defn
class Called:
    """Waits for whoever is at the door."""

    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity("answer_the_door", start_to_close_timeout=timedelta(hours=1))
