"""Sees to it that no failure for good goes by without a letter, in whichever workflow it happens."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception
from temporalio.worker import (
    ExecuteWorkflowInput,
    HandleSignalInput,
    Interceptor,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

from system.dead_letters.failures import child_behind, told
from system.dead_letters.models import KEEP, REDRIVEN_FROM, SETTLE, Failure, Kept, Origin, Settled, Settlement
from system.dead_letters.pending import LETTERS_ARE_WRITTEN
from system.dead_letters.rules import item_of, will_run_again

# Without limit: a database that is away delays a letter, and never loses it.
RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=30)
)
ATTEMPT = timedelta(seconds=30)
LETTER = "_dead_letter"
"""Attribute of an activity's error: the failure that was written of it, so that nobody writes another."""
OWN = frozenset({KEEP, SETTLE})
"""Activities that must not have letters: their letters would be written by themselves."""


class DeadLetterInterceptor(Interceptor):
    """Keeps a letter of every activity and every workflow that fails for good; costs nothing while nothing fails."""

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 the SDK's own parameter name
    ) -> type[WorkflowInboundInterceptor]:
        """See base class."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        self._letters = _Letters()
        super().init(_Outbound(outbound, self._letters))

    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 the SDK's own parameter name
        LETTERS_ARE_WRITTEN.set(self._letters.are_written)
        try:
            result = await self.next.execute_workflow(input)
        # Not BaseException: a workflow that leaves the cache is closed by GeneratorExit, and must not go on.
        except (Exception, asyncio.CancelledError) as error:
            self._letters.ended_by(error)
            await self._letters.written()
            raise
        except workflow.ContinueAsNewError:
            await self._letters.written()
            raise
        self._letters.completed()
        await self._letters.written()
        return result

    async def handle_signal(self, input: HandleSignalInput) -> None:  # noqa: A002 the SDK's own parameter name
        try:
            await self.next.handle_signal(input)
        except Exception as error:
            # A signal's handler that fails ends its workflow.
            self._letters.ended_by(error)
            await self._letters.written()
            raise


class _Outbound(WorkflowOutboundInterceptor):
    def __init__(self, next: WorkflowOutboundInterceptor, letters: _Letters) -> None:  # noqa: A002 the SDK's own parameter name
        super().__init__(next)
        self._letters = letters

    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:  # noqa: A002 the SDK's own parameter name
        handle = super().start_activity(input)
        return handle if input.activity in OWN else self._letters.watch(handle, input)

    def start_local_activity(self, input: StartLocalActivityInput) -> ActivityHandle[Any]:  # noqa: A002 the SDK's own parameter name
        return self._letters.watch(super().start_local_activity(input), input)


class _Letters:
    """The letters of one workflow run: those it has to write, and those that are being written."""

    def __init__(self) -> None:
        self._local = 0
        self._writing: list[asyncio.Task[Any]] = []

    def watch(
        self, handle: ActivityHandle[Any], activity: StartActivityInput | StartLocalActivityInput
    ) -> ActivityHandle[Any]:
        """Write a letter as soon as the activity has failed for good."""
        handle.add_done_callback(lambda done: self._on_end(done, activity))
        return handle

    def _on_end(self, handle: asyncio.Task[Any], activity: StartActivityInput | StartLocalActivityInput) -> None:
        error = None if handle.cancelled() else handle.exception()
        if not isinstance(error, FailureError) or is_cancelled_exception(error):
            return
        failure = _failure(
            error,
            activity_id=self._id_of(error, activity),
            activity_type=activity.activity,
            scheduled_event=error.scheduled_event_id if isinstance(error, ActivityError) else None,
            item=item_of(activity.args),
            ended_workflow=False,
        )
        setattr(error, LETTER, failure)
        self._write(self._keep(failure))

    def _id_of(self, error: FailureError, activity: StartActivityInput | StartLocalActivityInput) -> str:
        if isinstance(error, ActivityError):
            return error.activity_id
        self._local += 1
        return activity.activity_id or f"local-{self._local}"

    def ended_by(self, error: BaseException) -> None:
        """Write the letter of what ends the workflow, unless it goes on all the same, or is cancelled."""
        if is_cancelled_exception(error) and workflow.cancellation_reason() is not None:
            self._settle("cancelled")
            return
        # Any other error is a defect: it fails the workflow task, which is retried until a corrected version is there.
        cancelled = isinstance(error, asyncio.CancelledError)
        if not (cancelled or workflow.is_failure_exception(error)) or _runs_again(error):
            return
        behind = _behind(error)
        self._write(
            self._keep(
                behind.model_copy(update={"ended_workflow": True}) if behind is not None else _of_workflow(error)
            )
        )

    def completed(self) -> None:
        """Settle the letters that this workflow stands for, if it is a redrive, or a new run after a reset."""
        self._settle("completed")

    def are_written(self) -> bool:
        """Whether none is being written."""
        return all(writing.done() for writing in self._writing)

    async def written(self) -> None:
        """Wait until every letter is in the database, also while the workflow is being cancelled.

        A defect in here comes to light as a failed workflow task, never as a letter that is not there.
        """
        for writing in self._writing:
            while not writing.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.shield(writing)
            if not writing.cancelled():
                writing.result()

    def _write(self, writing: Coroutine[Any, Any, Any]) -> None:
        self._writing.append(asyncio.create_task(writing))

    async def _keep(self, failure: Failure) -> None:
        kept: Kept = await _certainly(KEEP, failure, Kept)
        workflow.logger.warning(
            "dead letter %d: %s failed for good: %s: %s",
            kept.letter,
            failure.activity_type or failure.workflow_type,
            failure.error_type,
            failure.message,
        )

    def _settle(self, outcome: Literal["completed", "cancelled"]) -> None:
        info, origin = workflow.info(), _origin()
        was_reset = info.original_execution_run_id not in ("", info.run_id)
        for letter in ([origin.letter] if origin else []) + ([None] if was_reset else []):
            settlement = Settlement(letter=letter, outcome=outcome, workflow_id=info.workflow_id, run_id=info.run_id)
            self._write(_certainly(SETTLE, settlement, Settled))


async def _certainly(activity: str, argument: Any, result_type: type) -> Any:
    return await workflow.execute_activity(
        activity, argument, result_type=result_type, start_to_close_timeout=ATTEMPT, retry_policy=RETRY
    )


def _behind(error: BaseException | None) -> Failure | None:
    """Return the activity's failure that a workflow failed by, itself or as the cause of its own error."""
    while error is not None and not hasattr(error, LETTER):
        error = error.__cause__
    failure: Failure | None = getattr(error, LETTER, None)
    return failure


def _of_workflow(error: BaseException) -> Failure:
    return _failure(error, child=child_behind(error), attempts=workflow.info().attempt, ended_workflow=True)


def _failure(error: BaseException, **fields: Any) -> Failure:
    info, says = workflow.info(), told(error)
    return Failure(
        workflow_id=info.workflow_id,
        run_id=info.run_id,
        workflow_type=info.workflow_type,
        error_type=says.error_type,
        message=says.message,
        remedy=says.remedy,
        details=says.details,
        parent=info.parent.workflow_id if info.parent else "",
        origin=_origin(),
        failed_at=workflow.now(),
        **{"attempts": says.attempts, **fields},
    )


def _origin() -> Origin | None:
    return workflow.memo_value(REDRIVEN_FROM, None, type_hint=Origin)


def _runs_again(error: BaseException) -> bool:
    info = workflow.info()
    if info.retry_policy is None:
        return False
    # As the server does, which looks at the outermost failure alone.
    outermost = error if isinstance(error, ApplicationError) else None
    return will_run_again(
        info.attempt,
        info.retry_policy.maximum_attempts,
        (outermost and outermost.type) or "",
        info.retry_policy.non_retryable_error_types or (),
        final=outermost is not None and outermost.non_retryable,
    )
