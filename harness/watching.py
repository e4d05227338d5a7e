"""What a test did with Temporal: the runs of its workflows, the workers that ran them, and their attempts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from temporalio.client import (
    Client,
    ClientConfig,
    CreateScheduleInput,
    Interceptor,
    OutboundInterceptor,
    Plugin,
    ScheduleActionExecutionStartWorkflow,
    ScheduleHandle,
    StartWorkflowInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowUpdateHandle,
)
from temporalio.service import ConnectConfig, RPCError, RPCStatusCode, ServiceClient
from temporalio.worker import Interceptor as WorkerInterceptor
from temporalio.worker import Plugin as WorkerPlugin
from temporalio.worker import Replayer, ReplayerConfig, Worker, WorkerConfig

from harness.attempted import Attempted, NotingAttempts
from harness.ran import NotingRuns

Execution: TypeAlias = tuple[str, str | None]
"""The ids of a workflow and a run of it; None is the latest."""


@dataclass
class Watched:
    """What was seen so far: workflows, schedules, the configuration of each worker, attempts; in order."""

    runs: dict[Execution, None] = field(default_factory=dict)
    """Those that the test started, or its workers worked on."""
    schedules: dict[str, None] = field(default_factory=dict)
    """Ids of those that the test created."""
    workers: list[WorkerConfig] = field(default_factory=list)
    attempts: list[Attempted] = field(default_factory=list)
    interceptors: list[WorkerInterceptor] = field(default_factory=list)
    """What workers that are made from now on get besides their own."""

    @property
    def workflows(self) -> list[str]:
        """Ids of the workflows."""
        seen = list(self.runs)  # workers note more meanwhile, on threads of theirs
        return list(dict.fromkeys(workflow_id for workflow_id, _ in seen))

    def note(self, workflow_id: str, run_id: str | None = None) -> None:
        """Note a run."""
        self.runs[workflow_id, run_id] = None

    async def histories(self, client: Client) -> list[WorkflowHistory]:
        """Fetch the histories of all that was seen, of earlier and later runs, and of children."""
        begun = [run for schedule_id in list(self.schedules) for run in await _begun(client, schedule_id)]
        return await histories(client, self.workflows, [*self.runs, *begun])

    def clear(self) -> None:
        """Forget it all."""
        self.runs.clear()
        self.schedules.clear()
        self.workers.clear()
        self.attempts.clear()
        self.interceptors.clear()


class Watch(Plugin, WorkerPlugin):
    """A plugin for a test's client: everything the client starts, and every worker made from it, is noted."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        config["interceptors"] = [*config.get("interceptors", ()), _Noting(self._watched)]
        return config

    async def connect_service_client(
        self,
        config: ConnectConfig,
        next: Callable[[ConnectConfig], Awaitable[ServiceClient]],
    ) -> ServiceClient:
        return await next(config)

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        noting = [NotingRuns(self._watched.note), NotingAttempts(self._watched.attempts)]
        config["interceptors"] = [*noting, *self._watched.interceptors, *config.get("interceptors", ())]
        return config

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:
        # Noted here, when every plugin has had its say.
        self._watched.workers.append(worker.config(active_config=True))
        await next(worker)

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        return config

    def run_replayer(
        self,
        replayer: Replayer,
        histories: AsyncIterator[WorkflowHistory],
        next: Callable[[Replayer, AsyncIterator[WorkflowHistory]], Any],
    ) -> Any:
        return next(replayer, histories)


class _Noting(Interceptor):
    def __init__(self, watched: Watched) -> None:
        self._watched = watched

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _NotingOutbound(next, self._watched)


class _NotingOutbound(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, watched: Watched) -> None:
        super().__init__(next)
        self._watched = watched

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:
        # Before the call: a start that times out may have happened.
        self._watched.note(input.id)
        handle = await super().start_workflow(input)
        # An id may be used again, and its latest run be another one then.
        self._watched.note(input.id, handle.first_execution_run_id)
        return handle

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,
    ) -> WorkflowUpdateHandle[Any]:
        self._watched.note(input.start_workflow_input.id)
        handle = await super().start_update_with_start_workflow(input)
        self._watched.note(input.start_workflow_input.id, handle.workflow_run_id)
        return handle

    async def create_schedule(self, input: CreateScheduleInput) -> ScheduleHandle:
        handle = await super().create_schedule(input)
        self._watched.schedules[handle.id] = None
        return handle


async def histories(client: Client, roots: Sequence[str], runs: Iterable[Execution] = ()) -> list[WorkflowHistory]:
    """Fetch the histories of these workflows, of every run of each, and of their children, the roots' order first.

    Of a workflow whose id was used more than once those are the latest runs; earlier ones can be given as `runs`.
    """
    found: dict[tuple[str, str], WorkflowHistory] = {}
    waiting: list[Execution] = list(dict.fromkeys([*((workflow_id, None) for workflow_id in roots), *runs]))
    while waiting:
        workflow_id, run_id = waiting.pop(0)
        if (workflow_id, run_id or "") in found:
            continue
        try:
            history = await client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                continue  # its start was refused
            raise
        if not history.events or (workflow_id, history.run_id) in found:
            continue
        found[workflow_id, history.run_id] = history
        waiting += _related(history)
    return list(found.values())


async def _begun(client: Client, schedule_id: str) -> list[Execution]:
    """Ids and runs of what a schedule started last, and of what it started and still runs."""
    try:
        info = (await client.get_schedule_handle(schedule_id).describe()).info
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return []  # it was deleted
        raise
    actions = [*[recent.action for recent in info.recent_actions], *info.running_actions]
    return [
        (action.workflow_id, action.first_execution_run_id)
        for action in actions
        if isinstance(action, ScheduleActionExecutionStartWorkflow)
    ]


def _related(history: WorkflowHistory) -> list[Execution]:
    """Ids and runs of earlier and later runs, and of children."""
    first = history.events[0].workflow_execution_started_event_attributes
    related: list[Execution] = []
    if first.continued_execution_run_id:
        related.append((history.workflow_id, first.continued_execution_run_id))
    for event in history.events:
        if event.HasField("child_workflow_execution_started_event_attributes"):
            child = event.child_workflow_execution_started_event_attributes.workflow_execution
            related += [(child.workflow_id, child.run_id), (child.workflow_id, None)]
        for name in (
            "workflow_execution_continued_as_new",
            "workflow_execution_completed",
            "workflow_execution_failed",
            "workflow_execution_timed_out",
        ):
            if event.HasField(f"{name}_event_attributes"):  # type: ignore[arg-type]  # each of them is a field
                next_run = getattr(event, f"{name}_event_attributes").new_execution_run_id
                related += [(history.workflow_id, next_run)] if next_run else []
    return related
