"""Workflows that do, or do not, heed what they are told while they end."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow

SOON = timedelta(seconds=30)


@activity.defn
async def work(number: int) -> int:
    """A part of the work."""
    return number


@activity.defn
async def undo(number: int) -> int:
    """Takes a part back."""
    return number


@workflow.defn
class Working:
    """Works, waits, and then does what its plan says when it is cancelled."""

    @workflow.run
    async def run(self, plan: str) -> str:
        await self._work(1)
        try:
            await workflow.wait_condition(lambda: False)
        except asyncio.CancelledError:
            if plan == "cancelled":
                raise
            if plan == "undoes":
                await workflow.execute_activity(undo, 1, start_to_close_timeout=SOON)
            if plan in {"goes on", "repeats"}:
                await self._work(2 if plan == "goes on" else 1)
        return plan

    async def _work(self, number: int) -> None:
        await workflow.execute_activity(work, number, start_to_close_timeout=SOON)


@workflow.defn
class Counter:
    """Counts what it is told, and continues as new when it has worked; by its plan, it forgets what came meanwhile."""

    @workflow.init
    def __init__(self, plan: str, count: int) -> None:
        self._count = self._before = count

    @workflow.run
    async def run(self, plan: str, count: int) -> int:
        if count == 0:
            await workflow.execute_activity(work, 1, start_to_close_timeout=SOON)
            workflow.continue_as_new(args=[plan, 1 + (self._before if plan == "forgets" else self._count)])
        return count

    @workflow.signal
    def add(self, number: int) -> None:
        self._count += number
        if number:
            workflow.upsert_memo({"count": self._count})
