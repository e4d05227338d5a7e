"""Lets the handlers of messages end before their workflow does, in whichever workflow it is."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)


class ClosingInterceptor(Interceptor):
    """Keeps a workflow that completes, or is cancelled, open until its handlers have ended.

    One that fails is not kept: a handler may wait for what its run was to bring, and never will. One that continues as
    new waits by itself (`Pausable.ready_to_continue`): what it hands over must be put together after the last handler.
    """

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 the SDK's own parameter name
    ) -> type[WorkflowInboundInterceptor]:
        """See base class."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002 the SDK's own parameter name
        try:
            result = await self.next.execute_workflow(input)
        except (FailureError, asyncio.CancelledError) as error:
            if is_cancelled_exception(error):
                await _handlers_have_ended()
            raise
        await _handlers_have_ended()
        return result


async def _handlers_have_ended() -> None:
    while not workflow.all_handlers_finished():
        # A cancellation comes too late to change how the workflow ends.
        with suppress(asyncio.CancelledError):
            await workflow.wait_condition(workflow.all_handlers_finished)
