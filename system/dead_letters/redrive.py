"""Redrives one letter: runs again what failed, once, and keeps the lineage.

A whole workflow runs again under its own id: what an earlier run did is claimed under that id, and is not done again.
"""

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
    from system.storage.pool import Connection, Pool

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
    task_queue: str = ""
    """Where it runs, if it stands alone: it needs no history of the failed workflow, and inherits nothing of it. Else
    it is started as that one was."""


@dataclass(frozen=True)
class Nothing:
    """There is nothing to run again."""

    reason: str
    settled: bool
    """Whether there never will be, as it is done all the same: the letter is then resolved."""


@dataclass(frozen=True)
class _Underway:
    """A run that was started for a letter before, and that the letter does not name yet."""

    run_id: str


Redriver = Callable[[Letter, Inputs], Awaitable[Restart | Nothing | None]]
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
            return _no_such(letter)
        restart = None if found.redrive_run_id is not None else await self._restart_of(found)
        async with self._database.acquire() as connection:
            await store.lock_redrives(connection, found.workflow_id)
            return await self._redrive(connection, letter, restart, by, reason)

    async def _restart_of(self, letter: Letter) -> Restart | Nothing | None:
        redriver = self._redrivers.get(letter.activity_type)
        return (
            None if letter.ended_workflow or redriver is None else await redriver(letter, Inputs(self._client, letter))
        )

    async def _redrive(
        self, connection: Connection, number: int, restart: Restart | Nothing | None, by: str, reason: str
    ) -> Redriven:
        letter = await listing.read(connection, number)
        if letter is None or letter.redrive_run_id is not None:
            return _repeated(letter) if letter else _no_such(number)
        if letter.state in {"resolved", "discarded"}:
            return await _refused(connection, letter, by, f"it is {letter.state} already")
        if isinstance(restart, Nothing):
            return await _needless(connection, letter, by, restart)
        return await self._run_again(connection, letter, restart, by, reason)

    async def _run_again(
        self, connection: Connection, letter: Letter, restart: Restart | None, by: str, reason: str
    ) -> Redriven:
        start = await self._start_of(connection, letter, restart)
        if isinstance(start, str):
            return await _refused(connection, letter, by, start)
        claimed = await store.claim_redrive(connection, letter.id, by, reason, whole=restart is None)
        if claimed is None or claimed.redrive_workflow_id is None:
            return await _refused(connection, letter, by, "it was closed meanwhile")
        run_id = start.run_id if isinstance(start, _Underway) else await self._start(connection, claimed, start)
        if run_id is None:
            return await _refused(connection, letter, by, refusal("RUNNING", is_newest_run=False))
        await store.note_started(connection, claimed.redrive_workflow_id, run_id)
        return Redriven(letter=letter.id, outcome="redriven", workflow_id=claimed.redrive_workflow_id, run_id=run_id)

    async def _start_of(
        self, connection: Connection, letter: Letter, restart: Restart | None
    ) -> history.Start | _Underway | str:
        """Return what is to be started, or what was, or why nothing is."""
        if restart is not None and restart.task_queue:
            return history.Start(
                workflow_type=restart.workflow_type, arguments=[restart.argument], task_queue=restart.task_queue
            )
        start = await history.start(self._client, letter.workflow_id, letter.run_id)
        if start is None:
            return "its history is gone, and its input with it: start it anew, then discard this letter"
        if restart is not None:
            return replace(start, workflow_type=restart.workflow_type, arguments=[restart.argument])
        return await self._whole(connection, letter, start)

    async def _whole(
        self, connection: Connection, letter: Letter, start: history.Start
    ) -> history.Start | _Underway | str:
        """Return how the whole workflow is started again, or that it was, or why it is not."""
        parents = await store.letter_of_parent(connection, letter)
        if parents is not None:
            return f"its parent failed by it, and runs it again: redrive letter {parents} instead, which takes it along"
        underway = await self._underway(connection, letter)
        if underway is not None:
            return underway
        status, _ = await history.status(self._client, letter.workflow_id, letter.run_id)
        _, newest = await history.status(self._client, letter.workflow_id)
        return refusal(status, is_newest_run=newest == letter.run_id) or start

    async def _underway(self, connection: Connection, letter: Letter) -> _Underway | None:
        """Return the newest run under the workflow's id if it is a redrive of the letter's run: nobody noted it."""
        run_id, origin = await history.newest(self._client, letter.workflow_id)
        if origin is None or run_id == letter.run_id:
            return None
        redriven = await listing.read(connection, origin.letter)
        same = redriven is not None and (redriven.workflow_id, redriven.run_id) == (letter.workflow_id, letter.run_id)
        return _Underway(run_id) if same else None

    async def _start(self, connection: Connection, letter: Letter, start: history.Start) -> str | None:
        """Return the id of the run that does what the letter is about; None where somebody else ran the workflow."""
        assert letter.redrive_workflow_id is not None, "a claimed letter names the workflow it was redriven as"
        whole = letter.redrive_workflow_id == letter.workflow_id
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
                # Under an id that is the letter's alone there is only ever one, also if a start was never answered.
                id_reuse_policy=(
                    WorkflowIDReusePolicy.ALLOW_DUPLICATE if whole else WorkflowIDReusePolicy.REJECT_DUPLICATE
                ),
                rpc_timeout=history.CALL,
            )
        except WorkflowAlreadyStartedError as already:
            if not whole:
                return already.run_id or ""
            underway = await self._underway(connection, letter)
            return underway.run_id if underway is not None else None
        return handle.first_execution_run_id or ""


async def _refused(connection: Connection, letter: Letter, by: str, why: str) -> Redriven:
    await store.note_refused(connection, letter.id, by, why)
    return Redriven(letter=letter.id, outcome="refused", reason=why)


async def _needless(connection: Connection, letter: Letter, by: str, nothing: Nothing) -> Redriven:
    if not nothing.settled:
        return await _refused(connection, letter, by, nothing.reason)
    if not await store.resolve(connection, [letter.id], by, nothing.reason):
        return await _refused(connection, letter, by, "a redrive of it was cut off: redrive it once more")
    return Redriven(letter=letter.id, outcome="resolved", reason=nothing.reason)


def _no_such(letter: int) -> Redriven:
    return Redriven(letter=letter, outcome="refused", reason="there is no such letter")


def _repeated(letter: Letter) -> Redriven:
    return Redriven(
        letter=letter.id,
        outcome="repeated",
        workflow_id=letter.redrive_workflow_id or "",
        run_id=letter.redrive_run_id or "",
    )
