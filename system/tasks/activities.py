"""The activities of a batch: each does one step, durably, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from temporalio import activity

from system.dead_letters import store as letters
from system.errors import BatchRefused, ReconciliationFailed, Superseded, Unavailable
from system.heartbeats import beating
from system.storage.claims import once
from system.storage.effects import Effect, record_many
from system.tasks import endings, results, store
from system.tasks.handlers import REGISTRY
from system.tasks.models import (
    CANCEL_WAITING,
    FAIL,
    OPEN,
    RECONCILE,
    RUN,
    TAKE,
    BatchReport,
    BatchRequest,
    CancelWaiting,
    Counts,
    FailRequest,
    Position,
    Ran,
    ReconcileRequest,
    Runnable,
    RunRequest,
    Taken,
    TakeRequest,
    WasCancelled,
)
from system.tasks.reach import Reach
from system.tasks.registry import ATTEMPTS, TIMEOUT, Context, Handler, Registry
from system.tasks.rules import content_key, unaccounted, why_not_again
from system.tasks.submission import submit

if TYPE_CHECKING:
    from asyncpg import Record as Row

    from system.pipeline.summaries import Summaries
    from system.storage.pool import Connection, Pool

ITEM_RUN, ITEM_SETTLED = "run", "settle"
"""Steps of the ledger: an item was done, or ended otherwise. Each item has one of the two, once."""


class TaskActivities:
    """The activities and what they need.

    Args:
        database: where batches are.
        summaries: of datasets, for handlers.
        reach: which files and hosts handlers may use; none, unless it is said.
        registry: the handlers.

    """

    def __init__(
        self, database: Pool, summaries: Summaries, reach: Reach | None = None, registry: Registry = REGISTRY
    ) -> None:
        self._database = database
        self._summaries = summaries
        self._reach = reach or Reach()
        self._registry = registry

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """Every activity, as a worker takes them."""
        return [self.open, self.take, self.run, self.cancel_waiting, self.reconcile, self.fail]

    @activity.defn(name=OPEN)
    @beating()
    async def open(self, request: BatchRequest) -> Position:
        """Take on the items that come along, or find those that were submitted: anew, or where a run before stopped."""
        # Each run opens the batch once: one that was terminated is started again under the same id.
        effect = Effect.of_attempt("open", activity.info().workflow_run_id or "")
        workflow_id = effect.workflow_id

        async def write(connection: Connection) -> Position:
            if request.items:
                batch = await submit(connection, workflow_id, request.items, self._registry)
            else:
                found = await store.find_batch(connection, workflow_id)
                if found is None:
                    raise BatchRefused(
                        f"no batch was submitted as {workflow_id!r}: submit its items, or send them along"
                    )
                batch = found
            if batch.state in ("cancelled", "failed"):
                raise BatchRefused(f"batch {workflow_id!r} ended as {batch.state}: submit its items under a new id")
            await store.open_batch(connection, batch.id)
            await store.reopen_batch(connection, batch.id)
            counts, cached = await store.count_items(connection, batch.id)
            return Position(
                batch=batch.id,
                items=batch.items,
                # A late attempt of that run's next take has the number of this run's first: only one of them takes.
                takes=await store.last_take(connection, workflow_id),
                cached=cached,
                **counts.model_dump(include={"done", "failed", "cancelled", "skipped"}),
            )

        return await once(self._database, effect, Position, write)

    @activity.defn(name=TAKE)
    @beating()
    async def take(self, request: TakeRequest) -> Taken:
        """Record what ended, skip what needed it, and hand out the items whose turn it is."""
        info, was_reset = activity.info(), request.held is not None
        effect = (
            Effect.of_attempt("retake", f"{info.workflow_run_id}/{info.activity_id}")
            if was_reset
            else Effect.of_attempt("take", str(request.number))
        )

        async def write(connection: Connection) -> Taken:
            settled = await endings.settle(connection, request.batch, request.ended)
            late = {one.key for one in request.ended} - {row["key"] for row in settled}
            done = await endings.done_among(connection, request.batch, late) if late else []
            if request.cancel_rest:
                settled += await endings.cancel_rest(connection, request.batch, "the batch was cancelled")
            skipped = await endings.skip_dependants(connection, request.batch, settled)
            await _record_settled(connection, [*(row["key"] for row in settled), *skipped])
            if request.held is not None:
                await store.reopen_batch(connection, request.batch, request.held)
            items = await store.take(connection, request.batch, request.room) if request.room else []
            return Taken(
                items=tuple(self._runnable(row) for row in items),
                more=await store.anything_waits(connection, request.batch),
                takes=await store.last_take(connection, effect.workflow_id) if was_reset else 0,
                done=len(done),
                failed=sum(row["state"] == "failed" for row in settled),
                cancelled=sum(row["state"] == "cancelled" for row in settled),
                skipped=len(skipped),
            )

        return await once(self._database, effect, Taken, write)

    @activity.defn(name=RUN)
    @beating()
    async def run(self, request: RunRequest) -> Ran:
        """Run an item's handler, or use the result that equal content had, and record it with the item's effect."""
        effect = Effect.of_attempt(ITEM_RUN, request.item)
        async with self._database.acquire() as connection:
            task = await store.read_task(connection, request.batch, request.item)
            if task.state not in ("running", "done"):
                raise Superseded(
                    effect.workflow_id, ITEM_RUN, request.item, f"is not done: it was {task.state} meanwhile"
                )
            handler = self._handler(task.handler)
            given = handler.parse(task.input)
            key = content_key(handler.name, handler.version, given.model_dump(mode="json")) if handler.pure else None
            output = await results.find(connection, key) if key else None
        context = Context(
            database=self._database,
            summaries=self._summaries,
            reach=self._reach,
            workflow_id=effect.workflow_id,
            item=request.item,
        )
        cached = output is not None
        if output is None and not handler.writes and task.state == "running":
            output = (await handler.function(given, context)).model_dump_json()

        async def write(connection: Connection) -> Ran:
            result = output
            if result is None:
                within = replace(context, connection=connection)
                result = (await handler.function(given, within)).model_dump_json()
            if not await store.finish(connection, request.batch, request.item, result, cached=cached):
                raise Superseded(effect.workflow_id, ITEM_RUN, request.item, "ended before this attempt did")
            if key and not cached:
                await results.keep(connection, key, handler.name, result)
            return Ran(cached=cached)

        return await once(self._database, effect, Ran, write)

    @activity.defn(name=CANCEL_WAITING)
    async def cancel_waiting(self, request: CancelWaiting) -> WasCancelled:
        """Cancel an item that has not been taken, and skip what needed it; else say in which state it is now."""
        info = activity.info()
        # Of this very call: an item may be asked for again, and what became of it is another answer then.
        effect = Effect.of_attempt("cancel_waiting", f"{info.workflow_run_id}/{info.activity_id}")

        async def write(connection: Connection) -> WasCancelled:
            cancelled = await endings.cancel_waiting(connection, request.batch, request.item, request.reason)
            if not cancelled:
                return WasCancelled(state=await store.state_of(connection, request.batch, request.item))
            skipped = await endings.skip_dependants(connection, request.batch, cancelled)
            await _record_settled(connection, [request.item, *skipped])
            return WasCancelled(state="waiting", skipped=len(skipped))

        return await once(self._database, effect, WasCancelled, write)

    @activity.defn(name=RECONCILE)
    @beating()
    async def reconcile(self, request: ReconcileRequest) -> BatchReport:
        """Prove from the database that every item came to one end, once, and close the batch."""

        async def write(connection: Connection) -> BatchReport:
            batch = await store.lock_batch(connection, request.batch)
            counts, cached = await store.count_items(connection, batch.id)
            effects = await store.count_effects(connection, batch.workflow_id)
            wrong = unaccounted(batch.items, counts, run=effects.get(ITEM_RUN, 0), settled=effects.get(ITEM_SETTLED, 0))
            if wrong:
                raise ReconciliationFailed(f"batch {batch.id} of {batch.workflow_id}", wrong)
            await _resolve_letters(connection, batch)
            await store.close_batch(connection, batch.id, "cancelled" if request.cancelled else "done")
            return BatchReport(
                batch=batch.id,
                items=batch.items,
                cached=cached,
                **counts.model_dump(include={"done", "failed", "cancelled", "skipped"}),
            )

        return await once(self._database, Effect.of_attempt("reconcile"), BatchReport, write)

    @activity.defn(name=FAIL)
    async def fail(self, request: FailRequest) -> Counts:
        """Close the batch as failed: what has not ended is cancelled, for that reason."""

        async def write(connection: Connection) -> Counts:
            batch = await store.lock_batch(connection, request.batch)
            ended = await endings.cancel_rest(connection, batch.id, request.reason)
            await _record_settled(connection, [row["key"] for row in ended])
            await store.close_batch(connection, batch.id, "failed")
            counts, _ = await store.count_items(connection, batch.id)
            return counts

        return await once(self._database, Effect.of_attempt("fail"), Counts, write)

    def _handler(self, name: str) -> Handler[Any, Any]:
        try:
            return self._registry.find(name)
        except BatchRefused as missing:
            # It was there when the batch was submitted: this worker is of another version, the next may not be.
            raise Unavailable(f"this worker cannot run it: {missing}") from None

    def _runnable(self, row: Row) -> Runnable:
        handler = self._registry.handlers.get(row["handler"])
        return Runnable(
            key=row["key"],
            priority=row["priority"],
            tenant=row["tenant"],
            weight=row["weight"],
            timeout=row["timeout"] or (handler.timeout if handler else TIMEOUT),
            attempts=row["attempts"] or (handler.attempts if handler else ATTEMPTS),
        )


async def _resolve_letters(connection: Connection, batch: store.Batch) -> None:
    """Close the letters of items that the workflow took for failed, and that were done all the same."""
    found = await letters.open_letters(connection, batch.workflow_id, RUN)
    done = await endings.done_among(connection, batch.id, set(found.values()))
    resolved = [letter for letter, item in found.items() if item in done]
    await letters.resolve(connection, resolved, batch.workflow_id, why_not_again("done"))


async def _record_settled(connection: Connection, keys: Sequence[str]) -> None:
    await record_many(connection, Effect.of_attempt(ITEM_SETTLED), keys)
