"""Redrives one letter: starts again what failed, once, and keeps the lineage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError

from system.dead_letters import history, listing, store
from system.dead_letters.models import REDRIVEN_FROM, Letter, Origin, Redriven
from system.dead_letters.rules import refusal
from system.records import Record

if TYPE_CHECKING:
    from system.storage.pool import Pool

RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True)
class Inputs:
    """What a redriver may ask for: the inputs of the activity that failed and of its workflow, from history."""

    client: Client
    letter: Letter

    async def of_activity(self, record: type[RecordT]) -> RecordT | None:
        """Return what the activity was given; None where the history does not have it."""
        return await self._of(self.letter.scheduled_event, record)

    async def of_workflow(self, record: type[RecordT]) -> RecordT | None:
        """Return what its workflow was given; None where the history is gone."""
        return await self._of(history.STARTED, record)

    async def _of(self, event: int | None, record: type[RecordT]) -> RecordT | None:
        if event is None:
            return None
        found = await history.arguments(self.client, self.letter.workflow_id, self.letter.run_id, event, [record])
        return found[0] if found else None


@dataclass(frozen=True)
class Restart:
    """The workflow that runs the failed part again."""

    workflow_type: str
    argument: Record


Redriver = Callable[[Letter, Inputs], Awaitable[Restart | None]]
"""How a domain runs one failed part of a workflow again that itself went on; None where that cannot be done."""


class Redrives:
    """Redrives letters.

    Args:
        database: where the letters are.
        client: of the namespace their workflows ran in.
        redrivers: by activity type; without one, the whole workflow is run again, if it is closed and not completed.

    """

    def __init__(self, database: Pool, client: Client, redrivers: Mapping[str, Redriver] | None = None) -> None:
        self._database = database
        self._client = client
        self._redrivers = redrivers or {}

    async def redrive(self, letter: int, by: str, reason: str) -> Redriven:
        """Redrive a letter that is open; one that was redriven before stays as it is, unless its start was cut off."""
        async with self._database.acquire() as connection:
            found = await listing.read(connection, letter)
        if found is None:
            return Redriven(letter=letter, outcome="refused", reason="there is no such letter")
        if found.redrive_run_id is not None:
            return _repeated(found)
        restart = await self._restart_of(found)
        start = await self._start_of(found, restart)
        if isinstance(start, str):
            return await self._refused(found, by, start)
        async with self._database.acquire() as connection:
            claimed = await store.claim_redrive(connection, letter, by, reason, whole=restart is None)
        if claimed is None:
            return await self._refused(found, by, "it was closed meanwhile")
        return _repeated(claimed) if claimed.redrive_run_id is not None else await self._started(claimed, start)

    async def _restart_of(self, letter: Letter) -> Restart | None:
        redriver = self._redrivers.get(letter.activity_type)
        return (
            None if letter.ended_workflow or redriver is None else await redriver(letter, Inputs(self._client, letter))
        )

    async def _start_of(self, letter: Letter, restart: Restart | None) -> history.Start | str:
        """Return what is to be started, or why nothing is."""
        if letter.state in {"resolved", "discarded"}:
            return f"it is {letter.state} already"
        start = await history.start(self._client, letter.workflow_id, letter.run_id)
        if start is None:
            return "its history is gone, and its input with it: start it anew, then discard this letter"
        if restart is not None:
            return replace(start, workflow_type=restart.workflow_type, arguments=[restart.argument])
        async with self._database.acquire() as connection:
            parents = await store.letter_of_parent(connection, letter)
        if parents is not None:
            return f"its parent failed by it, and runs it again: redrive letter {parents} instead, which takes it along"
        status, _ = await history.status(self._client, letter.workflow_id, letter.run_id)
        _, newest = await history.status(self._client, letter.workflow_id)
        return refusal(status, is_newest_run=newest == letter.run_id) or start

    async def _started(self, letter: Letter, start: history.Start) -> Redriven:
        assert letter.redrive_workflow_id is not None, "a claimed letter names the workflow it was redriven as"
        origin = Origin(letter=letter.id, depth=letter.depth + 1)
        try:
            handle = await self._client.start_workflow(
                start.workflow_type,
                args=start.arguments,
                id=letter.redrive_workflow_id,
                task_queue=start.task_queue,
                execution_timeout=start.execution_timeout,
                run_timeout=start.run_timeout,
                task_timeout=start.task_timeout,
                retry_policy=start.retry_policy,
                memo={**start.memo, REDRIVEN_FROM: origin},
                search_attributes=start.search_attributes,
                priority=start.priority,
                # Even where the first start was never answered, there is only ever one.
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                rpc_timeout=history.CALL,
            )
            run_id = handle.first_execution_run_id or ""
        except WorkflowAlreadyStartedError as already:
            run_id = already.run_id or ""
        async with self._database.acquire() as connection:
            await store.note_started(connection, letter.redrive_workflow_id, run_id)
        return Redriven(letter=letter.id, outcome="redriven", workflow_id=letter.redrive_workflow_id, run_id=run_id)

    async def _refused(self, letter: Letter, by: str, why: str) -> Redriven:
        async with self._database.acquire() as connection:
            await store.note_refused(connection, letter.id, by, why)
        return Redriven(letter=letter.id, outcome="refused", reason=why)


def _repeated(letter: Letter) -> Redriven:
    return Redriven(
        letter=letter.id,
        outcome="repeated",
        workflow_id=letter.redrive_workflow_id or "",
        run_id=letter.redrive_run_id or "",
    )
