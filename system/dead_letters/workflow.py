"""Two workflows for operators: redrive many letters, and take the digest."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from system.control.pausable import Pausable

with workflow.unsafe.imports_passed_through():
    from system.dead_letters.activities import DeadLetterActivities
    from system.dead_letters.models import (
        DIGEST,
        REDRIVE,
        DigestReport,
        DigestRequest,
        Redriven,
        RedriveOne,
        RedriveProgress,
        RedriveRequest,
        Selection,
        SummaryRequest,
    )

RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200),
    backoff_coefficient=2,
    maximum_interval=timedelta(seconds=10),
    maximum_attempts=20,
)
CALL = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
SECONDS_A_RUN = 100
"""After so many rounds the history is cut off by continue-as-new."""
REFUSALS_SHOWN = 100


@workflow.defn(name=REDRIVE)
class Redrive(Pausable):
    """Redrives letters one after the other, so many a second, and goes on where it stood after any interruption."""

    def __init__(self) -> None:
        super().__init__()
        self._progress = RedriveProgress()

    @workflow.run
    async def run(self, request: RedriveRequest) -> RedriveProgress:
        """Redrive what was asked for and say what became of it."""
        self._progress = request.progress or self._progress
        if not await self._redrive_some(request):
            await self.ready_to_continue()
            workflow.continue_as_new(request.model_copy(update={"progress": self._progress}))
        return self._progress

    @workflow.query(name="dead_letters.progress")
    def progress(self) -> RedriveProgress:
        """Say how far it has come."""
        return self._progress.model_copy(update={"paused": self.is_paused})

    async def _redrive_some(self, request: RedriveRequest) -> bool:
        """Redrive for as long as this run's history may grow; says whether that was all."""
        for _ in range(SECONDS_A_RUN):
            await self.checkpoint()
            letters = await self._next(request)
            self._note([await self._redrive(letter, request) for letter in letters])
            if len(letters) < request.per_second:
                return True
            await asyncio.sleep(SECOND.total_seconds())
        return False

    async def _next(self, request: RedriveRequest) -> tuple[int, ...]:
        if request.filter is None:
            left = (letter for letter in sorted(set(request.letters)) if letter > self._progress.after)
            return tuple(left)[: request.per_second]
        selected = await workflow.execute_activity_method(
            DeadLetterActivities.select,
            Selection(
                filter=request.filter,
                after=self._progress.after,
                last=self._progress.last,
                limit=request.per_second,
            ),
            start_to_close_timeout=CALL,
            retry_policy=RETRY,
        )
        self._progress = self._progress.model_copy(update={"last": selected.last})
        return selected.letters

    async def _redrive(self, letter: int, request: RedriveRequest) -> Redriven:
        await self.checkpoint()
        return await workflow.execute_activity_method(
            DeadLetterActivities.redrive_one,
            RedriveOne(letter=letter, by=request.by, reason=request.reason),
            start_to_close_timeout=CALL,
            retry_policy=RETRY,
        )

    def _note(self, outcomes: list[Redriven]) -> None:
        if not outcomes:
            return
        seen = self._progress
        refused = [one for one in outcomes if one.outcome == "refused"]
        self._progress = seen.model_copy(
            update={
                "after": outcomes[-1].letter,
                "redriven": seen.redriven + sum(one.outcome == "redriven" for one in outcomes),
                "repeated": seen.repeated + sum(one.outcome == "repeated" for one in outcomes),
                "resolved": seen.resolved + sum(one.outcome == "resolved" for one in outcomes),
                "refused": seen.refused + len(refused),
                "refusals": (*seen.refusals, *refused)[:REFUSALS_SHOWN],
            }
        )


@workflow.defn(name=DIGEST)
class Digest(Pausable):
    """Sweeps up failures that nobody kept, and sums up how things are."""

    @workflow.run
    async def run(self, request: DigestRequest) -> DigestReport:
        """Take the digest."""
        await self.checkpoint()
        swept = await workflow.execute_activity_method(
            DeadLetterActivities.sweep,
            request.sweep,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=RETRY,
        )
        await self.checkpoint()
        return await workflow.execute_activity_method(
            DeadLetterActivities.summarise,
            SummaryRequest(groups=request.groups, swept=swept),
            start_to_close_timeout=CALL,
            retry_policy=RETRY,
        )
