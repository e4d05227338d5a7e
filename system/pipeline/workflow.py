"""The pipeline: prepare, load every chunk, reconcile."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Literal

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

from system.control.pausable import Pausable

with workflow.unsafe.imports_passed_through():
    from system.pipeline.activities import PipelineActivities
    from system.pipeline.models import (
        PIPELINE,
        PROGRESS,
        ChunkTask,
        ClaimRequest,
        CloseRequest,
        LoadReport,
        LoadRequest,
        Manifest,
        Progress,
        ReconcileRequest,
    )

State = Literal["preparing", "loading", "reconciling", "done", "cancelled", "failed"]
RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=2)
)
HEARTBEAT = timedelta(seconds=10)


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
            return await self._reconcile(manifest)
        except (Exception, asyncio.CancelledError) as error:
            await self._close("cancelled" if is_cancelled_exception(error) else "failed")
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
            heartbeat_timeout=HEARTBEAT,
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
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
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
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RETRY,
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            )
            self._chunks_done += 1
            self._rows_loaded += result.rows_loaded
            self._rows_rejected += result.rows_rejected

    async def _reconcile(self, manifest: Manifest) -> LoadReport:
        self._state = "reconciling"
        await self.checkpoint()
        report = await workflow.execute_activity_method(
            PipelineActivities.reconcile,
            ReconcileRequest(load_id=manifest.load_id),
            start_to_close_timeout=timedelta(minutes=5),
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        self._state = "done"
        return report

    async def _close(self, state: Literal["cancelled", "failed"]) -> None:
        self._state = state
        # Not a coroutine: of one that is made while the worker forgets the workflow, Python says it was never awaited.
        await asyncio.shield(
            workflow.start_activity_method(
                PipelineActivities.close,
                CloseRequest(state=state),
                start_to_close_timeout=timedelta(hours=1),
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RETRY,
            )
        )
