"""The activities of dead letters: keep them, sweep up what nobody kept, sum up, redrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
from temporalio import activity
from temporalio.client import Client

from system.dead_letters import history, listing, store
from system.dead_letters.models import (
    KEEP,
    REDRIVE_ONE,
    SELECT,
    SETTLE,
    SUMMARISE,
    SWEEP,
    DigestReport,
    Failure,
    Kept,
    Redriven,
    RedriveOne,
    Selected,
    Selection,
    Settled,
    Settlement,
    SummaryRequest,
    SweepRequest,
    Swept,
)
from system.dead_letters.redrive import Redriver, Redrives
from system.errors import LetterNotKept
from system.heartbeats import beating
from system.interceptors import TRANSIENT

if TYPE_CHECKING:
    from system.storage.pool import Connection, Pool

CLOSED_BADLY = "ExecutionStatus IN ('Failed', 'TimedOut', 'Terminated')"
SWEPT_AT_ONCE = 500


class DeadLetterActivities:
    """The activities and what they need.

    Args:
        database: where letters are kept.
        client: reads histories, and starts redrives.
        task_queue: workflows of this queue are swept.
        redrivers: how domains run a failed part again, by activity type.

    """

    def __init__(
        self, database: Pool, client: Client, task_queue: str, redrivers: Mapping[str, Redriver] | None = None
    ) -> None:
        self._database = database
        self._client = client
        self._task_queue = task_queue
        self._redrives = Redrives(database, client, redrivers)

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """Every activity, as a worker takes them."""
        return [self.keep, self.settle, self.sweep, self.summarise, self.select, self.redrive_one]

    @activity.defn(name=KEEP)
    async def keep(self, failure: Failure) -> Kept:
        """Write a failure's letter, once."""
        if failure.attempts is None and failure.scheduled_event is not None:
            made = await history.attempts(self._client, failure.workflow_id, failure.run_id, failure.scheduled_event)
            failure = failure.model_copy(update={"attempts": made})
        async with _keeping(self._database) as connection:
            return await store.keep(connection, failure, activity.info().attempt)

    @activity.defn(name=SETTLE)
    async def settle(self, settlement: Settlement) -> Settled:
        """Settle the letters of what failed, now that what stands for it ends without a failure."""
        state = "resolved" if settlement.outcome == "completed" else "discarded"
        by = settlement.workflow_id
        async with _keeping(self._database) as connection:
            if settlement.letter is not None:
                reason = f"its redrive was {settlement.outcome}"
                letters = await store.settle_redriven(connection, settlement.letter, state, by, reason)
            else:
                reason = f"it was reset, and its new run {settlement.run_id} was {settlement.outcome}"
                letters = await store.settle_replaced(connection, by, settlement.run_id, state, by, reason)
        return Settled(letters=tuple(letters))

    @activity.defn(name=SWEEP)
    @beating()
    async def sweep(self, request: SweepRequest) -> Swept:
        """Keep letters of closed workflows that could not do so themselves: terminated, timed out, failed elsewhere."""
        until = datetime.now(UTC)
        async with self._database.acquire() as connection:
            since = await store.swept_until(connection)
        closed = kept = 0
        runs: list[tuple[str, str]] = []
        async for found in self._client.list_workflows(self._query(since, request.overlap_seconds)):
            runs.append((found.id, found.run_id))
            if len(runs) == SWEPT_AT_ONCE:
                closed, kept = closed + len(runs), kept + await self._keep_missing(runs)
                runs.clear()
        closed, kept = closed + len(runs), kept + await self._keep_missing(runs)
        return Swept(since=since, until=until, closed=closed, kept=kept)

    @activity.defn(name=SUMMARISE)
    async def summarise(self, request: SummaryRequest) -> DigestReport:
        """Count the letters by state and group, and keep the digest; from now on, sweeps begin at its own."""
        info = activity.info()
        async with self._database.acquire() as connection, connection.transaction():
            report = DigestReport(
                taken_at=datetime.now(UTC),
                swept=request.swept,
                states=await listing.states(connection),
                groups=tuple(await listing.groups(connection, limit=request.groups)),
            )
            return await store.keep_digest(connection, info.workflow_id or "", info.workflow_run_id or "", report)

    @activity.defn(name=SELECT)
    async def select(self, selection: Selection) -> Selected:
        """Return the next open letters of a filter, none newer than the redrive itself."""
        async with self._database.acquire() as connection:
            last = await listing.newest(connection) if selection.last is None else selection.last
            letters = await listing.select(
                connection, selection.filter, after=selection.after, last=last, limit=selection.limit
            )
        return Selected(letters=tuple(letters), last=last)

    @activity.defn(name=REDRIVE_ONE)
    async def redrive_one(self, request: RedriveOne) -> Redriven:
        """Redrive one letter, once; that it is refused is an outcome."""
        return await self._redrives.redrive(request.letter, request.by, request.reason)

    def _query(self, since: datetime | None, overlap_seconds: float) -> str:
        query = f"TaskQueue = '{self._task_queue}' AND {CLOSED_BADLY}"
        if since is None:
            return query
        return f"{query} AND CloseTime >= '{history.as_utc(since - timedelta(seconds=overlap_seconds))}'"

    async def _keep_missing(self, runs: Sequence[tuple[str, str]]) -> int:
        async with self._database.acquire() as connection:
            missing = await store.without_letter(connection, runs)
        kept = 0
        for workflow_id, run_id in sorted(missing):
            failure = await history.closing(self._client, workflow_id, run_id)
            if failure is None:
                continue
            async with self._database.acquire() as connection:
                kept += (await store.keep(connection, failure, activity.info().attempt)).new
        return kept


@asynccontextmanager
async def _keeping(database: Pool) -> AsyncIterator[Connection]:
    """Give up on a letter never: also what PostgreSQL refuses is tried again."""
    try:
        async with database.acquire() as connection:
            yield connection
    except TRANSIENT:
        raise
    except asyncpg.PostgresError as error:
        raise LetterNotKept(f"PostgreSQL refused a dead letter ({type(error).__name__}: {error})") from error
