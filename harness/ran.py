"""Which runs of workflows a worker of a test worked on, whoever started them: a schedule, a parent, another client."""

from __future__ import annotations

from collections.abc import Callable

from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import (
    Interceptor,
    WorkerConfig,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

NOTE = "temper_note_run"
"""What a workflow's sandbox calls it by."""


class NotingRuns(Interceptor):
    """Notes each run that one worker begins, or begins again, and tells it by the ids of workflow and run."""

    def __init__(self, tell: Callable[[str, str], None]) -> None:
        self.recorded_as: set[str] = set()
        """The run ids in their histories: of a workflow that was reset, that of its first run."""
        self._tell = tell

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002 the SDK's own parameter name
        """See base class."""
        input.unsafe_extern_functions[NOTE] = self._note
        return _Inbound

    def _note(self, info: workflow.Info) -> None:
        self.recorded_as.add(info.original_execution_run_id)
        self._tell(info.workflow_id, info.run_id)


class _Inbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        workflow.extern_functions()[NOTE](outbound.info())
        super().init(outbound)


def ran(config: WorkerConfig, history: WorkflowHistory) -> bool:
    """Whether the worker of this configuration worked on the history."""
    interceptors = config.get("interceptors", ())
    return any(isinstance(one, NotingRuns) and history.run_id in one.recorded_as for one in interceptors)
