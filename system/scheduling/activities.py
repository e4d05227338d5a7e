"""The activities of maintenance: warm the cache, delete what is old, record the run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from temporalio import activity
from temporalio.client import Client

from system import payloads
from system.heartbeats import beating
from system.scheduling import retention, store
from system.scheduling.models import (
    LIST_RULES,
    PURGE_ROWS,
    RECORD_RUN,
    WARM,
    Counted,
    PurgeRequest,
    PurgeRows,
    RuleNames,
    Run,
    WarmRequest,
)
from system.storage.claims import once
from system.storage.effects import Effect

if TYPE_CHECKING:
    from system.cache.cache import Warmed
    from system.storage.pool import Connection, Pool


class SchedulingActivities:
    """The activities and what they need.

    Args:
        database: whose rows are kept for so long.
        client: knows which workflows Temporal still has.
        warmers: load into the cache what is not in it, by what it is.

    """

    def __init__(self, database: Pool, client: Client, warmers: Mapping[str, Callable[[], Awaitable[Warmed]]]) -> None:
        self._database = database
        self._client = client
        self._warmers = warmers

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """Every activity, as a worker takes them."""
        return [self.warm, self.list_rules, self.purge_rows, self.record_run]

    @activity.defn(name=WARM)
    @beating()
    async def warm(self, request: WarmRequest) -> Counted:  # noqa: ARG002 every activity takes one record
        """Load into the cache what is not in it; without Redis nothing is, and that is no error."""
        counts = {
            f"{name} {outcome}": count
            for name, warm in self._warmers.items()
            for outcome, count in (await warm()).model_dump().items()
        }
        return Counted(counts=counts)

    @activity.defn(name=LIST_RULES)
    async def list_rules(self, request: PurgeRequest) -> RuleNames:  # noqa: ARG002 every activity takes one record
        """Return the rules of the version that runs now: the history keeps them for a version that has others."""
        return RuleNames(rules=retention.NAMES)

    @activity.defn(name=PURGE_ROWS)
    @beating()
    async def purge_rows(self, request: PurgeRows) -> Counted:
        """Delete by one rule, batch by batch; counts what all attempts of it have deleted."""
        workflow_id = activity.info().workflow_id or ""
        await self._note_held(workflow_id, request.before)
        rule = retention.rule_of(request.rule)
        async with self._database.acquire() as connection:
            if request.rule == retention.PAYLOADS:
                oldest = await store.oldest_held(connection, workflow_id)
                older_than = datetime.now(UTC) - retention.payload_limit(request.before, oldest)
                await store.count(connection, workflow_id, request.rule, await payloads.purge(connection, older_than))
            while rule is not None:
                deleted = await store.delete_old(connection, workflow_id, rule, request.before, request.batch)
                if deleted < request.batch:
                    break
            return Counted(counts={request.rule: await store.counted(connection, workflow_id, request.rule)})

    @activity.defn(name=RECORD_RUN)
    async def record_run(self, run: Run) -> Run:
        """Write down that the run is done, once; returns what is written."""
        effect = Effect.of_attempt("record_run")

        async def write(connection: Connection) -> Run:
            await store.record_run(connection, effect.workflow_id, run)
            await store.forget_held(connection, effect.workflow_id)
            return run

        return await once(self._database, effect, Run, write)

    async def _note_held(self, purge: str, before: datetime) -> None:
        """Write down the workflows whose rows stay, once for all rules: who begins later has no rows that are old."""
        async with self._database.acquire() as connection:
            if await store.has_noted(connection, purge):
                return
        held: dict[str, datetime] = {}
        async for found in self._client.list_workflows(retention.held_by(before)):
            held[found.id] = min(found.start_time, held.get(found.id, found.start_time))
        async with self._database.acquire() as connection:
            await store.note_held(connection, purge, held)
