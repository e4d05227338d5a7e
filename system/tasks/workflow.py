"""A batch: open, then take and run items until none is left, then reconcile."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Literal

from temporalio import workflow
from temporalio.common import Priority, RetryPolicy
from temporalio.exceptions import FailureError, is_cancelled_exception
from temporalio.workflow import ActivityCancellationType

from system.control.pausable import Pausable

with workflow.unsafe.imports_passed_through():
    from system import heartbeats
    from system.dead_letters.pending import LETTERS_ARE_WRITTEN
    from system.errors import CancelRefused
    from system.failures import failure_of
    from system.tasks.activities import TaskActivities
    from system.tasks.in_hand import STOPPED, InHand, told
    from system.tasks.models import (
        BATCH,
        CANCEL_ALL,
        CANCEL_ITEM,
        PROGRESS,
        REASON_CHARACTERS,
        BatchReport,
        BatchRequest,
        CancelAllRequest,
        CancelRequest,
        CancelWaiting,
        Counts,
        FailRequest,
        Position,
        Progress,
        ReconcileRequest,
        RunRequest,
        Taken,
        TakeRequest,
        WasCancelled,
    )
    from system.tasks.rules import is_full

RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=2)
)
"""Of the batch's own steps, which must not fail while a service is away."""
LONGEST_INTERVAL = timedelta(seconds=10)
"""Between the attempts of an item, which has only so many."""
STEP = timedelta(minutes=5)


@workflow.defn(name=BATCH)
class Batch(Pausable):
    """Runs every item once it has what it needs, each once in effect, and proves it.

    Items are in the database. The workflow holds those in flight, as many as its concurrency, and those it has taken
    to run next, as many again; when its history is full it lets them end and continues as new.
    """

    def __init__(self) -> None:
        super().__init__()
        self._state: Literal["opening", "running", "cancelling", "reconciling", "done", "cancelled", "failed"]
        self._state = "opening"
        self._position = Position(batch=0, items=0)
        self._hand = InHand(lambda ran: self._count(done=1, cached=int(ran.cached)))
        self._taking = asyncio.Lock()

    @workflow.run
    async def run(self, request: BatchRequest) -> BatchReport:
        """Process the batch and report what the database holds."""
        try:
            return await self._process(request)
        except FailureError as failure:  # anything else fails the workflow task, which is tried again
            if not is_cancelled_exception(failure):
                await self._fail(failure)
            raise

    async def _process(self, request: BatchRequest) -> BatchReport:
        try:
            await self._open(request)
            if not await self._work(request):
                await self._hand_over(request)
            return await self._close()
        except (Exception, asyncio.CancelledError) as error:
            if is_cancelled_exception(error) and self._position.batch:
                await asyncio.shield(self._close(cancelled=True))
            raise

    @workflow.query(name=PROGRESS)
    def progress(self) -> Progress:
        """Say how far the batch has come."""
        at = self._position
        running = len(self._hand)
        return Progress(
            state=self._state,
            items=at.items,
            waiting=at.items - running - at.done - at.failed - at.cancelled - at.skipped,
            running=running,
            done=at.done,
            failed=at.failed,
            cancelled=at.cancelled,
            skipped=at.skipped,
            cached=at.cached,
            paused=self.is_paused,
        )

    @workflow.update(name=CANCEL_ITEM)
    async def cancel_item(self, request: CancelRequest) -> WasCancelled:
        """Cancel one item, and skip what needs it; refused for an item that is unknown or has ended.

        One that runs is told to stop: it may be done before it hears of it.
        """
        reason = _ordered_by(request.by, request.reason)
        async with self._taking:
            if self._hand.withdraw(request.item, reason):
                return WasCancelled(state="running")
            found = await workflow.execute_activity_method(
                TaskActivities.cancel_waiting,
                CancelWaiting(batch=self._position.batch, item=request.item, reason=reason),
                start_to_close_timeout=STEP,
                retry_policy=RETRY,
            )
            if found.state == "waiting":
                self._count(cancelled=1, skipped=found.skipped)
                return found
        if found.state is None:
            raise failure_of(CancelRefused(f"the batch has no item {request.item!r}", item=request.item, state=None))
        raise failure_of(
            CancelRefused(f"item {request.item!r} has ended already", item=request.item, state=found.state)
        )

    @cancel_item.validator
    def _may_cancel_item(self, request: CancelRequest) -> None:
        self._refuse_unless_running(request.item)

    @workflow.update(name=CANCEL_ALL)
    async def cancel_all(self, request: CancelAllRequest) -> Progress:
        """Cancel every item that has not ended; the batch then completes, with its report."""
        self._state = "cancelling"
        self._hand.withdraw_all(_ordered_by(request.by, request.reason))
        return self.progress()

    @cancel_all.validator
    def _may_cancel_all(self, request: CancelAllRequest) -> None:  # noqa: ARG002 it says who, and not what
        self._refuse_unless_running()

    def _refuse_unless_running(self, item: str | None = None) -> None:
        if self._state != "running":
            raise failure_of(
                CancelRefused(f"nothing can be cancelled: the batch is {self._state}", item=item, state=self._state)
            )

    async def _open(self, request: BatchRequest) -> None:
        if request.position is not None:
            self._position = request.position
        else:
            await self.checkpoint()
            opening = workflow.start_activity_method(
                TaskActivities.open,
                request,
                start_to_close_timeout=STEP,
                heartbeat_timeout=heartbeats.TIMEOUT,
                retry_policy=RETRY,
            )
            try:
                self._position = await asyncio.shield(opening)
            except asyncio.CancelledError:
                self._position = await opening  # what was opened must be closed
                raise
        self._state = "running"

    async def _work(self, request: BatchRequest) -> bool:
        """Take and run items until none is left; False where the history is full before."""
        try:
            while self._state == "running":
                await self.checkpoint()
                ends = self._hand.ends
                taken = await self._take(request.concurrency)
                while self._hand.taken:
                    await self._start_next(request)
                if _history_is_full():
                    await self._wait_for_end()
                    return False
                if len(taken.items) == request.concurrency:
                    continue
                # What ends may be what others wait for; where none waits, all may end before the next take.
                await self._wait_for_end(after=ends if taken.more else None)
                idle = not (self._hand.running or self._hand.ended)
                if idle and (not taken.more or self._hand.ends == ends):
                    break
        except (Exception, asyncio.CancelledError):  # not GeneratorExit: an evicted workflow must start nothing
            await asyncio.shield(self._stop_running())
            raise
        await self._stop_running()
        return True

    async def _wait_for_end(self, *, after: int | None = None) -> None:
        """Wait until nothing runs any more; or until one item has ended, if told how many had."""
        hand = self._hand
        await workflow.wait_condition(lambda: not hand.running or (after is not None and hand.ends > after))

    async def _take(self, room: int, *, cancel_rest: bool = False) -> Taken:
        """Have recorded what ended, and take what may run next."""
        async with self._taking:
            self._count(takes=1)
            request = TakeRequest(
                batch=self._position.batch,
                number=self._position.takes,
                room=room,
                ended=tuple(self._hand.ended),
                cancel_rest=cancel_rest,
                held=self._hand.keys() if _was_reset() else None,
            )
            taken = await workflow.execute_activity_method(
                TaskActivities.take,
                request,
                start_to_close_timeout=STEP,
                heartbeat_timeout=heartbeats.TIMEOUT,
                retry_policy=RETRY,
            )
            del self._hand.ended[: len(request.ended)]  # others may have ended meanwhile
            self._count(takes=max(taken.takes - self._position.takes, 0))
            self._count(done=taken.done, failed=taken.failed, cancelled=taken.cancelled, skipped=taken.skipped)
            self._hand.taken = {item.key: item for item in taken.items}
            return taken

    async def _start_next(self, request: BatchRequest) -> None:
        """Start the first item taken, once there is room for it."""
        await workflow.wait_condition(lambda: len(self._hand.running) < request.concurrency)
        await self.checkpoint()
        if not self._hand.taken:  # cancelled meanwhile
            return
        item = self._hand.next()
        handle = workflow.start_activity_method(
            TaskActivities.run,
            RunRequest(batch=self._position.batch, item=item.key),
            start_to_close_timeout=timedelta(seconds=item.timeout),
            heartbeat_timeout=heartbeats.TIMEOUT,
            retry_policy=RetryPolicy(
                initial_interval=RETRY.initial_interval,
                backoff_coefficient=RETRY.backoff_coefficient,
                maximum_interval=LONGEST_INTERVAL,
                maximum_attempts=item.attempts,
            ),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            priority=Priority(
                priority_key=item.priority,
                fairness_key=request.tenant if item.tenant is None else item.tenant,
                fairness_weight=item.weight,
            ),
        )
        self._hand.run(item, handle)

    async def _stop_running(self) -> None:
        self._hand.withdraw_all(STOPPED)
        await workflow.wait_condition(lambda: not self._hand.running)

    async def _hand_over(self, request: BatchRequest) -> None:
        """Continue as new, with nothing to know but the position; returns only if everything is to be cancelled."""
        if self._hand.ended:
            await self._take(0)
        await self.ready_to_continue()
        if self._state == "running":
            workflow.continue_as_new(request.model_copy(update={"items": (), "position": self._position}))

    async def _close(self, *, cancelled: bool = False) -> BatchReport:
        if cancelled or self._state == "cancelling":
            self._state = "cancelling"
            await self._take(0, cancel_rest=True)
        self._state = "reconciling"
        letters_are_written = LETTERS_ARE_WRITTEN.get()  # of items that are done after all, the proof resolves them
        await workflow.wait_condition(lambda: workflow.all_handlers_finished() and letters_are_written())
        report = await workflow.execute_activity_method(
            TaskActivities.reconcile,
            ReconcileRequest(batch=self._position.batch, cancelled=cancelled),
            start_to_close_timeout=STEP,
            heartbeat_timeout=heartbeats.TIMEOUT,
            retry_policy=RETRY,
        )
        self._set_counts(report)
        self._state = "cancelled" if cancelled else "done"
        return report

    async def _fail(self, failure: FailureError) -> None:
        self._state = "failed"
        if not self._position.batch:
            return
        closing = workflow.start_activity_method(
            TaskActivities.fail,
            FailRequest(batch=self._position.batch, reason=f"the batch failed: {told(failure)}"[:REASON_CHARACTERS]),
            start_to_close_timeout=STEP,
            retry_policy=RETRY,
        )
        counts = await asyncio.shield(closing)
        self._hand.taken.clear()
        self._hand.ended.clear()
        self._set_counts(counts)

    def _set_counts(self, found: Counts | BatchReport) -> None:
        """Tell from now on what the database says; what was counted on the way may have been another run's."""
        told = found.model_dump(include={"done", "failed", "cancelled", "skipped", "cached"})
        self._position = self._position.model_copy(update=told)

    def _count(self, **more: int) -> None:
        at = self._position
        self._position = at.model_copy(update={name: getattr(at, name) + count for name, count in more.items()})


def _history_is_full() -> bool:
    info = workflow.info()
    return is_full(info.get_current_history_length(), suggested=info.is_continue_as_new_suggested())


def _was_reset() -> bool:
    info = workflow.info()
    return info.original_execution_run_id not in ("", info.run_id)


def _ordered_by(by: str, reason: str) -> str:
    return f"cancelled by {by}: {reason}"[:REASON_CHARACTERS]
