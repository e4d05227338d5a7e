"""Results are waited for in few long polls; of all others visibility tells when they have closed."""

import asyncio
import dataclasses
import secrets
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from small_worker import Quiet, Small, small_worker
from temporalio.client import Client
from temporalio.common import RetryPolicy

from harness.closings import Closings
from harness.driver import App, Outcome
from harness.records.operations import Ack, Kind

WAITERS = 2


@pytest.fixture
async def small(temporal_address: str, tmp_path: Path) -> AsyncIterator[Small]:
    """A worker of every small workflow."""
    async with small_worker(temporal_address) as worker:
        yield Small(await Client.connect(temporal_address), worker.task_queue, tmp_path)


def apps(small: Small, count: int, waiters: int = WAITERS) -> list[App]:
    """As many iterations of one run, which share few long polls."""
    closings = Closings(small.client, f"{small.run}.", waiters=waiters, look_every=0.05)
    return [dataclasses.replace(small.app(Quiet(), index=index), closings=closings) for index in range(count)]


async def test_more_results_than_polls_are_waited_for(small: Small) -> None:
    """Every one comes, with its value; beyond the polls, with the time at which the server closed the workflow."""

    async def one(app: App) -> Outcome:
        return await app.result(await app.start("Echo", f"word {app.iteration.index}", result_type=str))

    outcomes = await asyncio.gather(*map(one, apps(small, 12)))
    assert [outcome.value for outcome in outcomes] == [f"word {index}" for index in range(12)]
    results = [op for op in small.operations if op.kind is Kind.RESULT]
    assert {op.ack for op in results} == {Ack.OK}
    told = [op for op in results if op.by_server]
    assert len(told) >= 12 - 2 * WAITERS
    for op in told:
        described = await small.client.get_workflow_handle(op.workflow_id).describe()
        assert described.close_time is not None
        assert op.acknowledged == pytest.approx(described.close_time.timestamp(), abs=1e-3)


async def test_a_failure_and_a_workflow_that_goes_on_are_told(small: Small) -> None:
    """The one as a failure, the other when its last run ends."""
    fails, goes_on = apps(small, 2, waiters=0)
    failed = await fails.result(await fails.start("Fails", "on purpose"))
    assert failed.status == "failed"
    assert "on purpose" in (failed.error or "")
    outcome = await goes_on.result(await goes_on.start("Twice", "first", result_type=str))
    assert (outcome.status, outcome.value) == ("completed", "again")


async def test_a_run_that_is_tried_again_is_not_the_end(small: Small) -> None:
    """Visibility lists each attempt as a run that failed; the answer came with the last, and so late."""
    (app,) = apps(small, 1, waiters=0)
    policy = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_attempts=2)
    started = await app.start("Fails", "on purpose", retry_policy=policy)
    outcome = await app.result(started)
    latest = await small.client.get_workflow_handle(started.id).describe()
    assert outcome.status == "failed"
    assert latest.close_time is not None
    assert latest.run_id != started.handle.result_run_id
    assert small.operations[-1].acknowledged == pytest.approx(latest.close_time.timestamp(), abs=1e-3)


async def test_who_gives_up_waits_no_longer(small: Small) -> None:
    """The iteration's limit ends the wait; nothing stays behind."""
    closings = Closings(small.client, f"{small.run}.", waiters=0, look_every=0.05)
    handle = small.client.get_workflow_handle(f"{small.run}.nobody-{secrets.token_hex(2)}")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), closings.turn(handle):
            pass
    assert not closings._awaited
