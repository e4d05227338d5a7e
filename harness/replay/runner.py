"""Runs workflows as another runner does, and keeps what they command before it is encoded.

The SDK's runner and instance are public; the messages between them are its bridge's: `issued.py` reads them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_commands import WorkflowCommand
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner

from harness.replay.commands import Command
from harness.replay.issued import issued


@dataclass(kw_only=True)
class Asked:
    """What a run was asked on replay, and what it commanded."""

    own_queue: str = ""
    tasks: dict[int, list[WorkflowCommand]] = field(default_factory=dict)
    """Its commands, by the id of the event with which their workflow task began."""

    @property
    def commands(self) -> list[Command]:
        """In their order."""
        return issued(self.tasks.values(), self.own_queue)

    @property
    def reached(self) -> int:
        """With which event its last workflow task began; 0 where it was asked nothing."""
        return max(self.tasks, default=0)


class RecordingRunner(WorkflowRunner):
    """Runs workflows by another runner, and keeps what the newest instance of each run commanded."""

    def __init__(self, runner: WorkflowRunner) -> None:
        self._runner = runner
        self._kept: dict[str, Asked] = {}

    def take(self, run_id: str) -> Asked | None:
        """What a run was asked so far, None if it never ran here; it is kept no longer."""
        return self._kept.pop(run_id, None)

    def prepare_workflow(self, defn: Any) -> None:
        self._runner.prepare_workflow(defn)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        self._runner.set_worker_level_failure_exception_types(types)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        asked = self._kept[det.info.run_id] = Asked(own_queue=det.info.task_queue)
        return _RecordingInstance(self._runner.create_instance(det), asked)


class _RecordingInstance(WorkflowInstance):
    def __init__(self, instance: WorkflowInstance, asked: Asked) -> None:
        self._instance = instance
        self._asked = asked

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        completion = self._instance.activate(act)
        if any(job.HasField("remove_from_cache") for job in act.jobs):
            return completion
        # Copied now: the worker encodes them in place, and may store their payloads elsewhere.
        copy = WorkflowActivationCompletion()
        copy.CopyFrom(completion)
        self._asked.tasks.setdefault(act.history_length, []).extend(copy.successful.commands)
        return completion

    def get_serialization_context(self, command_info: Any) -> Any:
        return self._instance.get_serialization_context(command_info)

    def get_external_store_context(self, command_info: Any) -> Any:
        return self._instance.get_external_store_context(command_info)

    def get_info(self) -> Any:
        return self._instance.get_info()

    def get_thread_id(self) -> int | None:
        return self._instance.get_thread_id()
