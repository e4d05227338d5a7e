"""A bulk operation: list the targets, act on some at a time and no faster than the rate, close."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Literal, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import is_cancelled_exception
from temporalio.workflow import ActivityHandle

from system.control.pausable import Pausable

with workflow.unsafe.imports_passed_through():
    from system import heartbeats
    from system.control.activities import ControlActivities
    from system.control.models import BULK, PROGRESS, BulkReport, BulkRequest, CloseRequest, Counts, Progress, Round
    from system.control.rules import round_size, wait_after

RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=5)
)
ROUNDS_A_RUN = 200
"""After so many, some 2,500 events, the history is cut off by continue-as-new."""
ResultT = TypeVar("ResultT")


@workflow.defn(name=BULK)
class Bulk(Pausable):
    """Does one thing to many workflows, to each once, and records what became of it.

    Cancelled, it ends the round it is at, and leaves the rest alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self._progress = Progress()

    @workflow.run
    async def run(self, request: BulkRequest) -> BulkReport:
        """Act on what was previewed and say what became of it."""
        try:
            self._progress = request.progress or await self._list(request)
            if self._progress.state == "running" and not await self._work(request):
                await self.ready_to_continue()
                workflow.continue_as_new(request.model_copy(update={"progress": self._progress}))
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                await self._close("cancelled")
            raise
        return await self._close("done")

    @workflow.query(name=PROGRESS)
    def progress(self) -> Progress:
        """Say how far it has come."""
        return self._progress.model_copy(update={"paused": self.is_paused})

    async def _list(self, request: BulkRequest) -> Progress:
        await self.checkpoint()
        listed = await _to_its_end(
            workflow.start_activity_method(
                ControlActivities.list_targets,
                request,
                start_to_close_timeout=timedelta(hours=1),
                heartbeat_timeout=heartbeats.TIMEOUT,
                retry_policy=RETRY,
            )
        )
        if listed.refused:
            return Progress(state="refused", message=listed.refused)
        return Progress(state="running", targets=listed.targets)

    async def _work(self, request: BulkRequest) -> bool:
        """Act for as long as this run's history may grow; says whether that was all."""
        size = round_size(request.rate)
        for _ in range(ROUNDS_A_RUN):
            first, targets = self._progress.next, self._progress.targets
            if first > targets:
                return True
            last = min(targets, first + size - 1)
            await self.checkpoint()
            counts = await _to_its_end(
                workflow.start_activity_method(
                    ControlActivities.act,
                    Round(first=first, last=last, order=request.model_copy(update={"progress": None})),
                    start_to_close_timeout=timedelta(minutes=10),
                    heartbeat_timeout=heartbeats.TIMEOUT,
                    retry_policy=RETRY,
                )
            )
            self._note(last, counts)
            if last < targets:
                await asyncio.sleep(wait_after(size, request.rate, counts.seconds))
        return self._progress.next > self._progress.targets

    def _note(self, last: int, counts: Counts) -> None:
        at = self._progress
        self._progress = at.model_copy(
            update={
                "next": last + 1,
                "done": at.done + counts.done,
                "skipped": at.skipped + counts.skipped,
                "failed": at.failed + counts.failed,
            }
        )

    async def _close(self, state: Literal["done", "cancelled"]) -> BulkReport:
        report = await _to_its_end(
            workflow.start_activity_method(
                ControlActivities.close,
                CloseRequest(state=state),
                start_to_close_timeout=timedelta(minutes=1),
                retry_policy=RETRY,
            )
        )
        self._progress = self._progress.model_copy(update={"state": report.state})
        return report


async def _to_its_end(handle: ActivityHandle[ResultT]) -> ResultT:
    """Wait for an activity also when cancelled: what it has begun must not stay half done, or unknown."""
    try:
        return await asyncio.shield(handle)
    except asyncio.CancelledError:
        await handle
        raise
