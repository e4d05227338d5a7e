"""The sweep on real servers: what no workflow can keep by itself is found afterwards; and the digest sums up."""

from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from dead_letter_bed import Bed, bed, reset
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy

from harness.eventually import eventually
from system.dead_letters.models import DigestReport, DigestRequest, Filter
from system.dead_letters.workflow import Digest
from system.settings import Settings
from system.storage.pool import Pool


@pytest.fixture
async def standing(settings: Settings, database: Pool) -> AsyncIterator[Bed]:
    async with bed(settings, database) as one:
        yield one


async def digest(standing: Bed, name: str, groups: int = 20) -> DigestReport:
    return await standing.client.execute_workflow(
        Digest.run, DigestRequest(groups=groups), id=f"{name}-{standing.task_queue}", task_queue=standing.task_queue
    )


async def visible(client: Client, handle: WorkflowHandle[Any, Any], status: str) -> None:
    """Wait until visibility has the end of a workflow."""
    query = f"WorkflowId = '{handle.id}' AND ExecutionStatus = '{status}'"

    async def counted() -> int:
        return (await client.count_workflows(query)).count

    await eventually(counted, timeout=20)


async def test_what_a_workflow_cannot_keep_itself_is_swept_up_once(standing: Bed) -> None:
    """Terminated, and timed out: each has a letter after the digest; a second digest finds them, and adds nothing."""
    terminated = await standing.start("waits")
    await terminated.terminate(reason="it was in the way")
    timed_out = await standing.start("waits", run_timeout=timedelta(seconds=1))
    with pytest.raises(WorkflowFailureError):
        await timed_out.result()
    failed = await standing.fail("itself")
    for handle, status in ((terminated, "Terminated"), (timed_out, "TimedOut"), (failed, "Failed")):
        await visible(standing.client, handle, status)
    report = await digest(standing, "first")
    assert (report.swept.since, report.swept.closed, report.swept.kept) == (None, 3, 2)
    letters = {one.workflow_id: one for one in await standing.letters()}
    assert letters[terminated.id].error_type == "Terminated"
    assert letters[terminated.id].message == "terminated: it was in the way"
    assert letters[timed_out.id].error_type == "TimedOut"
    assert all(one.ended_workflow and one.attempts == 1 for one in letters.values())
    assert "has not compensated anything" in letters[terminated.id].remedy
    again = await digest(standing, "second")
    assert (again.swept.since, again.swept.closed, again.swept.kept) == (report.swept.until, 3, 0)
    assert len(await standing.letters()) == 3


async def test_a_letter_that_was_lost_is_written_again(standing: Bed, database: Pool) -> None:
    """As after a restored backup: the sweep reads the failure from the history."""
    handle = await standing.fail("child")
    before = await standing.letters()
    await database.execute("DELETE FROM dead_letters")
    for one in before:
        await visible(standing.client, standing.client.get_workflow_handle(one.workflow_id), "Failed")
    assert (await digest(standing, "first")).swept.kept == 2
    after = {one.workflow_id: one for one in await standing.letters()}
    assert {(one.fingerprint, one.child, one.parent, one.error_type, one.message) for one in before} == {
        (one.fingerprint, one.child, one.parent, one.error_type, one.message) for one in after.values()
    }
    assert after[handle.id].child == f"{handle.id}.child"


async def test_a_run_that_the_server_runs_again_is_left_alone(standing: Bed) -> None:
    """The workflow's own policy goes on with it: only the last run has failed for good."""
    policy = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=10))
    handle = await standing.fail("busy", retry_policy=policy)
    await visible(standing.client, handle, "Failed")
    assert (await digest(standing, "first")).swept.kept == 0
    assert (await standing.letter()).attempts == 2


async def test_a_terminated_run_that_was_reset_is_left_alone(standing: Bed) -> None:
    """A reset terminates a run and puts another one in its place: nothing is lost."""
    handle = await standing.start("waits")
    await eventually(partial(_task_done, handle), timeout=20)
    await reset(standing.client, handle)
    await visible(standing.client, handle, "Terminated")
    assert (await digest(standing, "first")).swept.kept == 0
    await standing.client.get_workflow_handle(handle.id).cancel()


async def _task_done(handle: WorkflowHandle[Any, Any]) -> bool:
    return len((await handle.fetch_history()).events) >= 4


async def test_the_digest_counts_by_fault_and_state(standing: Bed, database: Pool) -> None:
    """The same fault is one group whatever its ids; the digest is kept, and groups beyond the limit are left out."""
    for _ in range(3):
        await standing.fail("itself")
    await standing.fail("activity")
    report = await digest(standing, "one", groups=1)
    assert report.states == {"open": 4}
    [group] = report.groups
    assert (group.open, group.total, group.error_type, group.where) == (3, 3, "NoWay", "failing.Failing")
    assert group.first_at < group.last_at
    kept = await database.fetchval("SELECT report FROM dead_letter_digests")
    assert DigestReport.model_validate_json(kept) == report
    assert len(await standing.letters(Filter(fingerprint=group.fingerprint))) == 3
