"""Brings the schedules of a file to the server: what is missing is made, what differs updated."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress

from temporalio.api.workflowservice.v1 import UpdateScheduleRequest
from temporalio.client import Client, Schedule, ScheduleAlreadyRunningError, ScheduleDescription, ScheduleState

from system.errors import DeclarationRefused, ScheduleUnknown, Unavailable
from system.records import Record
from system.scheduling.asking import ANSWER_WITHIN, asking
from system.scheduling.declaration import Declaration, Declared, digest
from system.scheduling.models import DECLARED, DECLARED_BY, Mark
from system.scheduling.render import mark_of, schedule_of
from system.scheduling.rules import Existing, Step, plan, remaining

AT_ONCE = 8
TRIES = 20
PAUSE_SECONDS = 0.05


class Declarer:
    """Applies declarations; several may at the same time, of the same file too.

    Args:
        client: of the namespace.
        records: what each type of workflow takes.
        task_queue: where the schedules start their workflows.

    """

    def __init__(self, client: Client, records: Mapping[str, type[Record]], task_queue: str) -> None:
        self._client = client
        self._records = records
        self._task_queue = task_queue
        self._room = asyncio.Semaphore(AT_ONCE)

    async def plan(self, declaration: Declaration, *, prune: bool = False) -> tuple[Step, ...]:
        """Say what is to be done, and do nothing.

        Raises:
            DeclarationRefused: one of the schedules is somebody else's.
            Unavailable: Temporal does not answer.

        """
        declared = {one.id: digest(one, self._task_queue) for one in declaration.schedules}
        ids = {*declared, *(await self._owned(declaration.name) if prune else ())}
        found = await asyncio.gather(*(self._existing(schedule_id) for schedule_id in sorted(ids)))
        existing = {schedule_id: one for schedule_id, one in zip(sorted(ids), found, strict=True) if one is not None}
        steps = plan(declaration.name, declared, existing, prune=prune)
        refused = [f"schedule {step.id!r}: {step.reason}" for step in steps if step.doing == "refuse"]
        if refused:
            raise DeclarationRefused("\n  ".join(["nothing was changed:", *refused]))
        return steps

    async def apply(self, declaration: Declaration, *, prune: bool = False) -> tuple[Step, ...]:
        """Do what is to be done, and say what it was; applied again, nothing is.

        Raises:
            DeclarationRefused: one of the schedules is somebody else's: nothing was changed. Or Temporal itself
                refuses one: those before it may be changed.
            Unavailable: Temporal does not answer; to be applied again.

        """
        steps = await self.plan(declaration, prune=prune)
        by_id = {one.id: one for one in declaration.schedules}
        doing = (self._do(declaration.name, step, by_id.get(step.id)) for step in steps)
        failed = [one for one in await asyncio.gather(*doing, return_exceptions=True) if one is not None]
        if failed:
            raise failed[0]
        return steps

    async def _do(self, owner: str, step: Step, declared: Declared | None) -> None:
        async with self._room:
            if step.doing == "delete":
                await self._delete(step.id)
            elif declared is not None and step.doing in {"create", "update"}:
                await self._bring(owner, declared)

    async def _bring(self, owner: str, declared: Declared) -> None:
        """Make or update one schedule, whatever others do to it meanwhile."""
        wanted = mark_of(declared, self._task_queue)
        schedule = schedule_of(declared, self._records, self._task_queue)
        for _ in range(TRIES):
            found = await self._describe(declared.id)
            if found is None:
                await self._create(declared.id, schedule, owner)
            elif await found.memo_value(DECLARED_BY, None) != owner:
                raise DeclarationRefused(f"schedule {declared.id!r}: somebody else has just made it")
            elif await _mark(found) == wanted:
                return
            else:
                await self._update(found, schedule, wanted)
            await asyncio.sleep(PAUSE_SECONDS)
        raise Unavailable(
            f"schedule {declared.id!r} did not become what is declared in {TRIES} tries: does somebody apply another "
            f"file as {owner!r} at the same time? apply it again"
        )

    async def _create(self, schedule_id: str, schedule: Schedule, owner: str) -> None:
        """Make a schedule, unless somebody else just did."""
        with asking(schedule_id), suppress(ScheduleAlreadyRunningError):
            await self._client.create_schedule(
                schedule_id, schedule, memo={DECLARED_BY: owner}, rpc_timeout=ANSWER_WITHIN
            )

    async def _update(self, found: ScheduleDescription, schedule: Schedule, wanted: Mark) -> None:
        """Send the update, unless the schedule is changed meanwhile: then the server drops it, and does not say so.

        Not by the SDK's own update, which would overwrite what an operator did at the same moment. Whether it is
        paused stays as it is, with the note that says why.
        """
        was = found.schedule.state
        left = remaining(
            wanted.remaining_actions, await _mark(found), was.remaining_actions if was.limited_actions else None
        )
        schedule.state = ScheduleState(
            paused=was.paused, note=was.note, limited_actions=left is not None, remaining_actions=left or 0
        )
        with asking(found.id):
            await self._client.workflow_service.update_schedule(
                UpdateScheduleRequest(
                    namespace=self._client.namespace,
                    schedule_id=found.id,
                    schedule=await schedule._to_proto(self._client),  # noqa: SLF001 the SDK's update has no token
                    conflict_token=found.raw_description.conflict_token,
                    identity=self._client.identity,
                    request_id=str(uuid.uuid4()),
                ),
                timeout=ANSWER_WITHIN,
            )

    async def _delete(self, schedule_id: str) -> None:
        with suppress(ScheduleUnknown), asking(schedule_id):  # unknown: somebody was faster
            await self._client.get_schedule_handle(schedule_id).delete(rpc_timeout=ANSWER_WITHIN)

    async def _owned(self, owner: str) -> Sequence[str]:
        """Return the ids of this file's schedules, as the list knows them: it lags behind by a moment."""
        with asking("of the list"):
            found = await self._client.list_schedules(rpc_timeout=ANSWER_WITHIN)
            return [one.id async for one in found if await one.memo_value(DECLARED_BY, None) == owner]

    async def _existing(self, schedule_id: str) -> Existing | None:
        async with self._room:
            found = await self._describe(schedule_id)
            if found is None:
                return None
            return Existing(owner=await found.memo_value(DECLARED_BY, None), mark=await _mark(found))

    async def _describe(self, schedule_id: str) -> ScheduleDescription | None:
        try:
            with asking(schedule_id):
                return await self._client.get_schedule_handle(schedule_id).describe(rpc_timeout=ANSWER_WITHIN)
        except ScheduleUnknown:
            return None


async def _mark(found: ScheduleDescription) -> Mark | None:
    """Return what the schedule was declared as; None where it was not."""
    memo = getattr(found.schedule.action, "memo", None) or {}
    if DECLARED not in memo:
        return None
    [mark] = await found.data_converter.decode([memo[DECLARED]], [Mark])
    assert isinstance(mark, Mark)
    return mark
