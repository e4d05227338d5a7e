"""A batch that is paused, cancelled, handed from run to run, and told what it must refuse, on real servers."""

from collections.abc import Iterator
from typing import Any

import pytest
from batches import Gate, Handle, checksum, gated, posting, reasons, start, states
from running_system import App
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError, CancelledError

from harness.eventually import eventually
from system.control.pausable import PAUSE, Order
from system.storage.effects import ledger
from system.tasks import rules
from system.tasks.handlers import REGISTRY
from system.tasks.models import (
    CANCEL_ALL,
    CANCEL_ITEM,
    MOST_INLINE,
    BatchRequest,
    CancelAllRequest,
    CancelRequest,
    Item,
    WasCancelled,
)
from system.tasks.submission import submit
from system.tasks.workflow import Batch

OPERATOR = Order(by="an operator", reason="a test")


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    made = Gate()
    monkeypatch.setitem(REGISTRY.handlers, "test.gate", made.handler)
    yield made
    made.open.set()


def cancelling(key: str) -> CancelRequest:
    return CancelRequest(item=key, by="ann", reason="not needed")


async def failure_of(handle: Handle) -> BaseException:
    with pytest.raises(WorkflowFailureError) as raised:
        await handle.result()
    cause: BaseException = raised.value.cause
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return cause


async def settled_once(app: App, handle: Handle) -> None:
    """Every item has one effect in the ledger: of its being done, or of its having ended otherwise."""
    async with app.database.acquire() as connection:
        effects = await ledger(connection, handle.id)
    ended = {key: "run" if state == "done" else "settle" for key, state in (await states(app, handle)).items()}
    told = sorted((effect.item, effect.step) for effect in effects if effect.step in ("run", "settle"))
    assert told == sorted(ended.items())


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ([checksum("a", needs=("b",)), checksum("b", needs=("a",))], "in a circle: 'a' → 'b' → 'a'"),
        ([checksum("a", needs=("z",))], "item 'a' needs 'z'"),
        ([checksum("a"), checksum("a")], "two items have the key 'a'"),
        ([Item(key="a", handler="text.sing")], "item 'a': there is no handler 'text.sing'"),
        ([Item(key="a", handler="text.checksum", input={"txt": "x"})], "item 'a': text.checksum does not take"),
        ([], "no batch was submitted as"),
    ],
)
async def test_a_batch_that_will_not_do_is_refused_whole(app: App, items: list[Item], says: str) -> None:
    """The item is named, and nothing is stored."""
    failure = await failure_of(await start(app, items))
    assert isinstance(failure, ApplicationError)
    assert failure.type == "BatchRefused"
    assert says in failure.message
    assert await app.database.fetchval("SELECT count(*) FROM task_batches") == 0


async def test_nothing_begins_while_it_is_paused(app: App, gate: Gate) -> None:
    """What runs ends; what was taken to run next waits until it is resumed."""
    handle = await start(app, [gated("a"), gated("b"), gated("c", waits=False), gated("d", waits=False)], concurrency=2)

    async def next_are_taken() -> bool:
        return (await handle.query(Batch.progress)).running == 4

    await eventually(next_are_taken, timeout=20)
    await handle.signal(PAUSE, OPERATOR)
    gate.open.set()

    async def two_are_done() -> bool:
        progress = await handle.query(Batch.progress)
        return (progress.done, progress.paused) == (2, True)

    await eventually(two_are_done, timeout=20)
    assert sorted(gate.began) == ["a", "b"]
    await handle.signal(Batch.resume, OPERATOR)
    assert (await handle.result()).done == 4
    assert sorted(gate.began) == ["a", "b", "c", "d"]


async def test_one_item_is_cancelled_wherever_it_is(app: App, gate: Gate) -> None:
    """One that runs is stopped; one that waits never begins, and takes along what needs it; the others go on."""
    items = [
        gated("running"),
        gated("taken"),
        gated("waiting", needs=("running",)),
        gated("behind", needs=("waiting",)),
    ]
    handle = await start(app, [*items, gated("free")], concurrency=2)
    await eventually(lambda: len(gate.began) == 2, timeout=20)
    request = cancelling("waiting")
    was = await handle.execute_update(CANCEL_ITEM, request, result_type=WasCancelled)
    assert (was.state, was.skipped) == ("waiting", 1)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update(CANCEL_ITEM, request, result_type=WasCancelled)
    assert "'waiting' has ended already" in str(refused.value.cause)
    progress = await handle.query(Batch.progress)
    assert (progress.cancelled, progress.skipped) == (1, 1)
    for key in ("free", "running"):
        was = await handle.execute_update(CANCEL_ITEM, cancelling(key), result_type=WasCancelled)
        assert was.state == "running"

    async def cancelled() -> bool:
        return (await handle.query(Batch.progress)).cancelled == 3

    await eventually(cancelled, timeout=20)
    gate.open.set()
    report = await handle.result()
    assert (report.done, report.cancelled, report.skipped) == (1, 3, 1)
    assert (await states(app, handle))["taken"] == "done"
    assert await reasons(app, handle) == {
        "running": "cancelled by ann: not needed",
        "free": "cancelled by ann: not needed",
        "waiting": "cancelled by ann: not needed",
        "behind": "it needs waiting, which was cancelled",
    }
    await settled_once(app, handle)


async def test_an_item_that_is_unknown_or_has_ended_cannot_be_cancelled(app: App, gate: Gate) -> None:
    """The update is refused and says why; the batch is not disturbed."""
    handle = await start(app, [gated("done", waits=False), gated("open")])

    async def one_is_done() -> bool:
        return (await handle.query(Batch.progress)).done == 1

    await eventually(one_is_done, timeout=20)
    for key, says in (("done", "'done' has ended already"), ("none", "the batch has no item 'none'")):
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update(CANCEL_ITEM, cancelling(key), result_type=WasCancelled)
        assert says in str(refused.value.cause)
    gate.open.set()
    assert (await handle.result()).done == 2


async def test_a_batch_that_is_not_open_yet_refuses_to_cancel(app: App) -> None:
    """The validator refuses: nothing of it gets into the history."""
    handle = await app.client.start_workflow(
        Batch.run,
        BatchRequest(items=(checksum("a"),)),
        id=f"paused-{app.settings.task_queue}",
        task_queue=app.settings.task_queue,
        start_signal=PAUSE,
        start_signal_args=[OPERATOR],
    )
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update(CANCEL_ALL, CancelAllRequest(by="ann", reason="not needed"))
    assert "nothing can be cancelled: the batch is opening" in str(refused.value.cause)
    await handle.cancel()
    assert isinstance(await failure_of(handle), CancelledError)
    assert await app.database.fetchval("SELECT count(*) FROM task_batches") == 0


@pytest.mark.parametrize("by", ["update", "temporal"])
async def test_all_that_has_not_ended_is_cancelled(app: App, gate: Gate, by: str) -> None:
    """Done stays done. By its update the batch completes with a report, by Temporal it is cancelled; closed in both."""
    items = [gated("done", waits=False), *(gated(f"open-{number}") for number in range(6))]
    handle = await start(app, items, concurrency=3)
    await eventually(lambda: len(gate.began) == 4, timeout=20)
    if by == "update":
        await handle.execute_update(CANCEL_ALL, CancelAllRequest(by="ann", reason="not needed"))
        report = await handle.result()
        assert (report.items, report.done, report.cancelled) == (7, 1, 6)
    else:
        await handle.cancel()
        assert isinstance(await failure_of(handle), CancelledError)
    found = await states(app, handle)
    assert found.pop("done") == "done"
    assert set(found.values()) == {"cancelled"}
    closed = await app.database.fetchval("SELECT state FROM task_batches WHERE workflow_id = $1", handle.id)
    assert closed == ("done" if by == "update" else "cancelled")
    await settled_once(app, handle)


async def test_a_cancelled_batch_is_not_begun_anew(app: App, gate: Gate) -> None:
    """Under the same id it is refused: its items have ended."""
    handle = await start(app, [gated("a")])
    await eventually(lambda: gate.began, timeout=20)
    await handle.cancel()
    await failure_of(handle)
    again = await start(app, [gated("a")], id=handle.id)
    failure = await failure_of(again)
    assert "ended as cancelled: submit its items under a new id" in str(failure)


async def test_a_full_history_is_continued_and_nothing_is_lost(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many short runs; items that fail, counts and the order of needs go over from one to the next."""
    monkeypatch.setattr(rules, "FULL_HISTORY", 60)
    items: list[Any] = [
        posting(f"k{number}", number % 10, needs=(f"k{number - 1}",) if number % 7 == 6 else ()) for number in range(80)
    ]
    handle = await start(app, items, concurrency=4)
    report = await handle.result()
    assert (report.items, report.failed) == (80, 8)
    assert report.done + report.skipped == 72
    seen = await handle.query(Batch.progress)
    assert (seen.state, seen.done, seen.failed, seen.skipped) == ("done", report.done, report.failed, report.skipped)
    assert (seen.waiting, seen.running) == (0, 0)

    async def runs() -> list[int]:
        listed = app.client.list_workflows(f"WorkflowId = '{handle.id}' AND ExecutionStatus != 'Running'")
        lengths = [one.history_length async for one in listed]
        return lengths if len(lengths) > 3 else []

    assert max(await eventually(runs, timeout=20)) < 200
    await settled_once(app, handle)


async def test_equal_content_is_computed_once_across_batches(app: App) -> None:
    """What is pure takes the result that an earlier batch left; what is not runs again."""
    items = [checksum("a", "the same"), posting("p")]
    first = await (await start(app, items)).result()
    handle = await start(app, items)
    second = await handle.result()
    assert (first.cached, second.cached) == (0, 1)
    outputs = await app.database.fetch("SELECT output::text FROM task_items WHERE key = 'a'")
    assert len(outputs) == 2
    assert len({row["output"] for row in outputs}) == 1
    assert await app.database.fetchval("SELECT count(*) FROM task_entries") == 2


@pytest.mark.parametrize(
    "count", [50, pytest.param(MOST_INLINE + 1, id="more than a request holds", marks=pytest.mark.thorough)]
)
async def test_items_submitted_beforehand_are_run_once(app: App, count: int) -> None:
    """Submitted and started again under the same id, nothing happens twice."""
    items = [posting(f"k{number}") for number in range(count)]
    async with app.database.acquire() as connection:
        batch = await submit(connection, "beforehand", items, REGISTRY)
        assert await submit(connection, "beforehand", items, REGISTRY) == batch
        with pytest.raises(Exception, match="has other items already"):
            await submit(connection, "beforehand", items[1:], REGISTRY)
    first = await (await start(app, id="beforehand", concurrency=64)).result()
    again = await (await start(app, id="beforehand", concurrency=64)).result()
    assert first == again
    assert first.done == count
    assert await app.database.fetchval("SELECT count(*) FROM task_entries") == count
