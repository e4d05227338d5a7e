"""The activities one by one, on a real database: repeated, late, at the same time, and by which index."""

import asyncio

import asyncpg
import pytest
from batches import Gate, checksum, gated, posting
from explain import explained_call

from harness.attempt import Attempt
from harness.eventually import eventually
from system.cache.cache import Cache
from system.errors import ReconciliationFailed, Superseded, Unavailable
from system.pipeline.summaries import Summaries
from system.storage.effects import ledger
from system.storage.pool import Pool
from system.tasks import endings, results, store
from system.tasks.activities import TaskActivities
from system.tasks.handlers import REGISTRY
from system.tasks.models import (
    BatchRequest,
    CancelWaiting,
    Ended,
    FailRequest,
    Item,
    Position,
    ReconcileRequest,
    RunRequest,
    Taken,
    TakeRequest,
)


@pytest.fixture
def tasks(database: Pool) -> TaskActivities:
    return TaskActivities(database, Summaries(database, Cache(None)))


async def opened(attempt: Attempt, tasks: TaskActivities, *items: Item) -> Position:
    return await attempt.run(tasks.open, BatchRequest(items=items))


async def take(attempt: Attempt, tasks: TaskActivities, batch: int, number: int, **more: object) -> Taken:
    request = {"batch": batch, "number": number, "room": 10, **more}
    return await attempt.run(tasks.take, TakeRequest.model_validate(request))


async def states(connection: asyncpg.Connection) -> dict[str, str]:
    return {row["key"]: row["state"] for row in await connection.fetch("SELECT key, state FROM task_items")}


async def test_a_repeated_take_takes_nothing_more(
    attempt: Attempt, tasks: TaskActivities, connection: asyncpg.Connection
) -> None:
    """Its answer was lost: it gives the same items again, and the others stay for the next."""
    at = await opened(attempt, tasks, *(checksum(f"k{number}") for number in range(5)))
    first = await take(attempt, tasks, at.batch, 1, room=3)
    assert await take(attempt, tasks, at.batch, 1, room=3) == first
    assert [item.key for item in first.items] == ["k0", "k1", "k2"]
    assert sorted((await states(connection)).values()) == ["running"] * 3 + ["waiting"] * 2
    assert [item.key for item in (await take(attempt, tasks, at.batch, 2)).items] == ["k3", "k4"]


async def test_items_are_taken_by_priority_once_what_they_need_is_done(attempt: Attempt, tasks: TaskActivities) -> None:
    """Priority 1 goes first, the order of submission within; timeouts and attempts are the item's or its handler's."""
    at = await opened(
        attempt,
        tasks,
        checksum("late", priority=5),
        checksum("b", needs=("a",), priority=1),
        checksum("a", priority=2, timeout=7, attempts=3, tenant="t", weight=2.5),
        checksum("also", priority=2),
    )
    taken = await take(attempt, tasks, at.batch, 1, room=2)
    assert [item.key for item in taken.items] == ["a", "also"]
    assert taken.more
    a, also = taken.items
    assert (a.timeout, a.attempts, a.tenant, a.weight) == (7, 3, "t", 2.5)
    assert (also.timeout, also.attempts, also.tenant) == (30, 10, None)
    await attempt.run(tasks.run, RunRequest(batch=at.batch, item="a"))
    taken = await take(attempt, tasks, at.batch, 2)
    assert ([item.key for item in taken.items], taken.more) == (["b", "late"], False)


async def test_a_repeated_run_has_one_effect(
    attempt: Attempt, tasks: TaskActivities, connection: asyncpg.Connection
) -> None:
    """Its answer was lost: the entry, the item and the ledger stay as they were, all of one transaction."""
    at = await opened(attempt, tasks, posting("a", 5))
    await take(attempt, tasks, at.batch, 1)
    request = RunRequest(batch=at.batch, item="a")
    assert await attempt.run(tasks.run, request) == await attempt.run(tasks.run, request)
    rows = await connection.fetch("SELECT amount, xmin::text FROM task_entries")
    item = await connection.fetchrow("SELECT state, output, xmin::text FROM task_items")
    assert item is not None
    assert [(row["amount"], row["xmin"]) for row in rows] == [(5, item["xmin"])]
    assert item["state"] == "done"
    (effect,) = [one for one in await ledger(connection, "test") if one.step == "run"]
    assert (effect.item, str(effect.transaction)) == ("a", item["xmin"])


async def test_a_late_attempt_of_an_item_that_failed_writes_nothing(
    tasks: TaskActivities, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was given up, and wakes up in the middle: neither it nor one that begins later is done."""
    gate = Gate()
    monkeypatch.setitem(REGISTRY.handlers, "test.gate", gate.handler)
    at = await opened(Attempt(), tasks, gated("a"))
    await take(Attempt(), tasks, at.batch, 1)
    request = RunRequest(batch=at.batch, item="a")
    late = asyncio.create_task(Attempt().run(tasks.run, request))
    await eventually(lambda: gate.began)
    ended = Ended(key="a", state="failed", reason="TimeoutError: too long")
    taken = await take(Attempt(), tasks, at.batch, 2, ended=(ended,))
    assert (taken.failed, taken.done) == (1, 0)
    gate.open.set()
    with pytest.raises(Superseded, match="'a' of test ended before"):
        await late
    with pytest.raises(Superseded, match="was failed meanwhile"):
        await Attempt().run(tasks.run, request)
    assert await states(connection) == {"a": "failed"}
    assert [one.step for one in await ledger(connection, "test") if one.item == "a"] == ["settle"]


async def test_an_item_that_was_done_after_all_stays_done(
    attempt: Attempt, tasks: TaskActivities, connection: asyncpg.Connection
) -> None:
    """The workflow took it for failed, since the answer of its last attempt was lost."""
    at = await opened(attempt, tasks, posting("a"), checksum("b", needs=("a",)))
    await take(attempt, tasks, at.batch, 1)
    await attempt.run(tasks.run, RunRequest(batch=at.batch, item="a"))
    ended = Ended(key="a", state="failed", reason="TimeoutError: lost")
    taken = await take(attempt, tasks, at.batch, 2, ended=(ended,))
    assert (taken.done, taken.failed, taken.skipped) == (1, 0, 0)
    assert await states(connection) == {"a": "done", "b": "running"}


async def test_what_needs_many_is_freed_by_the_last_of_them(
    tasks: TaskActivities, connection: asyncpg.Connection
) -> None:
    """Twenty that end at the same time are each counted once."""
    keys = [f"k{number}" for number in range(20)]
    at = await opened(Attempt(), tasks, *map(posting, keys), checksum("x", needs=keys), checksum("y", needs=keys))
    await take(Attempt(), tasks, at.batch, 1, room=30)
    for half in (keys[:10], keys[10:]):
        pending = await connection.fetch("SELECT pending FROM task_items WHERE key IN ('x', 'y')")
        assert [row["pending"] for row in pending] == [20 - keys.index(half[0])] * 2
        runs = (Attempt().run(tasks.run, RunRequest(batch=at.batch, item=key)) for key in half)
        await asyncio.gather(*runs)
    assert [item.key for item in (await take(Attempt(), tasks, at.batch, 2)).items] == ["x", "y"]


async def test_a_handler_that_this_worker_lacks_is_left_to_another(
    attempt: Attempt, tasks: TaskActivities, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During a deployment there are workers of two versions: the attempt is retried."""
    at = await opened(attempt, tasks, checksum("a"))
    monkeypatch.delitem(REGISTRY.handlers, "text.checksum")
    (item,) = (await take(attempt, tasks, at.batch, 1)).items
    assert (item.timeout, item.attempts) == (30, 10)
    with pytest.raises(Unavailable, match="this worker cannot run it: there is no handler"):
        await attempt.run(tasks.run, RunRequest(batch=at.batch, item="a"))


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("SELECT 1", "1 still waiting"),
        ("UPDATE task_items SET state = 'done'", "the ledger has 0 that were done"),
        ("DELETE FROM task_items", "1 items went in; 0 done"),
    ],
)
async def test_a_batch_that_does_not_add_up_is_not_closed(
    attempt: Attempt, tasks: TaskActivities, connection: asyncpg.Connection, damage: str, says: str
) -> None:
    """An item too few, one without its effect, one that never ended: the batch stays open for whoever looks into it."""
    at = await opened(attempt, tasks, checksum("a"))
    await connection.execute(damage)
    with pytest.raises(ReconciliationFailed, match=says):
        await attempt.run(tasks.reconcile, ReconcileRequest(batch=at.batch))
    assert await connection.fetchval("SELECT state FROM task_batches") == "open"


async def test_a_small_tenant_is_taken_before_the_rest_of_a_large_one(attempt: Attempt, tasks: TaskActivities) -> None:
    """Its items come last and are few: the first takes have them all."""
    large = [checksum(f"large-{number}", tenant="large") for number in range(200)]
    small = [checksum(f"small-{number}", tenant="small") for number in range(5)]
    at = await opened(attempt, tasks, *large, *small)
    taken = await take(attempt, tasks, at.batch, 1, room=10)
    assert [item.tenant for item in taken.items] == ["large", "small"] * 5


async def test_another_run_goes_on_where_a_terminated_one_stopped(
    tasks: TaskActivities, connection: asyncpg.Connection
) -> None:
    """What is done stays so, what was running is taken again, and its takes are new ones."""
    first, second = Attempt(), Attempt(workflow_run_id="another")
    items = [posting(f"k{number}") for number in range(6)]
    at = await opened(first, tasks, *items)
    await take(first, tasks, at.batch, 1, room=3)
    await first.run(tasks.run, RunRequest(batch=at.batch, item="k0"))
    again = await opened(second, tasks, *items)
    assert (again.batch, again.takes, again.done) == (at.batch, 1, 1)
    taken = await take(second, tasks, at.batch, 2)
    assert [item.key for item in taken.items] == ["k1", "k2", "k3", "k4", "k5"]
    for item in taken.items:
        await second.run(tasks.run, RunRequest(batch=at.batch, item=item.key))
    report = await second.run(tasks.reconcile, ReconcileRequest(batch=at.batch))
    assert report.done == await connection.fetchval("SELECT count(*) FROM task_entries") == 6


async def test_a_run_that_a_reset_made_takes_what_it_does_not_hold(tasks: TaskActivities) -> None:
    """Its take has the number of an earlier run's and none of its answers; repeated, it gives its own again."""
    first, second = Attempt(), Attempt(workflow_run_id="another")
    at = await opened(first, tasks, *(posting(f"k{number}") for number in range(5)))
    await take(first, tasks, at.batch, 1, room=2)
    await take(first, tasks, at.batch, 2, room=2)
    await first.run(tasks.run, RunRequest(batch=at.batch, item="k2"))
    taken = await take(second, tasks, at.batch, 2, room=2, held=("k0", "k1"))
    assert ([item.key for item in taken.items], taken.takes) == (["k3", "k4"], 2)
    assert await take(second, tasks, at.batch, 2, room=2, held=("k0", "k1")) == taken


async def test_a_batch_that_failed_is_closed_and_every_item_has_ended(
    attempt: Attempt, tasks: TaskActivities, connection: asyncpg.Connection
) -> None:
    """What had not ended is cancelled, for the reason, with one effect each; it is not begun anew."""
    at = await opened(attempt, tasks, checksum("a"), checksum("b"), checksum("c", needs=("b",)))
    await take(attempt, tasks, at.batch, 1, room=2)
    await attempt.run(tasks.run, RunRequest(batch=at.batch, item="a"))
    counts = await attempt.run(tasks.fail, FailRequest(batch=at.batch, reason="the batch failed: why"))
    assert (counts.done, counts.cancelled) == (1, 2)
    closed = await connection.fetchrow("SELECT state, closed_at IS NOT NULL AS closed FROM task_batches")
    assert tuple(closed or ()) == ("failed", True)
    settled = [one.item for one in await ledger(connection, "test") if one.step == "settle"]
    assert sorted(settled) == ["b", "c"]


async def test_an_item_is_cancelled_once_and_only_while_it_waits(
    tasks: TaskActivities, attempt: Attempt, connection: asyncpg.Connection
) -> None:
    """A repeat gives the same answer, another call the state there is then: also of one that waits again by then."""
    at = await opened(attempt, tasks, checksum("a"), checksum("b", needs=("a",)), checksum("c", needs=("b",)))
    await take(attempt, tasks, at.batch, 1)

    async def cancel(key: str, call: str) -> tuple[str | None, int]:
        was = await Attempt(activity_id=call).run(
            tasks.cancel_waiting, CancelWaiting(batch=at.batch, item=key, reason="r")
        )
        return was.state, was.skipped

    assert await cancel("b", "1") == await cancel("b", "1") == ("waiting", 1)
    assert await cancel("b", "2") == ("cancelled", 0)
    assert await cancel("a", "3") == ("running", 0)
    assert await cancel("z", "4") == (None, 0)
    assert await states(connection) == {"a": "running", "b": "cancelled", "c": "skipped"}
    await store.reopen_batch(connection, at.batch)
    assert await cancel("a", "5") == ("waiting", 0)
    settled = [one.item for one in await ledger(connection, "test") if one.step == "settle"]
    assert sorted(settled) == ["a", "b", "c"]


async def test_the_hot_queries_find_their_rows_by_an_index(connection: asyncpg.Connection) -> None:
    """Among 40,000 items of 20 batches, most of which are done, as in the middle of a large batch."""
    await connection.execute(
        """
        INSERT INTO task_batches (workflow_id, items, digest) SELECT 'b' || n, 9, '' FROM generate_series(1, 20) AS n;
        INSERT INTO task_items (batch_id, number, key, handler, input, priority, weight, turn, pending, state)
        SELECT id, n, 'k' || n, 'h', '{}', 1 + n % 5, 1, n, n % 2, CASE WHEN n % 4 < 2 THEN 'waiting' ELSE 'done' END
        FROM task_batches, generate_series(1, 2000) AS n;
        INSERT INTO task_needs SELECT id, n, n + 1 FROM task_batches, generate_series(1, 1999) AS n;
        INSERT INTO task_results SELECT sha256(n::text::bytea), 'h', '{}' FROM generate_series(1, 20000) AS n;
        ANALYZE;
        """
    )
    ended = [Ended(key="k3", state="failed", reason="r")]
    lost = await connection.fetch("SELECT number, key, state FROM task_items WHERE batch_id = 7 AND key = 'k3'")
    calls = {
        "take": store.take(connection, 7, 64),
        "anything_waits": store.anything_waits(connection, 7),
        "read_task": store.read_task(connection, 7, "k5"),
        "finish": store.finish(connection, 7, "k2", "{}", cached=False),
        "settle": endings.settle(connection, 7, ended),
        "skip_dependants": endings.skip_dependants(connection, 7, lost),
        "cached_result": results.find(connection, bytes(32)),
    }
    used = {name: set(await explained_call(connection, call)) for name, call in calls.items()}
    assert {name: [index for index in indexes if index.startswith("all of")] for name, indexes in used.items()} == {
        name: [] for name in calls
    }
    assert "task_items_waiting" in used["take"] & used["anything_waits"]
    assert used["read_task"] == {"task_items_batch_id_key_key"}
