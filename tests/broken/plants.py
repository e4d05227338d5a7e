"""Plants the bugs: each a small override of one function of `system`, or a subclass of one of its workflows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import asyncpg
import planted_workflows
from temporalio import activity
from temporalio.service import RPCError

from system import heartbeats, plugin
from system.cache.entry import Lookup
from system.cache.loading import Loader
from system.dead_letters.activities import DeadLetterActivities
from system.dead_letters.history import Start
from system.dead_letters.models import KEEP, Failure, Kept, Letter
from system.dead_letters.redrive import Redrives
from system.errors import ProviderUnanswered, Superseded
from system.orders import activities as order_activities
from system.orders import outbox, rules, stock
from system.orders.models import Line, Policy, Step
from system.orders.providers import Provider, Reply
from system.orders.workflow import Order
from system.pipeline import activities as pipeline_activities
from system.pipeline import store
from system.pipeline.models import ChunkResult
from system.pipeline.workflow import Pipeline
from system.records import Record
from system.storage import claims, effects
from system.storage.effects import Effect
from system.storage.pool import Connection, Pool
from system.tasks.workflow import Batch

Patch = Callable[[object, str, Any], None]
"""setattr; or pytest's, which puts back what was there."""
ResultT = TypeVar("ResultT", bound=Record)

TRIES = 3
HERE = """
    SELECT host(inet_server_addr()) AS host, inet_server_port() AS port, current_database() AS database,
           current_user::text AS user
"""


def drop_a_compensation(patch: Patch) -> None:
    """A captured payment is never refunded."""
    compensations = rules.compensations

    def but_one(begun: Collection[Step], *, earlier: bool) -> list[Step]:
        return [step for step in compensations(begun, earlier=earlier) if step != "capture_payment"]

    patch(rules, "compensations", but_one)


def forget_the_idempotency_key(patch: Patch) -> None:
    """Providers are called without a key, so that each call has its effect."""

    async def without_key(self: Provider, path: str, body: Mapping[str, Any], *, key: str, seconds: float) -> Reply:
        return await self._call("POST", path, seconds, json=body)

    patch(Provider, "post", without_key)


def put_the_attempt_into_the_key(patch: Patch) -> None:
    """Each attempt calls its provider under a key of its own."""
    key = outbox._idempotency_key

    def with_attempt(effect: Effect, refusals: int) -> str:
        return f"{key(effect, refusals)}/{activity.info().attempt}"

    patch(outbox, "_idempotency_key", with_attempt)


def undo_without_fencing(patch: Patch) -> None:
    """Where a step has no effect yet, its compensation leaves no tombstone."""

    async def without_tombstone(
        database: Pool,
        effect: Effect,
        result_type: type[ResultT],
        take_back: Callable[[Connection, ResultT], Awaitable[None]],
    ) -> bool:
        query = "SELECT EXISTS (SELECT FROM claims WHERE workflow_id = $1 AND step = $2 AND item = $3)"
        if not await database.fetchval(query, effect.workflow_id, effect.step, effect.item):
            return False
        return await claims.undo(database, effect, result_type, take_back)

    patch(order_activities, "undo", without_tombstone)


def retry_inside_the_retry(patch: Patch) -> None:
    """A call to a provider is tried three times within each attempt."""
    post = Provider.post

    async def three_times(self: Provider, *args: Any, **options: Any) -> Reply:
        for _ in range(TRIES - 1):
            try:
                return await post(self, *args, **options)
            except ProviderUnanswered:
                continue
        return await post(self, *args, **options)

    patch(Provider, "post", three_times)


def lose_dead_letters(patch: Patch) -> None:
    """A dead letter is said to be kept, and is not."""

    async def keep(_: DeadLetterActivities, failure: Failure) -> Kept:
        return Kept(letter=0, new=True)

    patch(DeadLetterActivities, "keep", activity.defn(name=KEEP)(keep))


def tear_the_ledger(patch: Patch) -> None:
    """A chunk's row in the ledger is committed before the chunk's rows: a crash between the two loses the rows."""

    async def record_apart(connection: Connection, effect: Effect) -> None:
        if effect.step != "load_chunk":
            await effects.record(connection, effect)
            return
        here = await connection.fetchrow(HERE)
        assert here is not None
        apart = await asyncpg.connect(**dict(here))
        try:
            async with apart.transaction():
                await effects.record(apart, effect)
        finally:
            await apart.close()

    patch(pipeline_activities, "record", record_apart)


def record_in_a_second_transaction(patch: Patch) -> None:
    """A step's effect is committed, and its line in the ledger afterwards: what comes between loses the line."""

    async def once(
        database: Pool, effect: Effect, kind: type[ResultT], write: Callable[[Connection], Awaitable[ResultT]]
    ) -> ResultT:
        async with database.acquire() as connection:
            async with connection.transaction():
                if not await claims._claim(connection, effect, "done"):
                    state, kept = await claims._claimed(connection, effect)
                    if state == "undone":
                        raise Superseded(effect.workflow_id, effect.step, effect.item, "was undone before this attempt")
                    return kind.model_validate(kept)
                result = await write(connection)
                await claims._keep(connection, effect, result)
            async with connection.transaction():
                await effects.record(connection, effect)
            return result

    patch(order_activities, "once", once)


def write_what_was_read(patch: Patch) -> None:
    """What is on hand is read, and not locked; what is left of it is written as a number."""

    async def read(connection: Connection, lines: Sequence[Line]) -> Mapping[str, int]:
        query = "SELECT sku, on_hand FROM stock WHERE sku = ANY($1)"
        return {row["sku"]: row["on_hand"] for row in await connection.fetch(query, [line.sku for line in lines])}

    async def reserve(connection: Connection, workflow_id: str, lines: Sequence[Line]) -> None:
        on_hand = await read(connection, lines)
        left = [(line.sku, on_hand[line.sku] - line.quantity) for line in lines]
        await connection.executemany(
            "UPDATE stock SET on_hand = $2, reserved = counted - shipped - $2 WHERE sku = $1", left
        )
        await connection.executemany(
            "INSERT INTO reservations (workflow_id, sku, quantity) VALUES ($1, $2, $3)",
            [(workflow_id, line.sku, line.quantity) for line in lines],
        )

    async def ship(connection: Connection, workflow_id: str) -> None:
        await connection.execute(
            """
            UPDATE stock SET reserved = greatest(reserved - quantity, 0), shipped = shipped + least(quantity, reserved)
            FROM reservations WHERE workflow_id = $1 AND stock.sku = reservations.sku
            """,
            workflow_id,
        )

    patch(stock, "lock", read)
    patch(stock, "reserve", reserve)
    patch(stock, "ship", ship)


def start_again_under_a_new_id(patch: Patch) -> None:
    """A start that is not answered is tried again, under another workflow id."""
    start = Redrives._start

    async def twice(self: Redrives, connection: Connection, letter: Letter, what: Start) -> str | None:
        try:
            return await start(self, connection, letter, what)
        except RPCError:
            another = letter.model_copy(update={"redrive_workflow_id": f"{letter.redrive_workflow_id}-again"})
            return await start(self, connection, another, what)

    patch(Redrives, "_start", twice)


def ignore_heartbeat_details(patch: Patch) -> None:
    """A chunk is loaded in two transactions, a heartbeat tells that one is done, and a retry does not ask."""

    async def _load(connection: Connection, load_id: int, chunk: store.ChunkRows) -> ChunkResult:
        number = chunk.result.number
        rows = chunk.rows.splitlines(keepends=True)
        half = len(rows) // 2
        async with connection.transaction():
            await store.claim_chunk(connection, load_id, chunk.id, chunk.result)
            query = "SELECT id FROM chunks WHERE load_id = $1 AND number = $2"
            claimed = await connection.fetchval(query, load_id, number)
            await _copy(connection, chunk, rows[:half], claimed, rejected=0)
        activity.heartbeat(half)
        async with connection.transaction():
            await _copy(connection, chunk, rows[half:], claimed, rejected=chunk.result.rows_rejected)
            await effects.record(connection, Effect.of_attempt("load_chunk", str(number)))
        return chunk.result

    async def _copy(
        connection: Connection, chunk: store.ChunkRows, rows: Sequence[bytes], claimed: int, *, rejected: int
    ) -> None:
        own = str(chunk.id).encode()
        mine = b"".join(row.rstrip(b"\n").removesuffix(own) + str(claimed).encode() + b"\n" for row in rows)
        result = chunk.result.model_copy(update={"rows_loaded": len(rows), "rows_rejected": rejected})
        await store.copy_rows(connection, replace(chunk, rows=mine, result=result))

    patch(pipeline_activities, "_load", _load)


def return_dirty_connections(patch: Patch) -> None:
    """What a step begins by hand it does not end where the step was done before; the pool resets nothing."""

    async def once(
        database: Pool, effect: Effect, kind: type[ResultT], write: Callable[[Connection], Awaitable[ResultT]]
    ) -> ResultT:
        async with database.acquire() as connection:
            await connection.execute("BEGIN")
            if await claims._claim(connection, effect, "done"):
                result = await write(connection)
                await claims._keep(connection, effect, result)
                await effects.record(connection, effect)
                await connection.execute("COMMIT")
                return result
            _, kept = await claims._claimed(connection, effect)
            return kind.model_validate(kept)

    async def reset(*_: Any, **__: Any) -> None:
        return

    patch(order_activities, "once", once)
    patch(asyncpg.Connection, "reset", reset)


def stop_heartbeating(patch: Patch) -> None:
    """No activity heartbeats while it waits."""

    async def _beat(_: float) -> None:
        return

    patch(heartbeats, "_beat", _beat)


def let_everybody_load(patch: Patch) -> None:
    """Whoever misses a value loads it, whoever else is loading it."""

    async def _join(self: Loader, lookup: Lookup[Any], versions: tuple[str, ...]) -> Any:
        return await self._load_and_keep(lookup, versions)

    patch(Loader, "_join", _join)


def change_a_timeout(patch: Patch) -> None:
    """An attempt may take half a minute longer than it could."""
    patch(Policy, "attempt", property(lambda self: timedelta(seconds=self.attempt_seconds + 30)))


def run_instead(sound: type, planted: type) -> Callable[[Patch], None]:
    """Have workers, and replay, run a subclass in place of a workflow."""

    def plant(patch: Patch) -> None:
        patch(plugin, "WORKFLOWS", tuple(planted if each is sound else each for each in plugin.WORKFLOWS))

    return plant


PLANTS: Mapping[str, Callable[[Patch], None]] = {
    "compensation-dropped": drop_a_compensation,
    "compensation-late": run_instead(Order, planted_workflows.RegistersLate),
    "no-idempotency-key": forget_the_idempotency_key,
    "attempt-in-key": put_the_attempt_into_the_key,
    "no-fencing": undo_without_fencing,
    "retry-inside-retry": retry_inside_the_retry,
    "dead-letter-lost": lose_dead_letters,
    "cancellation-swallowed": run_instead(Pipeline, planted_workflows.SwallowsCancellation),
    "ledger-torn": tear_the_ledger,
    "dirty-connection": return_dirty_connections,
    "set-order": run_instead(Batch, planted_workflows.TakesFromASet),
    "argument-changed": run_instead(Order, planted_workflows.ClosesForAnotherReason),
    "timeout-changed": change_a_timeout,
    "signal-lost": run_instead(Batch, planted_workflows.LosesSignals),
    "heartbeat-missing": stop_heartbeating,
    "no-single-flight": let_everybody_load,
    "ledger-apart": record_in_a_second_transaction,
    "lost-update": write_what_was_read,
    "start-under-new-id": start_again_under_a_new_id,
    "heartbeat-ignored": ignore_heartbeat_details,
    "capture-kept": run_instead(Order, planted_workflows.KeepsWhatWasCaptured),
}
"""By the name that the catalogue gives the bug."""
