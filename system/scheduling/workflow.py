"""Two maintenance runs: warm the cache, and delete what is old."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey

from system.control.pausable import Pausable

with workflow.unsafe.imports_passed_through():
    from system.records import Record
    from system.scheduling.activities import SchedulingActivities
    from system.scheduling.models import PURGE, WARM_CACHE, Counted, PurgeRequest, PurgeRows, Run, WarmRequest

RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
)
STEP = timedelta(minutes=2)
LONGEST_STEP = timedelta(hours=2)
HEARTBEAT = timedelta(seconds=30)
SCHEDULED_FOR = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@workflow.defn(name=WARM_CACHE)
class WarmCache(Pausable):
    """Loads into the cache what everybody reads."""

    @workflow.run
    async def run(self, request: WarmRequest) -> Run:
        """Warm, and record it."""
        await self.checkpoint()
        warmed = await workflow.execute_activity_method(
            SchedulingActivities.warm,
            request,
            start_to_close_timeout=STEP,
            heartbeat_timeout=HEARTBEAT,
            retry_policy=RETRY,
        )
        await self.checkpoint()
        return await _record("warm_cache", request, warmed)


@workflow.defn(name=PURGE)
class Purge(Pausable):
    """Deletes what is older than it has to be kept, table by table."""

    @workflow.run
    async def run(self, request: PurgeRequest) -> Run:
        """Delete, and record how much."""
        before = workflow.now() - timedelta(days=request.keep_days)
        counts: dict[str, int] = {}
        await self.checkpoint()
        listed = await workflow.execute_activity_method(
            SchedulingActivities.list_rules, request, start_to_close_timeout=STEP, retry_policy=RETRY
        )
        for rule in listed.rules:
            await self.checkpoint()
            deleted = await workflow.execute_activity_method(
                SchedulingActivities.purge_rows,
                PurgeRows(rule=rule, before=before, batch=request.batch),
                start_to_close_timeout=LONGEST_STEP,
                heartbeat_timeout=HEARTBEAT,
                retry_policy=RETRY,
            )
            counts |= deleted.counts
        await self.checkpoint()
        return await _record("purge", request, Counted(counts=counts))


async def _record(kind: Literal["warm_cache", "purge"], request: Record, counted: Counted) -> Run:
    info = workflow.info()
    return await workflow.execute_activity_method(
        SchedulingActivities.record_run,
        Run(
            kind=kind,
            scheduled_for=info.typed_search_attributes.get(SCHEDULED_FOR),
            began_at=info.workflow_start_time,
            request=request.model_dump(mode="json"),
            counts=counted.counts,
        ),
        start_to_close_timeout=STEP,
        retry_policy=RETRY,
    )
