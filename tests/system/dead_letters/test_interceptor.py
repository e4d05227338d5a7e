"""What fails for good has its letter before its workflow ends, on real servers, however it fails."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
import pytest
from dead_letter_bed import Bed, bed
from failing_workflows import Chained, Failing, How, Work
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle, WorkflowHistory
from temporalio.common import RetryPolicy
from temporalio.exceptions import CancelledError
from temporalio.worker import Replayer

from harness.eventually import eventually
from system.control.pausable import Order
from system.plugin import SystemPlugin
from system.settings import Settings
from system.storage.effects import ledger
from system.storage.pool import Pool


@pytest.fixture
async def standing(settings: Settings, database: Pool) -> AsyncIterator[Bed]:
    async with bed(settings, database) as one:
        yield one


async def test_an_activity_that_fails_for_good_has_one_letter_with_everything(standing: Bed) -> None:
    """One letter for the cause, which says that the workflow failed by it; its attempt and remedy come along."""
    handle = await standing.fail("activity", item="seven")
    letter = await standing.letter()
    assert (letter.workflow_id, letter.run_id) == (handle.id, handle.first_execution_run_id)
    assert (letter.workflow_type, letter.activity_type, letter.activity_id) == (
        "failing.Failing",
        "failing.refuse",
        "1",
    )
    assert (letter.error_type, letter.attempts, letter.item) == ("InputError", 1, "seven")
    assert letter.message == f"item 'seven' of {handle.id} is no good"
    assert letter.remedy.startswith("correct the input")
    assert letter.details == {"how": "activity"}
    assert (letter.state, letter.ended_workflow, letter.depth, letter.redriven_from) == ("open", True, 0, None)


LETTERS: dict[How, tuple[str, int, str, bool]] = {
    "activity": ("InputError", 1, "failing.refuse", True),
    "exhausted": ("Unavailable", 3, "failing.unavailable", True),
    "timeout": ("TimedOut", 2, "failing.stall", True),
    "local": ("InputError", 1, "failing.refuse", True),
    "wrapped": ("InputError", 1, "failing.refuse", True),
    "itself": ("NoWay", 1, "", True),
    "caught": ("InputError", 1, "failing.refuse", False),
    "again": ("InputError", 1, "failing.refuse", False),
}
"""For each way to fail: the letter's error, its attempts, its activity, and whether the workflow failed by it."""


async def test_there_is_one_letter_however_it_fails(standing: Bed) -> None:
    """Whether a caught failure, an exhausted retry, a timeout or the workflow's own: one cause, one letter."""
    handles = {how: await standing.start(how) for how in LETTERS}
    ends = await asyncio.gather(*(handle.result() for handle in handles.values()), return_exceptions=True)
    failed = [isinstance(end, WorkflowFailureError) for end in ends]
    assert failed == [ended for *_, ended in LETTERS.values()]
    letters = await standing.letters()
    assert len(letters) == len(LETTERS)
    by_workflow = {one.workflow_id: one for one in letters}
    kept = {how: by_workflow[handle.id] for how, handle in handles.items()}
    assert {
        how: (one.error_type, one.attempts, one.activity_type, one.ended_workflow) for how, one in kept.items()
    } == LETTERS


async def test_a_signal_that_cannot_be_handled_has_a_letter(standing: Bed) -> None:
    """A signal's handler that fails ends its workflow."""
    handle = await standing.start("signal")
    await handle.signal(Failing.fail)
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    letter = await standing.letter()
    assert (letter.error_type, letter.activity_id, letter.ended_workflow) == ("BadSignal", "", True)


async def test_a_parent_that_fails_by_its_child_names_it(standing: Bed) -> None:
    """Each of the two failed workflows has a letter, and each names the other."""
    handle = await standing.fail("child")
    child, parent = await standing.letters()
    assert (child.workflow_id, child.parent, child.child) == (f"{handle.id}.child", handle.id, "")
    assert (parent.workflow_id, parent.child, parent.parent) == (handle.id, f"{handle.id}.child", "")
    assert child.error_type == parent.error_type == "NoWay"
    assert child.ended_workflow
    assert parent.ended_workflow


async def test_a_child_whose_failure_is_caught_has_the_only_letter(standing: Bed) -> None:
    """Its parent completed, so it has none."""
    handle = await standing.start("child_caught")
    await handle.result()
    assert (await standing.letter()).workflow_id == f"{handle.id}.child"


async def test_each_item_of_a_batch_has_its_letter(standing: Bed) -> None:
    """Three items fail side by side: three letters of one fingerprint."""
    await (await standing.start("many", item="i")).result()
    letters = await standing.letters()
    assert sorted(one.item for one in letters) == ["i0", "i1", "i2"]
    assert len({one.fingerprint for one in letters}) == 1


async def test_what_does_not_fail_costs_nothing(standing: Bed) -> None:
    """A workflow that completes has not one event more, and one that is cancelled has no letter."""
    handle = await standing.start("completes")
    await handle.result()
    assert len((await handle.fetch_history()).events) == 5
    cancelled = await standing.start("waits")
    await cancelled.cancel()
    with pytest.raises(WorkflowFailureError) as raised:
        await cancelled.result()
    assert isinstance(raised.value.cause, CancelledError)
    assert await standing.letters() == []


async def test_an_activity_that_is_cancelled_has_no_letter(standing: Bed) -> None:
    """Neither has its workflow: it was cancelled while the activity ran."""
    handle = await standing.start("stalls")
    await eventually(partial(_attempts, handle, 1), timeout=20)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert isinstance(raised.value.cause, CancelledError)
    assert await standing.letters() == []


async def _attempts(handle: WorkflowHandle[Any, Any], least: int) -> bool:
    pending = (await handle.describe()).raw_description.pending_activities
    return any(one.attempt >= least and (one.HasField("last_started_time") or least > 1) for one in pending)


async def test_a_letter_that_the_database_refuses_is_tried_until_it_is_kept(
    standing: Bed, connection: asyncpg.Connection
) -> None:
    """Without its table a letter cannot be written: an error that is never retried elsewhere is retried here."""
    await connection.execute("ALTER TABLE dead_letters RENAME TO mislaid")
    handle = await standing.start("itself")
    await eventually(partial(_attempts, handle, 2), timeout=20)
    await connection.execute("ALTER TABLE mislaid RENAME TO dead_letters")
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert (await standing.letter()).error_type == "NoWay"


async def test_a_workflow_that_its_own_policy_runs_again_has_a_letter_for_the_last_run(standing: Bed) -> None:
    """Two runs fail; the first one is not for good."""
    policy = RetryPolicy(maximum_attempts=2, initial_interval=timedelta(milliseconds=10))
    await standing.fail("busy", retry_policy=policy)
    letter = await standing.letter()
    assert (letter.error_type, letter.attempts) == ("Busy", 2)


async def test_a_letter_waits_for_the_database_also_through_a_cancel(
    standing: Bed, connection: asyncpg.Connection
) -> None:
    """While the table is locked the workflow neither closes nor loses its letter; what was its end stays its end."""
    await connection.execute("BEGIN; LOCK TABLE dead_letters IN EXCLUSIVE MODE")
    handle = await standing.start("itself")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    await eventually(lambda: standing.database.fetchval(waiting), timeout=20)
    await handle.cancel()
    await eventually(lambda: _has_event(handle, "workflow_execution_cancel_requested_event_attributes"), timeout=20)
    await connection.execute("ROLLBACK")
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    assert not isinstance(raised.value.cause, CancelledError)
    assert (await standing.letter()).error_type == "NoWay"
    assert await _has_event(handle, "workflow_execution_failed_event_attributes")


async def test_a_pause_is_not_lost_while_a_run_that_goes_on_waits_for_its_letter(
    standing: Bed, connection: asyncpg.Connection
) -> None:
    """It comes before the run has decided to continue as new, which it therefore does only once it is resumed."""
    await connection.execute("BEGIN; LOCK TABLE dead_letters IN EXCLUSIVE MODE")
    order = Order(by="an operator", reason="a look around")
    handle = await standing.client.start_workflow(
        Chained.run,
        Work(how="caught", item="seven"),
        id=f"chained-{standing.task_queue}",
        task_queue=standing.task_queue,
    )
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    await eventually(lambda: standing.database.fetchval(waiting), timeout=20)
    await handle.signal(Chained.pause, order)
    await connection.execute("ROLLBACK")
    await eventually(lambda: standing.database.fetchval("SELECT count(*) FROM dead_letters"), timeout=20)
    await eventually(lambda: _kept(handle), timeout=20)
    first = standing.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
    assert (await first.query(Chained.paused)).paused
    assert (await first.describe()).status is WorkflowExecutionStatus.RUNNING
    await handle.signal(Chained.resume, order)
    assert (await handle.result()).how == "completes"
    assert (await first.describe()).status is WorkflowExecutionStatus.CONTINUED_AS_NEW


async def _kept(handle: WorkflowHandle[Any, Any]) -> bool:
    """Whether the workflow has heard that its letter is kept, and has done with it what it would."""
    events = [event.WhichOneof("attributes") for event in (await handle.fetch_history()).events]
    done = "activity_task_completed_event_attributes"
    return done in events and events[-1] == "workflow_task_completed_event_attributes"


async def _has_event(handle: WorkflowHandle[Any, Any], attributes: str) -> bool:
    history = await handle.fetch_history()
    return any(event.WhichOneof("attributes") == attributes for event in history.events)


async def test_a_letter_and_its_lines_in_the_ledger_are_one_transaction(standing: Bed) -> None:
    """One line for the letter, one that says that the workflow has failed."""
    handle = await standing.fail("itself")
    async with standing.database.acquire() as connection:
        lines = await ledger(connection, handle.id)
        writer = await connection.fetchval("SELECT xmin::text::bigint FROM dead_letters")
    run = handle.first_execution_run_id
    assert [(one.step, one.item) for one in lines] == [("dead_letter", f"{run}/"), ("workflow_failed", run)]
    assert {one.transaction % 2**32 for one in lines} == {writer}


ALL: tuple[How, ...] = (
    "activity",
    "exhausted",
    "timeout",
    "local",
    "wrapped",
    "caught",
    "itself",
    "child",
    "child_caught",
    "again",
    "many",
)


async def test_it_replays_and_survives_having_no_cache(settings: Settings, database: Pool) -> None:
    """Every workflow task begins from the history alone, and the histories replay with the plugin's interceptor."""
    async with bed(settings, database, cached=0) as standing:
        # Without a cache a local activity is lost with its workflow task, which has to time out.
        brief = timedelta(seconds=2)
        handles = [await standing.start(how, id=f"{settings.task_queue}-{how}", task_timeout=brief) for how in ALL]
        for handle in handles:
            await eventually(partial(_closed, handle), timeout=60)
        histories = [
            await standing.client.get_workflow_handle(f"{settings.task_queue}-{how}").fetch_history() for how in ALL
        ]
    replayed = await Replayer(workflows=[Failing], plugins=[SystemPlugin()]).replay_workflows(_each(histories))
    assert replayed.replay_failures == {}
    failed = {
        event.workflow_task_failed_event_attributes.failure.message
        for history in histories
        for event in history.events
        if event.HasField("workflow_task_failed_event_attributes")
    }
    assert failed == set()


async def _closed(handle: WorkflowHandle[Any, Any]) -> bool:
    return bool((await handle.describe()).close_time)


async def _each(histories: Sequence[WorkflowHistory]) -> AsyncIterator[WorkflowHistory]:
    for history in histories:
        yield history
