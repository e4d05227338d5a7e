"""What the pytest plugin, and its checks of one activity or function, find."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import pytest
from bench import Bench, Found
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from harness.eventually import eventually
from harness.faultpoints import FaultPointInterceptor
from harness.heartbeats import check_heartbeats
from harness.single_flight import check_single_flight
from harness.temporal_test import Temporal, Untrustworthy
from system.cache.cache import Cache, Warmed
from system.cache.entry import Lifetime
from system.control.pausable import PAUSE, RESUME, Order
from system.pipeline.summaries import Summaries
from system.scheduling.activities import SchedulingActivities
from system.scheduling.models import WarmRequest
from system.tasks import rules
from system.tasks.activities import TaskActivities
from system.tasks.models import RUN, BatchRequest, Item
from system.tasks.workflow import Batch

AFTER_A_TEST, HEARTBEATS, SINGLE_FLIGHT = "after a test", "check_heartbeats", "check_single_flight"
OPERATOR = Order(by="an operator", reason="a test")


async def a_pause_at_the_hand_over(bench: Bench) -> Found:
    """A pause comes with the end of a batch's last item, which is when the batch would continue as new."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rules, "FULL_HISTORY", 10)
        async with bench.temporal() as temporal:
            async with _activities_alone(bench, temporal):
                await _paused_at_the_end(temporal)
            try:
                await temporal.check()
            except Untrustworthy as found:
                return Found.by(AFTER_A_TEST, str(found).splitlines())
            return Found.by(AFTER_A_TEST, [])


@asynccontextmanager
async def _activities_alone(bench: Bench, temporal: Temporal) -> AsyncIterator[None]:
    """A worker without the system's plugin, which would bring its workflows along: another one works for those."""
    temporal.faults.at(RUN).hang()
    plain = await Client.connect(
        bench.bed.stack.addresses["temporal.address"],
        namespace=temporal.client.namespace,
        data_converter=temporal.client.data_converter,
    )
    faults = FaultPointInterceptor(temporal.faults.directory)
    async with bench.database() as database:
        tasks = TaskActivities(database, Summaries(database, Cache(None)))
        async with Worker(plain, task_queue=temporal.task_queue, activities=tasks.all, interceptors=[faults]):
            yield


async def _paused_at_the_end(temporal: Temporal) -> None:
    """Have a batch's item end, and a pause come, while nobody works for the batch: both are news of one task."""
    async with temporal.worker():
        item = Item(key="only", handler="text.checksum", input={"text": "text"})
        batch = await temporal.start(Batch.run, BatchRequest(items=(item,)))
        await eventually(temporal.faults.bitten, timeout=30)
    first = temporal.client.get_workflow_handle(batch.id, run_id=batch.first_execution_run_id)

    async def last_event() -> str:
        return (await first.fetch_history()).events[-1].WhichOneof("attributes") or ""

    async def is_due() -> bool:
        return await last_event() == "workflow_task_scheduled_event_attributes"

    async def is_done() -> bool:
        return not (await last_event()).startswith(("workflow_task_", "workflow_execution_signaled"))

    temporal.faults.wake()
    await eventually(is_due, timeout=30)
    await batch.signal(PAUSE, OPERATOR)
    async with temporal.worker():
        await eventually(is_done, timeout=30)
        with suppress(RPCError):  # it has ended, as nobody has told it of the pause
            await batch.signal(RESUME, OPERATOR)
        await batch.result()


async def an_activity_that_is_held_up(bench: Bench) -> Found:
    """What warms the cache waits for a source that does not answer."""

    async def never() -> Warmed:
        await asyncio.Event().wait()
        return Warmed()

    async with bench.database() as database:
        activities = SchedulingActivities(database, bench.bed.client, {"datasets": never})
        try:
            await check_heartbeats(activities.warm, WarmRequest(), timeout=timedelta(seconds=1))
        except AssertionError as found:
            return Found.by(HEARTBEATS, [str(found)])
    return Found.by(HEARTBEATS, [])


async def many_who_miss_the_same(bench: Bench) -> Found:
    """Ten callers look up what is not in the cache."""

    async def price(sku: str) -> int:
        return len(sku)

    redis = bench.bed.stack["redis"].url
    async with Cache(redis, namespace=secrets.token_hex(6), call_seconds=30) as cache:
        try:
            await check_single_flight(cache.cached("price:{sku}", Lifetime(60, patience=60)), price, "A")
        except AssertionError as found:
            return Found.by(SINGLE_FLIGHT, [str(found)])
    return Found.by(SINGLE_FLIGHT, [])
