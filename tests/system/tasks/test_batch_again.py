"""A batch whose run was taken from it: terminated and started again, or reset; and one that fails. On real servers."""

import secrets
from collections import Counter
from collections.abc import Iterator

import pytest
from batches import Gate, Handle, checksum, gated, posting, start, states
from running_system import App
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from harness.eventually import eventually
from system.storage.effects import ledger
from system.tasks.handlers import REGISTRY
from system.tasks.models import BatchReport, Item
from system.tasks.workflow import Batch

POSTED = "SELECT count(*) FROM task_entries"


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate()
    monkeypatch.setitem(REGISTRY.handlers, "test.gate", made.handler)
    yield made
    made.open.set()


def half_gated(priority: int = 1) -> list[Item]:
    """One waits for the gate, by its priority first or last; the others do not: four are done, one fails."""
    others = [posting(f"k{number}") for number in range(4)]
    return [
        gated("gated", attempts=1, priority=priority),
        *others,
        posting("bad", 0),
        checksum("behind", needs=("bad",)),
    ]


async def until_half(app: App, handle: Handle, gate: Gate) -> None:
    """Wait until all that does not need the gate has ended, and the gated item has it."""

    async def half() -> bool:
        found = await states(app, handle)
        return gate.began == ["gated"] and sorted(found.values()) == [*["done"] * 4, "failed", "running", "skipped"]

    await eventually(half, timeout=20)


async def whole(app: App, handle: WorkflowHandle[Batch, BatchReport], *, gated: str = "done") -> None:
    """The batch ends with its report, and each of its items has one effect."""
    report = await handle.result()
    ends = {"gated": gated, **{f"k{number}": "done" for number in range(4)}, "bad": "failed", "behind": "skipped"}
    assert await states(app, handle) == ends
    counts = Counter(ends.values())
    told = await handle.query(Batch.progress)
    for seen in (report, told):
        assert (seen.done, seen.failed, seen.skipped) == (counts["done"], counts["failed"], 1)
    assert (told.waiting, told.running) == (0, 0)
    async with app.database.acquire() as connection:
        effects = await ledger(connection, handle.id)
    steps = sorted((effect.item, effect.step) for effect in effects if effect.step in ("run", "settle"))
    assert steps == sorted((key, "run" if end == "done" else "settle") for key, end in ends.items())
    assert await app.database.fetchval(POSTED) == 4


async def test_a_terminated_batch_goes_on_when_it_is_started_again(app: App, gate: Gate) -> None:
    """Under its id: what is done stays done, and what nobody runs any more is run."""
    handle = await start(app, half_gated(), concurrency=2)
    await until_half(app, handle, gate)
    await handle.terminate("a test")
    again = await start(app, half_gated(), id=handle.id, concurrency=2)
    await eventually(lambda: gate.began == ["gated"] * 2, timeout=20)
    gate.open.set()
    await whole(app, again)


@pytest.mark.parametrize("then", ["done", "failed"])
@pytest.mark.parametrize(("priority", "takes"), [(1, 1), (1, 2), (5, 1)])
async def test_a_batch_that_is_reset_does_nothing_twice(
    app: App, gate: Gate, priority: int, takes: int, then: str
) -> None:
    """The new run has in hand what the old one had at that moment, and takes what the old one has taken since."""
    handle = await start(app, half_gated(priority), concurrency=2)
    await until_half(app, handle, gate)
    gate.failures = int(then == "failed")
    await reset(app, handle, after_takes=takes)
    await eventually(lambda: gate.began == ["gated"] * 2, timeout=20)
    if then == "done":
        gate.open.set()
    await whole(app, app.client.get_workflow_handle_for(Batch.run, handle.id), gated=then)


async def reset(app: App, handle: Handle, *, after_takes: int) -> None:
    """Run the workflow on from the workflow task that got the result of this take."""
    taken: set[int] = set()
    ended = 0
    async for event in handle.fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            if event.activity_task_scheduled_event_attributes.activity_type.name == "tasks.take":
                taken.add(event.event_id)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
            ended += event.activity_task_completed_event_attributes.scheduled_event_id in taken
        elif event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED and ended == after_takes:
            break
    assert ended == after_takes
    await app.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=app.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.first_execution_run_id or ""),
            reason="a test",
            workflow_task_finish_event_id=event.event_id,
            request_id=secrets.token_hex(8),
        )
    )


async def test_a_batch_that_does_not_add_up_fails_and_is_closed(app: App, gate: Gate) -> None:
    """Its row says so, nothing of it waits any more, and it is not begun anew."""
    handle = await start(app, [posting("gone"), gated("gated")])
    await eventually(lambda: gate.began, timeout=20)

    async def lost() -> bool:
        return await app.database.execute("DELETE FROM task_items WHERE key = 'gone' AND state = 'done'") == "DELETE 1"

    await eventually(lost, timeout=20)
    gate.open.set()
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    told = await handle.query(Batch.progress)
    assert (told.state, told.done, told.failed, told.running) == ("failed", 1, 0, 0)
    closed = await app.database.fetchrow("SELECT state, closed_at IS NOT NULL FROM task_batches")
    assert tuple(closed or ()) == ("failed", True)
    letter = await app.database.fetchrow(
        "SELECT error_type, details ->> 'wrong' FROM dead_letters WHERE ended_workflow"
    )
    assert letter is not None
    assert letter[0] == "ReconciliationFailed"
    assert "2 items went in; 1 done" in letter[1]
    with pytest.raises(WorkflowFailureError) as refused:
        await (await start(app, [posting("gone"), gated("gated")], id=handle.id)).result()
    assert "ended as failed" in str(refused.value.cause.__cause__)
