"""The purge, on real servers: what is old goes, what anybody may need stays."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from explain import explained, explained_call
from hypothesis import given
from hypothesis import strategies as st
from running_system import App
from temporalio.client import (
    Client,
    Interceptor,
    ListWorkflowsInput,
    OutboundInterceptor,
    WorkflowExecutionAsyncIterator,
    WorkflowHandle,
)
from temporalio.worker import Worker

from harness.eventually import eventually
from system.connection import connect
from system.control.pausable import Order
from system.scheduling import retention
from system.scheduling.activities import SchedulingActivities
from system.scheduling.models import PurgeRequest, Run, WarmRequest
from system.scheduling.store import note_held
from system.scheduling.workflow import Purge, WarmCache
from system.settings import Settings
from system.storage.pool import Connection, Pool
from system.tasks.handlers import REGISTRY
from system.tasks.models import BatchRequest, Item
from system.tasks.submission import submit
from system.tasks.workflow import Batch
from system.tuning import deployment

LONG_AGO = timedelta(days=90)
PAST = datetime.now(UTC) - LONG_AGO
AGED = {
    "effects": "committed_at",
    "claims": "claimed_at",
    "task_batches": "closed_at",
    "task_results": "created_at",
    "loads": "closed_at",
    "dead_letters": "recorded_at",
    "maintenance_runs": "recorded_at",
    "maintenance_counts": "counted_at",
    "payloads": "last_stored_at",
}


async def purge(app: App, **more: Any) -> Run:
    return await app.client.execute_workflow(
        Purge.run,
        PurgeRequest(keep_days=30, **more),
        id=f"purge-{secrets.token_hex(6)}",
        task_queue=app.settings.task_queue,
    )


async def age(app: App) -> None:
    """Make everything there is 90 days older."""
    for table, column in AGED.items():
        await app.database.execute(f"UPDATE {table} SET {column} = {column} - $1::interval", LONG_AGO)


async def count(app: App, table: str) -> int:
    return int(await app.database.fetchval(f"SELECT count(*) FROM {table}"))


async def forgotten_batch(app: App, items: int) -> str:
    """A batch that is done, and of whose workflow Temporal knows nothing any more."""
    batch_id = f"batch-{secrets.token_hex(6)}"
    tasks = [
        Item(key=f"k{n}", handler="text.checksum", input={"text": "t"}, needs=("k0",) if n else ())
        for n in range(items)
    ]
    async with app.database.acquire() as connection:
        await submit(connection, batch_id, tasks, REGISTRY)
        await connection.execute("UPDATE task_batches SET state = 'done', closed_at = now()")
        for table in (
            "effects (workflow_id, step, item, kind, run_id, attempt)",
            "claims (workflow_id, step, item, state)",
        ):
            more = ", 'forward', 'r', 1" if "effects" in table else ", 'done'"
            await connection.execute(f"INSERT INTO {table} SELECT $1, 'run', key{more} FROM task_items", batch_id)
        await connection.execute(
            "INSERT INTO task_results (key, handler, output) SELECT sha256(key::bytea), handler, '1' FROM task_items"
        )
    return batch_id


async def test_what_is_old_goes_and_is_counted(app: App) -> None:
    """A batch that closed long ago, and that Temporal has forgotten, leaves nothing; smaller batches than rows do."""
    await forgotten_batch(app, items=5)
    await age(app)
    run = await purge(app, batch=2)
    assert run.counts["task_items"] == run.counts["task_results"] == 5
    assert run.counts["task_batches"] == 1
    assert run.counts["task_needs"] == 4
    assert run.counts["effects"] == run.counts["claims"] == 5
    for table in ("task_items", "task_needs", "task_batches", "task_results"):
        assert await count(app, table) == 0
    row = await app.database.fetchrow("SELECT kind, scheduled_for, counts::text FROM maintenance_runs")
    assert row is not None
    assert (row["kind"], row["scheduled_for"]) == ("purge", None)
    assert '"task_items": 5' in row["counts"]


async def test_what_is_young_stays(app: App) -> None:
    """Nothing that is younger than it has to be kept."""
    await forgotten_batch(app, items=3)
    run = await purge(app)
    assert {table: deleted for table, deleted in run.counts.items() if deleted} == {}
    assert await count(app, "task_items") == 3


async def test_rows_of_an_open_workflow_stay(app: App) -> None:
    """A batch that was paused for months, with claims and effects older than the limit, goes on as if nothing was."""
    handle = await app.client.start_workflow(
        Batch.run,
        BatchRequest(
            items=tuple(
                Item(key=f"k{n}", handler="account.post", input={"account": "a", "amount": 1}) for n in range(4)
            ),
            concurrency=1,
        ),
        id=f"batch-{secrets.token_hex(6)}",
        task_queue=app.settings.task_queue,
    )
    await handle.signal(Batch.pause, Order(by="me", reason="for months"))
    await eventually(lambda: _listed(app, handle.id), timeout=60)
    await app.database.execute("UPDATE task_batches SET submitted_at = submitted_at - $1::interval", LONG_AGO)
    await age(app)
    before = {table: await count(app, table) for table in ("task_items", "effects", "claims")}
    run = await purge(app)
    assert {run.counts[table] for table in before} == {0}
    await handle.signal(Batch.resume, Order(by="me", reason="go on"))
    assert (await handle.result()).done == 4


async def test_rows_of_a_closed_workflow_that_temporal_still_has_stay(app: App) -> None:
    """It can be reset: then it needs its claims, and its items."""
    handle = await app.client.start_workflow(
        WarmCache.run, WarmRequest(), id=f"warm-{secrets.token_hex(6)}", task_queue=app.settings.task_queue
    )
    await handle.result()
    await eventually(lambda: _listed(app, handle.id), timeout=60)
    # Time cannot be turned back on the server, so the limit is put behind the workflow's start instead.
    query = retention.held_by(datetime.now(UTC) + timedelta(days=1))
    assert handle.id in [one.id async for one in app.client.list_workflows(query)]


async def _listed(app: App, workflow_id: str) -> bool:
    return bool([one async for one in app.client.list_workflows(f"WorkflowId = '{workflow_id}'")])


class Listing(Interceptor):
    """Counts how often Temporal is asked for a list of workflows."""

    def __init__(self) -> None:
        self.queries: list[str | None] = []

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 the SDK's name
        return _Counted(next, self.queries)


class _Counted(OutboundInterceptor):
    def __init__(self, inner: OutboundInterceptor, queries: list[str | None]) -> None:
        super().__init__(inner)
        self._queries = queries

    def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:  # noqa: A002 the SDK's name
        self._queries.append(input.query)
        return super().list_workflows(input)


async def test_temporal_is_asked_once_a_purge(settings: Settings, database: Pool) -> None:
    """Whose rows stay is listed once, for however many rules, batches and rows."""
    client, listing = await connect(settings), Listing()
    asking = Client(client.service_client, namespace=client.namespace, interceptors=[listing])
    app = App(client, settings, database)
    await forgotten_batch(app, items=5)
    await age(app)
    async with Worker(
        client,
        task_queue=settings.task_queue,
        activities=SchedulingActivities(database, asking, {}).all,
        deployment_config=deployment(settings),
    ):
        run = await purge(app, batch=2)
    assert (run.counts["task_items"], len(run.counts)) == (5, len(retention.NAMES))
    assert len(listing.queries) == 1


async def test_rejects_go_with_their_load_and_the_load_stays(app: App) -> None:
    """What a dataset holds is known by its loads; why rows were rejected is not kept for ever."""
    load = "INSERT INTO loads (workflow_id, state, closed_at) VALUES ($1, $2, $3) RETURNING id"
    closed = await app.database.fetchval(load, "load-old", "reconciled", PAST)
    still_open = await app.database.fetchval(load, "load-open", "open", None)
    for load_id in (closed, still_open):
        await app.database.execute("INSERT INTO rejects VALUES ($1, 1, 'f', 1, 'r', '')", load_id)
    run = await purge(app)
    assert run.counts["rejects"] == 1
    assert await app.database.fetchval("SELECT load_id FROM rejects") == still_open
    assert await count(app, "loads") == 2


async def test_a_letter_goes_only_when_nothing_came_of_it_that_is_open(app: App) -> None:
    """Resolved and discarded ones go; open and redriven ones stay, with those they came of."""
    resolved = await _letter(app, "resolved")
    parent = await _letter(app, "discarded")
    child = await _letter(app, "open", of=parent)
    redriven = await _letter(app, "redriven")
    run = await purge(app)
    assert run.counts["dead_letters"] == 1
    left = {row["id"] for row in await app.database.fetch("SELECT id FROM dead_letters")}
    assert left == {parent, child, redriven}
    assert resolved not in left


async def test_a_batch_with_an_open_letter_stays(app: App) -> None:
    """What failed may be redriven, however late; once its letter is settled, the batch goes too."""
    batch_id = await forgotten_batch(app, items=2)
    await age(app)
    letter = await _letter(app, "open", workflow_id=batch_id)
    held = await purge(app)
    assert [held.counts[table] for table in ("task_items", "task_batches", "claims", "effects")] == [0, 0, 0, 0]
    await app.database.execute("UPDATE dead_letters SET state = 'resolved' WHERE id = $1", letter)
    assert (await purge(app)).counts["task_items"] == 2


async def _letter(app: App, state: str, of: int | None = None, workflow_id: str | None = None) -> int:
    return int(
        await app.database.fetchval(
            """
            INSERT INTO dead_letters (workflow_id, run_id, activity_id, workflow_type, activity_type, item, error_type,
                message, remedy, details, ended_workflow, child, parent, fingerprint, state, redriven_from, failed_at,
                recorded_at)
            VALUES ($1, 'r', '', 't', '', '', 'e', 'm', '', '{}', true, '', '', 'f', $2, $3, $4, $4) RETURNING id
            """,
            workflow_id or f"letter-{secrets.token_hex(6)}",
            state,
            of,
            PAST,
        )
    )


async def test_payloads_go_unless_somebody_began_before_them(app: App) -> None:
    """A payload that nobody stored again for longer than it is kept."""
    for size, age_ in ((1, timedelta(days=200)), (2, timedelta(days=1))):
        await app.database.execute(
            "INSERT INTO payloads (sha256, content, last_stored_at) VALUES ($1, $2, now() - $3::interval)",
            bytes([size]) * 32,
            b"x",
            age_,
        )
    assert (await purge(app)).counts["payloads"] == 1
    assert await app.database.fetchval("SELECT sha256 FROM payloads") == bytes([2]) * 32


@given(st.none() | st.integers(-10_000, 10_000).map(lambda days: PAST + timedelta(days=days)))
def test_payloads_outlive_the_oldest_that_temporal_still_has(oldest: datetime | None) -> None:
    """Whatever was stored for a workflow that Temporal has is younger than the limit."""
    limit = retention.payload_limit(PAST, oldest)
    assert limit <= PAST
    assert oldest is None or limit < oldest


def test_every_rule_is_of_a_table_that_is_told_about() -> None:
    """The docstring says of each table why its rows may go."""
    told = str(retention.__doc__)
    assert [name for name in retention.NAMES if name not in told] == []


def test_a_rule_that_this_version_has_no_more_deletes_nothing() -> None:
    """A purge that a version before has planned goes on."""
    assert retention.rule_of("a table of before") is None
    assert retention.rule_of("effects") is not None


FILLED = """
    INSERT INTO effects (workflow_id, step, item, kind, run_id, attempt, committed_at)
    SELECT 'w' || n, 's', '', 'forward', 'r', 1, now() - n * interval '4 minutes' FROM generate_series(1, 5000) n;
    INSERT INTO claims (workflow_id, step, item, state, claimed_at)
    SELECT 'w' || n, 's', '', 'done', now() - n * interval '4 minutes' FROM generate_series(1, 5000) n;
    INSERT INTO task_batches (workflow_id, digest, items, state, closed_at)
    SELECT 'w' || n, '', 5, 'done', now() - n * interval '10 minutes' FROM generate_series(1, 2000) n;
    INSERT INTO task_items (batch_id, number, key, handler, input, priority, weight, turn, pending)
    SELECT batch.id, n, 'k' || n, 'h', '{}', 3, 1, n, 0 FROM task_batches AS batch, generate_series(1, 30) n;
    INSERT INTO task_needs SELECT batch.id, n, n + 1 FROM task_batches AS batch, generate_series(1, 20) n;
    INSERT INTO task_results (key, handler, output, created_at)
    SELECT sha256(n::text::bytea), 'h', '1', now() - n * interval '4 minutes' FROM generate_series(1, 5000) n;
    INSERT INTO loads (workflow_id, state, closed_at)
    SELECT 'w' || n, 'reconciled', now() - n * interval '10 minutes' FROM generate_series(1, 2000) n;
    INSERT INTO rejects SELECT load.id, 1, 'f', n, 'r', '' FROM loads AS load, generate_series(1, 30) n;
    INSERT INTO dead_letters (workflow_id, run_id, activity_id, workflow_type, activity_type, item, error_type,
        message, remedy, details, ended_workflow, child, parent, fingerprint, state, failed_at, recorded_at)
    SELECT 'w' || n, 'r', '', 't', '', '', 'e', 'm', '', '{}', true, '', '', 'f', 'resolved', now(),
        now() - n * interval '4 minutes' FROM generate_series(1, 5000) n;
    INSERT INTO maintenance_runs (workflow_id, kind, began_at, request, counts, recorded_at)
    SELECT 'w' || n, 'purge', now(), '{}', '{}', now() - n * interval '4 minutes' FROM generate_series(1, 5000) n;
    INSERT INTO orders (workflow_id, state, customer, amount_cents, currency, lines)
    SELECT 'w' || n, CASE WHEN n % 500 = 0 THEN 'open' ELSE 'confirmed' END, 'c', 1, 'EUR', '[]'
    FROM generate_series(1, 5000) n;
    INSERT INTO purge_held (purge, workflow_id, noted_at) SELECT 'p', 'w' || n, now() FROM generate_series(1, 500) n;
    INSERT INTO purge_held (purge, workflow_id) VALUES ('p', 'p');
    ANALYZE;
"""
SMALL = {"dead_letter_digests", "maintenance_counts", "purge_held"}
"""A few rows for each purge, or each hour, of a month: of these the purge reads every row, and of nothing else."""


async def test_old_rows_are_found_by_an_index(connection: Connection) -> None:
    """No night's purge reads a large table whole, neither its rule's own nor one that the rule asks about."""
    await connection.execute(FILLED)
    limit = datetime.now(UTC) - timedelta(days=13, hours=18)
    for rule in retention.RULES:
        plan = await explained(connection, retention.statement(rule), limit, "p", 100)
        whole = {name.removeprefix("all of ") for name in plan if name.startswith("all of ")}
        assert whole <= SMALL, rule.table
        assert rule.table in SMALL or len(set(plan) - {"purge_held_pkey"}) > len(whole), rule.table


async def test_whose_rows_stay_is_found_by_an_index(connection: asyncpg.Connection) -> None:
    """Orders are never deleted: among all there ever were, those that are open are found without the others."""
    await connection.execute(FILLED)
    plan = await explained_call(connection, note_held(connection, "q", {"w": PAST}))
    assert {name.removeprefix("all of ") for name in plan if name.startswith("all of ")} <= SMALL
    assert {"orders_open", "dead_letters_state"} <= set(plan)
    assert await connection.fetchval("SELECT count(*) FROM purge_held WHERE purge = 'q'") == 12


async def test_a_purge_that_has_not_noted_whose_rows_stay_deletes_nothing(connection: Connection) -> None:
    """An attempt that was given up may come after its purge has ended, and forgotten them."""
    await connection.execute(
        """
        INSERT INTO effects (workflow_id, step, item, kind, run_id, attempt, committed_at)
        SELECT 'w' || n, 's', '', 'forward', 'r', 1, now() - interval '14 days' FROM generate_series(1, 200) n;
        INSERT INTO purge_held (purge, workflow_id) VALUES ('p', 'p');
        """
    )
    rule = retention.rule_of("effects")
    assert rule is not None
    limit = datetime.now(UTC) - timedelta(days=13)
    assert await connection.execute(retention.statement(rule), limit, "another", 100) == "DELETE 0"
    assert await connection.execute(retention.statement(rule), limit, "p", 100) == "DELETE 100"


async def test_a_purge_is_paused_between_two_tables(app: App) -> None:
    """It can be told to leave the database alone for a while."""
    handle = await app.client.start_workflow(
        Purge.run,
        PurgeRequest(),
        id=f"purge-{secrets.token_hex(6)}",
        task_queue=app.settings.task_queue,
        start_signal="control.pause",
        start_signal_args=[Order(by="me", reason="busy")],
    )
    await eventually(lambda: _answers(handle), timeout=30)
    history = await handle.fetch_history()
    scheduled = [event for event in history.events if event.HasField("activity_task_scheduled_event_attributes")]
    assert scheduled == []
    await handle.signal(Purge.resume, Order(by="me", reason="go on"))
    assert set((await handle.result()).counts) == set(retention.NAMES)


async def _answers(handle: WorkflowHandle[Any, Any]) -> bool:
    return (await handle.query(Purge.paused)).paused


@pytest.mark.parametrize("days", [0, 1])
def test_a_day_is_too_short(days: int) -> None:
    """Visibility lags behind: what a purge is told to keep must be longer than that by far."""
    with pytest.raises(ValueError, match="keep_days"):
        PurgeRequest(keep_days=days)


async def test_warming_is_recorded_once(app: App) -> None:
    """By hand it was for no time in particular."""
    warm_id = f"warm-{secrets.token_hex(6)}"
    run = await app.client.execute_workflow(
        WarmCache.run, WarmRequest(reason="by hand"), id=warm_id, task_queue=app.settings.task_queue
    )
    assert run.counts == {"datasets loaded": 0, "datasets present": 0, "datasets failed": 0}
    row = await app.database.fetchrow(
        """
        SELECT scheduled_for, request ->> 'reason' AS reason, run.xmin::text::bigint AS writer,
               transaction::text::bigint % (2::bigint ^ 32)::bigint AS ledger
        FROM maintenance_runs AS run JOIN effects USING (workflow_id) WHERE workflow_id = $1
        """,
        warm_id,
    )
    assert row is not None
    assert (row["scheduled_for"], row["reason"]) == (None, "by hand")
    assert row["writer"] == row["ledger"]
