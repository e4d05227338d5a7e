"""The pipeline: prepare, load every chunk, reconcile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Literal

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import CancelledError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

from system.control.pausable import Pausable

with workflow.unsafe.imports_passed_through():
    from system import heartbeats
    from system.pipeline.activities import PipelineActivities
    from system.pipeline.models import (
        PIPELINE,
        PROGRESS,
        ChunkTask,
        ClaimRequest,
        CloseRequest,
        CloseResult,
        LoadReport,
        LoadRequest,
        Manifest,
        Progress,
        ReconcileRequest,
    )

Ending = Literal["cancelled", "failed"]
State = Literal["preparing", "loading", "reconciling", "done", "cancelled", "failed"]
RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=2)
)
# For another load's end, which may take days: a pause is a fifth of what was waited so far, at most a minute.
WAIT = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=1.2, maximum_interval=timedelta(minutes=1)
)


@workflow.defn(name=PIPELINE)
class Pipeline(Pausable):
    """Loads files, each chunk exactly once, and proves it."""

    def __init__(self) -> None:
        super().__init__()
        self._state: State = "preparing"
        self._chunks = self._chunks_done = self._rows_loaded = self._rows_rejected = 0

    @workflow.run
    async def run(self, request: LoadRequest) -> LoadReport:
        """Load the sources and report what the database holds."""
        try:
            manifest = await self._prepare(request)
            await self._load(manifest, request.concurrency)
            await self.checkpoint()
            return await self._reconcile(manifest.load_id)
        except (Exception, asyncio.CancelledError) as error:
            if whole := await self._end(error):
                return whole
            raise

    @workflow.query(name=PROGRESS)
    def progress(self) -> Progress:
        """Say how far the load has come."""
        return Progress(
            state=self._state,
            chunks=self._chunks,
            chunks_done=self._chunks_done,
            rows_loaded=self._rows_loaded,
            rows_rejected=self._rows_rejected,
            paused=self.is_paused,
        )

    async def _prepare(self, request: LoadRequest) -> Manifest:
        await self.checkpoint()
        manifest = await workflow.execute_activity_method(
            PipelineActivities.prepare,
            request,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=heartbeats.TIMEOUT,
            retry_policy=RETRY,
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        if not manifest.claimed:
            manifest = manifest.without(await self._claim(manifest))
        self._chunks = len(manifest.chunks)
        return manifest

    async def _claim(self, manifest: Manifest) -> tuple[int, ...]:
        """Wait until no other load is at one of the files; return those that it has loaded."""
        await self.checkpoint()
        claimed = await workflow.execute_activity_method(
            PipelineActivities.claim,
            ClaimRequest(load_id=manifest.load_id),
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=heartbeats.TIMEOUT,
            retry_policy=WAIT,
        )
        return claimed.skipped

    async def _load(self, manifest: Manifest, concurrency: int) -> None:
        self._state = "loading"
        tasks = (ChunkTask(load_id=manifest.load_id, chunk=chunk) for chunk in manifest.chunks)
        lanes = [asyncio.create_task(self._lane(tasks)) for _ in range(concurrency)]
        try:
            await asyncio.gather(*lanes)
        except (Exception, asyncio.CancelledError):
            for lane in lanes:
                lane.cancel()
            # The load is closed only once no chunk is in flight any more.
            await asyncio.shield(asyncio.gather(*lanes, return_exceptions=True))
            raise

    async def _lane(self, tasks: Iterator[ChunkTask]) -> None:
        """Load one chunk after the other; the lanes share the chunks."""
        while True:
            await self.checkpoint()
            task = next(tasks, None)
            if task is None:
                return
            result = await workflow.execute_activity_method(
                PipelineActivities.load_chunk,
                task,
                start_to_close_timeout=timedelta(minutes=5),
                heartbeat_timeout=heartbeats.TIMEOUT,
                retry_policy=RETRY,
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
            self._chunks_done += 1
            self._rows_loaded += result.rows_loaded
            self._rows_rejected += result.rows_rejected

    async def _reconcile(self, load_id: int) -> LoadReport:
        self._state = "reconciling"
        report = await workflow.execute_activity_method(
            PipelineActivities.reconcile,
            ReconcileRequest(load_id=load_id),
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=heartbeats.TIMEOUT,
            retry_policy=RETRY,
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        self._state = "done"
        return report

    async def _end(self, error: BaseException) -> LoadReport | None:
        """Close the load that an error ended; report it where it was whole before it could be cancelled."""
        # Of an activity that is to be cancelled, Temporal does not retry an attempt that fails for another reason.
        cancelled = is_cancelled_exception(error) or workflow.cancellation_reason() is not None
        closed = await self._close("cancelled" if cancelled else "failed")
        if cancelled and closed.state == "reconciled":
            return await self._reconcile(closed.load_id)
        if cancelled and not is_cancelled_exception(error):
            raise CancelledError("the load was cancelled") from error
        return None

    async def _close(self, state: Ending) -> CloseResult:
        """Close the load to the end, also where the workflow is cancelled meanwhile."""
        self._state = state
        # Not a coroutine: of one that is made while the worker forgets the workflow, Python says it was never awaited.
        closing = workflow.start_activity_method(
            PipelineActivities.close,
            CloseRequest(state=state),
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=heartbeats.TIMEOUT,
            retry_policy=RETRY,
        )
        while not closing.done():
            with suppress(asyncio.CancelledError):
                await asyncio.shield(closing)
        return closing.result()
