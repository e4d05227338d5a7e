"""What Temporal's test server would hang on, made to work, or refused with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, NoReturn

from temporalio.api.testservice.v1 import LockTimeSkippingRequest, UnlockTimeSkippingRequest
from temporalio.service import TestService, WorkflowService

from harness.errors import HarnessError

AT_ONCE = 1.0
"""Seconds an update may take before time is skipped for it."""
TIME_STANDS: ContextVar[bool] = ContextVar("time stands", default=False)
"""Set it where an update must not let time be skipped: with no timer to skip to, that is to the workflow's timeout."""
UPDATES = "update_workflow_execution", "execute_multi_operation", "poll_workflow_execution_update"
"""Calls that wait for an update, sent to a workflow or with its start, or of which there is a handle."""
LACKING = {
    "list_workflow_executions": ("lists no workflows", "visibility"),
    "count_workflow_executions": ("counts no workflows", "visibility"),
    "create_schedule": ("has no schedules", "schedules"),
    "list_schedules": ("has no schedules", "schedules"),
}
"""Calls that the server does not know: what it lacks, and the guarantee of an environment that does not."""

Call = Callable[..., Coroutine[Any, Any, Any]]


class NotGiven(HarnessError):
    """The environment of this test does not give what it asked of Temporal."""


class Unlocking:
    """Lets time be skipped while a result or an update is awaited, whoever made the handle, and however many are.

    The server counts: it skips while the number of unlocks equals that of what must not be skipped over. Unlocked once
    for each of two that wait, as the SDK does, it skips over the activities of both, which time out. Here it is
    unlocked once for all of them.
    """

    def __init__(self, server: TestService) -> None:
        self._server = server
        self._waiting = 0
        self._is_unlocked = False
        self._changing = asyncio.Lock()

    @property
    def time_stands(self) -> bool:
        """Whether nobody awaits what lets time be skipped."""
        return self._waiting == 0

    def over(self, service: WorkflowService) -> None:
        """Let what waits on this connection skip time, whichever client calls; what the server lacks is refused.

        Raises NotGiven there. An interceptor would not do: the handle of an update asks past them, and another client
        of the connection has none.
        """
        followed = "get_workflow_execution_history"
        setattr(service, followed, partial(self._followed, getattr(service, followed)))
        for name in UPDATES:
            setattr(service, name, partial(self._updated, getattr(service, name)))
        for name, (lack, guarantee) in LACKING.items():
            setattr(service, name, partial(_refuse, lack, guarantee))

    @asynccontextmanager
    async def unlocked(self) -> AsyncIterator[None]:
        """Let time be skipped until the block ends, and until every other such block has."""
        self._waiting += 1
        try:
            await asyncio.shield(self._settle())
            yield
        finally:
            self._waiting -= 1
            await asyncio.shield(self._settle())

    async def _settle(self) -> None:
        # Shielded: whoever gives up in the middle of it would leave the server in a state that nobody knows.
        async with self._changing:
            wanted = not self.time_stands
            if wanted and not self._is_unlocked:
                await self._server.unlock_time_skipping(UnlockTimeSkippingRequest())
            if self._is_unlocked and not wanted:
                await self._server.lock_time_skipping(LockTimeSkippingRequest())
            self._is_unlocked = wanted

    async def _followed(self, call: Call, request: Any, **options: Any) -> Any:
        if not request.wait_new_event:
            return await call(request, **options)
        async with self.unlocked():
            return await call(request, **options)

    async def _updated(self, call: Call, request: Any, **options: Any) -> Any:
        answer = asyncio.ensure_future(call(request, **options))
        try:
            # One that waits for no timer is answered at once. Were time unlocked for it, and the workflow had no timer
            # either, the server would skip to the workflow's own timeout.
            await asyncio.wait({answer}, timeout=None if TIME_STANDS.get() else AT_ONCE)
            if answer.done():
                return await answer
            async with self.unlocked():
                return await answer
        finally:
            answer.cancel()


async def _refuse(lack: str, guarantee: str, *_: Any, **__: Any) -> NoReturn:
    raise NotGiven(
        f"The server that skips time {lack}. Mark the test @pytest.mark.temporal({guarantee}=True), without skip_time, "
        "and it runs on a real server."
    )
