"""Bulk operations on real servers: previewed, each target once, recorded, resumable."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from controlled_loads import (
    LETTERED_WITH_OUTCOME,
    PATIENCE,
    WHO,
    let_go,
    paused_loads,
    request,
    signals,
    start_bulk,
    start_paused,
    states,
    visible,
)
from running_system import App, Write
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowFailureError, WorkflowHandle

from harness.eventually import eventually
from scenarios.held import started_while_paused
from system.control import rules
from system.control.models import BulkReport, Cancel, Pause, Resume, Signal, Terminate
from system.control.pausable import Order
from system.control.preview import preview
from system.control.workflow import Bulk
from system.errors import ControlRefused
from system.pipeline.schema import Schema


@pytest.fixture(autouse=True)
async def nothing_stays_paused(app: App) -> AsyncIterator[None]:
    yield
    await let_go(app)


async def test_what_is_paused_is_found_resumed_and_completes(app: App, write: Write, people: Schema) -> None:
    """Every target got one signal, one outcome and one line in the ledger; who and why are recorded."""
    query, loads = await paused_loads(app, write, people, 5)
    operation = await start_bulk(app, query, Resume())
    report = await operation.result()
    assert (report.state, report.targets, report.counts.done) == ("done", 5, 5)
    for load in loads:
        assert (await load.result()).rows_loaded == 2
        assert await signals(load) == ["control.pause", "control.resume"]
    row = await app.database.fetchrow("SELECT * FROM control_operations WHERE name = $1", operation.id)
    assert row is not None
    assert (row["ordered_by"], row["reason"], row["state"], row["query"]) == ("ann", "a test", "done", query)
    assert row["closed_at"] > row["started_at"]
    steps = await app.database.fetch(
        "SELECT step, count(*), count(DISTINCT item) FROM effects WHERE workflow_id = $1 GROUP BY step ORDER BY step",
        operation.id,
    )
    assert [tuple(one) for one in steps] == [("act", 5, 5), ("close_operation", 1, 1), ("list_targets", 1, 1)]


async def test_what_is_terminated_has_its_letter_in_the_transaction_of_its_outcome(
    app: App, write: Write, people: Schema
) -> None:
    """Nobody has to wait for the digest: who wanted it and why is in the letter."""
    query, loads = await paused_loads(app, write, people, 3)
    operation = await start_bulk(app, query, Terminate())
    assert (await operation.result()).counts.done == 3
    letters = await app.database.fetch(LETTERED_WITH_OUTCOME)
    assert {row["workflow_id"] for row in letters} == {load.id for load in loads}
    assert {(row["message"], row["details"]) for row in letters} == {
        ("terminated: a test", f'{{"by": "ann ({operation.id})"}}')
    }


async def test_what_has_ended_is_skipped(app: App, write: Write, people: Schema) -> None:
    """A workflow that completed since is no error: its outcome says so."""
    query, loads = await paused_loads(app, write, people, 3)
    await loads[0].terminate()
    operation = await start_bulk(app, query, Cancel())
    report = await operation.result()
    assert (report.counts.done, report.counts.skipped, report.counts.failed) == (2, 1, 0)
    skipped = await app.database.fetchrow("SELECT * FROM control_outcomes WHERE state = 'skipped'")
    assert skipped is not None
    assert (skipped["workflow_id"], skipped["message"]) == (loads[0].id, "already terminated")


async def test_a_query_that_has_grown_since_its_preview_is_refused(app: App, write: Write, people: Schema) -> None:
    """Two were seen, three are there: nothing is done, and the message says what to do."""
    query, loads = await paused_loads(app, write, people, 3)
    token = (await preview(app.client, Terminate(), f"{query} AND WorkflowId != '{loads[0].id}'")).token
    smaller = rules.token(query, Terminate(), 2)
    for options, says in (
        ({"token": token}, "made for another query or action"),
        ({"token": smaller}, "finds 3 workflows, and 2 are allowed"),
        ({"token": smaller}, "preview again, and use the new token"),
        ({"token": ""}, "preview first"),
    ):
        operation = await start_bulk(app, query, Terminate(), **options)
        report = await operation.result()
        assert report.state == "refused"
        assert says in report.message
        assert await states(app, operation.id) == {}
    assert await app.database.fetchval("SELECT count(*) FROM control_operations WHERE state = 'refused'") == 4
    assert {(await load.describe()).status.name for load in loads} == {"RUNNING"}  # type: ignore[union-attr]  # known


async def test_a_query_that_is_empty_or_wrong_is_refused(app: App) -> None:
    """An empty one would mean everything; one that Temporal does not understand is quoted, with its own words."""
    for query, says in (
        ("", "ask for everything explicitly"),
        ("WorkflowId LIKE 'x", 'does not understand the query "WorkflowId LIKE \'x"'),
        ("Nonsense = 3", "Nonsense"),
    ):
        with pytest.raises(ControlRefused) as refused:
            await preview(app.client, Pause(), query)
        assert says in str(refused.value)
        operation = await app.client.start_workflow(
            Bulk.run,
            request(query, Pause(), token=rules.token(query, Pause(), 5)),
            id=f"refused-{app.settings.task_queue}-{len(query)}",
            task_queue=app.settings.task_queue,
        )
        report = await operation.result()
        assert report.state == "refused"
        assert says in report.message


async def test_what_appears_later_is_not_acted_on(app: App, write: Write, people: Schema) -> None:
    """Targets are listed once: a workflow that the query would find afterwards stays as it is."""
    query, loads = await paused_loads(app, write, people, 2)
    operation = await start_bulk(app, query, Signal(name="x"), rate=0.5)
    await eventually(lambda: states(app, operation.id), timeout=PATIENCE)
    late = await start_paused(app, write(b"name,age\n"), people, loads[0].id + "-late")
    await visible(app, query, 3)
    report = await operation.result()
    assert report.targets == 2
    assert await signals(late) == ["control.pause"]


async def test_two_operations_over_the_same_targets(app: App, write: Write, people: Schema) -> None:
    """Each has its own outcome for every target, and each target gets the signal of both, once."""
    query, loads = await paused_loads(app, write, people, 12)
    both = [await start_bulk(app, query, Signal(name="twice"), rate=6) for _ in range(2)]
    for report in await asyncio.gather(*(one.result() for one in both)):
        assert (report.counts.done, report.targets) == (12, 12)
    for load in loads:
        assert await signals(load) == ["control.pause", "twice", "twice"]


async def test_two_operations_of_which_one_makes_the_other_pointless(app: App, write: Write, people: Schema) -> None:
    """Terminated by both, each target is terminated once: the other operation finds that it was already."""
    query, _ = await paused_loads(app, write, people, 12)
    both = [await start_bulk(app, query, Terminate(), rate=6) for _ in range(2)]
    reports = await asyncio.gather(*(one.result() for one in both))
    assert sum(report.counts.done for report in reports) == 12
    assert sum(report.counts.skipped for report in reports) == 12


async def test_a_paused_operation_does_nothing_and_goes_on(app: App, write: Write, people: Schema) -> None:
    """It is paused like any workflow, and its progress says so."""
    query, loads = await paused_loads(app, write, people, 4)
    operation = await start_bulk(app, query, Signal(name="x"), rate=1)
    await eventually(lambda: any_done(app, operation.id), timeout=PATIENCE)
    await operation.signal(Bulk.pause, Order(**WHO))

    async def paused() -> bool:
        return (await operation.query(Bulk.progress)).paused

    await eventually(paused, timeout=PATIENCE)
    await eventually(lambda: waited_through(operation), timeout=PATIENCE)
    progress = await operation.query(Bulk.progress)
    assert (progress.paused, progress.state, progress.targets) == (True, "running", 4)
    assert 0 < progress.done < 4
    await operation.signal(Bulk.resume, Order(**WHO))
    assert (await operation.result()).counts.done == 4
    assert [await signals(load) for load in loads] == [["control.pause", "x"]] * 4
    history = await operation.fetch_history()
    assert started_while_paused(history.events) == (0, 1)


async def test_a_cancelled_operation_leaves_the_rest_alone(app: App, write: Write, people: Schema) -> None:
    """What it had begun is recorded, what it had not is cancelled, and nothing is left pending."""
    query, loads = await paused_loads(app, write, people, 6)
    operation = await start_bulk(app, query, Signal(name="x"), rate=1)
    await eventually(lambda: any_done(app, operation.id), timeout=PATIENCE)
    await operation.cancel()
    with pytest.raises(WorkflowFailureError):
        await operation.result()
    found = await states(app, operation.id)
    assert set(found) == {"done", "cancelled"}
    assert sum(found.values()) == 6
    assert sum([len(await signals(load)) - 1 for load in loads]) == found["done"]
    row = await app.database.fetchrow("SELECT * FROM control_operations WHERE name = $1", operation.id)
    assert row is not None
    assert row["state"] == "cancelled"


async def any_done(app: App, operation: str) -> bool:
    return (await states(app, operation)).get("done", 0) > 0


async def waited_through(operation: WorkflowHandle[Bulk, BulkReport]) -> bool:
    """The wait that it was in when it was paused is over, and it has made up its mind what to do next."""
    kinds = [event.event_type async for event in operation.fetch_history_events()]
    after = kinds[kinds.index(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED) :]
    fired = EventType.EVENT_TYPE_TIMER_FIRED
    return fired in after and EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED in after[after.index(fired) :]
