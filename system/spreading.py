"""Lets heavy activities go to whichever worker is free, not to the one that has their workflow."""

from __future__ import annotations

from typing import Any

from temporalio.worker import (
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.workflow import ActivityHandle

from system.pipeline.models import LOAD_CHUNK

HEAVY = frozenset({LOAD_CHUNK})
"""Activities that keep a processor busy for long."""


class SpreadingInterceptor(Interceptor):
    """Keeps heavy activities from being started eagerly.

    The answer to a workflow task may bring its activities at once, which saves a poll. But all of them then run in the
    worker that has the workflow cached, while others are idle.
    """

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 the SDK's own parameter name
    ) -> type[WorkflowInboundInterceptor]:
        """See base class."""
        return _Inbound


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_Outbound(outbound))


class _Outbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> ActivityHandle[Any]:  # noqa: A002 the SDK's own parameter name
        input.disable_eager_execution |= input.activity in HEAVY
        return super().start_activity(input)
