"""Bulk operations where time is skipped: rate, continue-as-new and recorded outcomes over hours."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast

import pytest
from skipping import skipping
from temporalio.api.enums.v1 import EventType

from harness.temporal_test import Temporal
from system.control import store
from system.control.activities import ControlActivities
from system.control.models import BulkRequest, Pause, Target
from system.control.workflow import ROUNDS_A_RUN, Bulk
from system.storage.pool import Pool


@asynccontextmanager
async def standing(database: Pool) -> AsyncIterator[Temporal]:
    """A worker with the activities, which use the client of the server they run on."""
    activities = ControlActivities(database, cast("Any", None))
    async with skipping(activities.all) as temporal:
        activities._client = temporal.client
        yield temporal


async def opened(database: Pool, number: int, **options: float) -> tuple[str, BulkRequest]:
    """An operation whose targets are listed already (the server cannot list): workflows that are gone."""
    name = f"bulk-{secrets.token_hex(6)}"
    request = BulkRequest.model_validate({"by": "ann", "reason": "a test", "action": Pause(), "query": "x", **options})
    targets = [
        Target(workflow_id=f"gone-{index}", run_id=secrets.token_hex(4), workflow_type="x.Y", status="running")
        for index in range(number)
    ]
    async with database.acquire() as connection, connection.transaction():
        await store.open_operation(connection, name, "bulk", request, targets)
    return name, request


@pytest.mark.parametrize(("number", "rate", "seconds"), [(6, 1 / 600, 3_000), (10, 0.5, 18), (60, 20, 2)])
async def test_the_rate_holds_over_hours(database: Pool, number: int, rate: float, seconds: float) -> None:
    """One in ten minutes is one in ten minutes, by the workflow's own clock."""
    name, request = await opened(database, number, rate=rate)
    async with standing(database) as temporal:
        handle = await temporal.start(Bulk.run, request, id=name)
        report = await handle.result()
        took = await temporal.took(handle)
    assert (report.state, report.counts.skipped) == ("done", number)
    assert timedelta(seconds=seconds * 0.95) <= took <= timedelta(seconds=seconds + 60)


async def test_a_long_operation_continues_as_new(database: Pool) -> None:
    """Its histories stay short, no target is passed over or met twice, and the last run tells of all."""
    number = ROUNDS_A_RUN + 10
    name, request = await opened(database, number, rate=1)
    async with standing(database) as temporal:
        handle = await temporal.start(Bulk.run, request, id=name)
        report = await handle.result()
        last = await temporal.client.get_workflow_handle(name).describe()
        first = await temporal.client.get_workflow_handle(name, run_id=handle.first_execution_run_id).fetch_history()
    assert (report.targets, report.counts.skipped) == (number, number)
    assert last.run_id != handle.first_execution_run_id
    assert first.events[-1].event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW
    assert len(first.events) < 5_000
    acts = await database.fetchrow(
        "SELECT count(*), count(DISTINCT item) AS items FROM effects WHERE workflow_id = $1 AND step = 'act'", name
    )
    assert acts is not None
    assert tuple(acts) == (number, number)
