"""What Temporal's test server would hang on, made to work, or refused with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.testservice.v1 import LockTimeSkippingRequest, UnlockTimeSkippingRequest
from temporalio.client import (
    Client,
    CountWorkflowsInput,
    CreateScheduleInput,
    FetchWorkflowHistoryEventsInput,
    Interceptor,
    ListSchedulesInput,
    ListWorkflowsInput,
    OutboundInterceptor,
    ScheduleAsyncIterator,
    ScheduleHandle,
    StartWorkflowUpdateInput,
    WorkflowExecutionAsyncIterator,
    WorkflowExecutionCount,
    WorkflowHistoryEventAsyncIterator,
    WorkflowUpdateHandle,
)

from harness.errors import HarnessError

AT_ONCE = 1.0
"""Seconds an update may take before time is skipped for it."""
TIME_STANDS: ContextVar[bool] = ContextVar("time stands", default=False)
"""Set it where an update must not let time be skipped: with no timer to skip to, that is to the workflow's timeout."""


class NotGiven(HarnessError):
    """The environment of this test does not give what it asked of Temporal."""


class Unlocking(Interceptor):
    """Lets time be skipped while a result or an update is awaited, whoever made the handle, and however many are.

    The server counts: it skips while the number of unlocks equals that of what must not be skipped over. Unlocked once
    for each of two that wait, as the SDK does, it skips over the activities of both, which time out. Here it is
    unlocked once for all of them.
    """

    def __init__(self) -> None:
        self.client: Client | None = None
        self._waiting = 0
        self._changing = asyncio.Lock()

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Outbound(next, self)

    @asynccontextmanager
    async def unlocked(self) -> AsyncIterator[None]:
        """Let time be skipped until the block ends, and until every other such block has."""
        assert self.client is not None
        async with self._changing:
            if self._waiting == 0:
                await self.client.test_service.unlock_time_skipping(UnlockTimeSkippingRequest())
            self._waiting += 1
        try:
            yield
        finally:
            async with self._changing:
                self._waiting -= 1
                if self._waiting == 0:
                    await self.client.test_service.lock_time_skipping(LockTimeSkippingRequest())


class _Outbound(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, unlocking: Unlocking) -> None:
        super().__init__(next)
        self._unlocking = unlocking

    def fetch_workflow_history_events(
        self,
        input: FetchWorkflowHistoryEventsInput,
    ) -> WorkflowHistoryEventAsyncIterator:
        events = super().fetch_workflow_history_events(input)
        if not input.wait_new_event:
            return events
        return _Waiting(events, self._unlocking.unlocked)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:
        answer = asyncio.ensure_future(super().start_workflow_update(input))
        try:
            # One that waits for no timer is answered at once. Were time unlocked for it, and the workflow had no timer
            # either, the server would skip to the workflow's own timeout.
            await asyncio.wait({answer}, timeout=None if TIME_STANDS.get() else AT_ONCE)
            if answer.done():
                return await answer
            async with self._unlocking.unlocked():
                return await answer
        finally:
            answer.cancel()

    def list_workflows(self, input: ListWorkflowsInput) -> WorkflowExecutionAsyncIterator:
        _refuse("lists no workflows", "visibility")

    async def count_workflows(self, input: CountWorkflowsInput) -> WorkflowExecutionCount:
        _refuse("counts no workflows", "visibility")

    async def create_schedule(self, input: CreateScheduleInput) -> ScheduleHandle:
        _refuse("has no schedules", "schedules")

    def list_schedules(self, input: ListSchedulesInput) -> ScheduleAsyncIterator:
        _refuse("has no schedules", "schedules")


def _refuse(lack: str, guarantee: str) -> NoReturn:
    raise NotGiven(
        f"The server that skips time {lack}. Mark the test @pytest.mark.temporal({guarantee}=True), without skip_time, "
        "and it runs on a real server."
    )


class _Waiting(WorkflowHistoryEventAsyncIterator):
    """Events of a history, each awaited with time unlocked."""

    def __init__(
        self,
        events: WorkflowHistoryEventAsyncIterator,
        unlocked: Callable[[], AbstractAsyncContextManager[None]],
    ) -> None:
        self._events = events
        self._unlocked = unlocked

    def __aiter__(self) -> WorkflowHistoryEventAsyncIterator:
        return self

    async def __anext__(self) -> HistoryEvent:
        async with self._unlocked():
            return await self._events.__anext__()
