"""How long a worker may be silent about a workflow task before another one gets it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from temporalio.client import (
    Interceptor,
    OutboundInterceptor,
    StartWorkflowInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
)

TASK = timedelta(seconds=4)
"""A workflow task takes milliseconds. One that a worker took with it as it was killed is handed out again so much
later; by default it would be 10 s."""


class TaskTimeouts(Interceptor):
    """Sets the timeout of workflow tasks when a client starts a workflow and names none."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 the SDK's own parameter name
        """See base class."""
        return _Client(next)


class _Client(OutboundInterceptor):
    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002 the SDK's own parameter name
        input.task_timeout = input.task_timeout or TASK
        return await super().start_workflow(input)

    async def start_update_with_start_workflow(self, input: StartWorkflowUpdateWithStartInput) -> Any:  # noqa: A002 the SDK's own parameter name
        start = input.start_workflow_input
        start.task_timeout = start.task_timeout or TASK
        return await super().start_update_with_start_workflow(input)
