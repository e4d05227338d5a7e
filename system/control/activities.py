"""The activities of a bulk operation: list the targets once, act on some, close."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from temporalio import activity
from temporalio.client import Client

from system.control import letters, rules, store
from system.control.actions import Command, act, find
from system.control.models import (
    ACT,
    CLOSE,
    LIST_TARGETS,
    BulkReport,
    BulkRequest,
    CloseRequest,
    Counts,
    Listed,
    Outcome,
    Recorded,
    Round,
    Target,
)
from system.control.preview import as_target, asked, checked
from system.dead_letters.models import Failure
from system.errors import ControlRefused, Unavailable
from system.heartbeats import beating
from system.storage.effects import Effect, record

if TYPE_CHECKING:
    from system.storage.pool import Pool

AT_ONCE = 4
"""Targets acted on at the same time."""
LEASE = timedelta(seconds=10)
"""How long a claim of a target outlives the worker that acts on it."""
POLL_SECONDS = 0.2
ResultT = TypeVar("ResultT")


class ControlActivities:
    """The activities and what they need.

    Args:
        database: where operations are recorded.
        client: of the namespace whose workflows are acted on.

    """

    def __init__(self, database: Pool, client: Client) -> None:
        self._database = database
        self._client = client

    @property
    def all(self) -> Sequence[Callable[..., Any]]:
        """Every activity, as a worker takes them."""
        return [self.list_targets, self.act, self.close]

    @activity.defn(name=LIST_TARGETS)
    @beating()
    async def list_targets(self, request: BulkRequest) -> Listed:
        """Write down what the query finds now: what appears later is not acted on. A repeat finds what is written."""
        name = _operation()
        if (listed := await self._listed(name, request)) is not None:
            return listed
        targets: Sequence[Target] = ()
        try:
            query = checked(request.query, everything=request.everything)
            most = rules.allowed(request, query)
            targets = await self._targets(query, most)
            refused = rules.why_refused(len(targets), most)
        except (ControlRefused, ValueError) as error:
            refused = str(error)
        async with self._database.acquire() as connection, connection.transaction():
            # Two attempts may come here: the second waits for the first, and finds what it has written.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", name)
            if await store.listed(connection, name) is None:
                await store.open_operation(connection, name, "bulk", request, targets, refused=refused)
                await record(connection, Effect.of_attempt("list_targets"))
        listed = await self._listed(name, request)
        assert listed is not None, "it is written"
        return listed

    @activity.defn(name=ACT)
    @beating()
    async def act(self, round_: Round) -> Counts:
        """Act on those of a round's targets that have no outcome yet, and record each outcome once."""
        began = time.monotonic()
        name = _operation()
        command = Command(action=round_.order.action, by=round_.order.by, reason=round_.order.reason, operation=name)
        async with self._database.acquire() as connection:
            pending = await store.pending(connection, name, round_.first, round_.last)
        room = asyncio.Semaphore(AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                for target in pending:
                    group.create_task(self._act(command, target, room))
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        async with self._database.acquire() as connection:
            counts = await store.counts(connection, name, round_.first, round_.last)
        return counts.model_copy(update={"seconds": time.monotonic() - began})

    @activity.defn(name=CLOSE)
    async def close(self, request: CloseRequest) -> BulkReport:
        """Close the operation and say what became of it."""
        name = _operation()
        async with self._database.acquire() as connection, connection.transaction():
            if await store.close(connection, name, request.state):
                await record(connection, Effect.of_attempt("close_operation"))
            operation = await store.read(connection, name)
        if operation is None:  # cancelled before anything was listed
            return BulkReport(operation=name, state=request.state)
        return BulkReport(
            operation=name,
            state=request.state if operation.state == "running" else operation.state,
            message=operation.message,
            targets=operation.targets,
            counts=Counts.model_validate(operation.counts),
        )

    async def _listed(self, name: str, request: BulkRequest) -> Listed | None:
        async with self._database.acquire() as connection:
            found = await store.listed(connection, name)
        if found is None:
            return None
        action, listed = found
        if action != request.action:
            raise ControlRefused(f"the operation {name} is there already, and does something else: choose another id")
        return listed

    async def _targets(self, query: str, most: int) -> Sequence[Target]:
        """Return what the query finds, but one more than allowed at most."""
        limit = min(most, rules.MOST_TARGETS) + 1
        own = _operation()

        async def ask() -> Sequence[Target]:
            found: dict[tuple[str, str], Target] = {}
            async for one in self._client.list_workflows(query):
                if one.id != own:  # it would wait for itself
                    found.setdefault((one.id, one.run_id), as_target(one))
                if len(found) == limit:
                    break
            return tuple(found.values())

        return await asked(query, ask)

    async def _act(self, command: Command, target: Recorded, room: asyncio.Semaphore) -> None:
        """Act on a target that this attempt has claimed, and record the outcome.

        Another attempt waits meanwhile: the server does not know a reset again that is asked for twice. No transaction
        is open while Temporal is asked: a long history takes longer than PostgreSQL lets one be idle.
        """
        async with room:
            try:
                claimed = await self._claim(command.operation, target.number)
            except LookupError:
                return
            acting = asyncio.create_task(self._carry_out(command, target, repeated=claimed > 1))
            try:
                outcome, letter = await self._while_claimed(acting, command.operation, target.number, claimed)
            except BaseException:
                acting.cancel()
                await asyncio.wait({acting})
                async with self._database.acquire() as connection:
                    await store.keep_claim(connection, command.operation, target.number, claimed, timedelta())
                raise
            async with self._database.acquire() as connection, connection.transaction():
                if await store.end(connection, command.operation, target.number, claimed, outcome):
                    effect = Effect.of_attempt("act", f"{target.workflow_id}/{target.run_id}")
                    await record(connection, effect)
                    await letters.keep(connection, letter, effect.attempt)

    async def _carry_out(self, command: Command, target: Recorded, *, repeated: bool) -> tuple[Outcome, Failure | None]:
        run = await find(self._client, target.workflow_id, target.run_id)
        outcome = await act(self._client, command, run, repeated=repeated)
        return outcome, await letters.letter_of(self._client, command, run, outcome)

    async def _claim(self, operation: str, number: int) -> int:
        """Claim a target as soon as nobody else does.

        Raises:
            LookupError: it has its outcome.

        """
        while True:
            async with self._database.acquire() as connection:
                if (claimed := await store.claim(connection, operation, number, LEASE)) is not None:
                    return claimed
            await asyncio.sleep(POLL_SECONDS)

    async def _while_claimed(self, acting: asyncio.Task[ResultT], operation: str, number: int, claimed: int) -> ResultT:
        """Wait for the action, and keep the claim meanwhile; without the claim nothing more is done."""
        while True:
            await asyncio.wait({acting}, timeout=LEASE.total_seconds() / 4)
            if acting.done():
                return acting.result()
            async with self._database.acquire() as connection:
                if not await store.keep_claim(connection, operation, number, claimed, LEASE):
                    raise Unavailable(f"target {number} of {operation}: another attempt has taken it over")


def _operation() -> str:
    workflow_id = activity.info().workflow_id
    assert workflow_id is not None, "the system's activities run in workflows only"
    return workflow_id
