"""What cannot be trusted of what a test's workflows did, and of the faults it armed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Interceptor, WorkerConfig

from harness.armed import Fault
from harness.cancelling import Cancelling
from harness.checking.cancelling import swallowed
from harness.checking.invariants import HARMLESS_TASK_FAILURES
from harness.ran import ran
from harness.replay.semantic import SemanticReplayer
from harness.replay.told import told
from harness.replay.unheard import unheard

if TYPE_CHECKING:
    from harness.wire import Rule


def failed_tasks(history: WorkflowHistory) -> list[str]:
    """Tell each workflow task that failed for a cause that is not harmless."""
    lines = []
    for event in history.events:
        if not event.HasField("workflow_task_failed_event_attributes"):
            continue
        attributes = event.workflow_task_failed_event_attributes
        cause = WorkflowTaskFailedCause.Name(attributes.cause).removeprefix("WORKFLOW_TASK_FAILED_CAUSE_")
        if cause not in HARMLESS_TASK_FAILURES:
            reason = attributes.failure.message or attributes.failure.cause.message
            lines.append(
                f"{history.workflow_id!r}: a workflow task failed, event {event.event_id}: {cause.lower()}: {reason}"
            )
    return lines


def went_on(history: WorkflowHistory) -> list[str]:
    """Tell a workflow that was told to cancel, and completed after it had gone on with its work."""
    cancelling = Cancelling()
    for event in history.events:
        cancelling.tell(event)
    completed = history.events[-1].HasField("workflow_execution_completed_event_attributes")
    if not (completed and cancelling.went_on_with):
        return []
    started = history.events[0].workflow_execution_started_event_attributes
    return [f"{history.workflow_id!r}: {swallowed(started.workflow_type.name, tuple(cancelling.went_on_with))}"]


async def unlike(
    client: Client, workers: Sequence[WorkerConfig], found: Sequence[WorkflowHistory], *, signals: bool = True
) -> list[str]:
    """Tell each history that does not replay with the code of the worker that ran it, or commands something else.

    With `signals`, those too that were lost at continue-as-new.
    """
    lines: list[str] = []
    replayers: dict[int, SemanticReplayer] = {}
    for history in found:
        number = _who_ran(workers, history)
        if number is None:
            continue
        if number not in replayers:
            replayers[number] = _replayer(client, workers[number])
        replayed = await replayers[number].replay(history)
        lines += told(replayed)
        if replayed.same and signals:
            lines += await unheard(replayers[number], history)
    return lines


def unreplayable(workers: Sequence[WorkerConfig], history: WorkflowHistory) -> list[str]:
    """Tell a history that was run by none of these workers, though some worker did: nobody has its code."""
    was_run = any(event.HasField("workflow_task_completed_event_attributes") for event in history.events)
    if not was_run or _who_ran(workers, history) is not None:
        return []
    name = history.events[0].workflow_execution_started_event_attributes.workflow_type.name
    line = f"{name} {history.workflow_id!r} was not replayed: no worker made from the test's client ran it"
    return [f'{line} (where that is meant, mark the test @pytest.mark.temporal(unreplayed="why"))']


def unbitten(fault: Fault) -> str:
    """Tell a fault that was armed in vain."""
    attempts = fault.attempts
    numbers = f"{attempts.first}" if attempts.first == attempts.last else f"{attempts.first} to {attempts.last}"
    reached = (
        "a kill bites a worker in a process of its own, started with `temporal.faults.environment`"
        if fault.act == "kill"
        else "a worker has fault points if it is made after the first use of `temporal.faults`"
    )
    return (
        f"a fault was armed and never bit: {fault.act} {fault.point} {attempts.activity}, attempt {numbers} ({reached})"
    )


def unmet(rule: Rule) -> str:
    """Tell a rule of the wire that met no call, or only such as the server refused."""
    about = ", ".join(f"{name}={value!r}" for name, value in rule.choice.items())
    what = f"{rule.act} {rule.rpc}{f' ({about})' if about else ''}"
    if rule.bitten:
        answers = ", ".join(sorted({bite.answers[0] for bite in rule.bitten}))
        return f"a rule of the wire bit only what the server refused: {what}: {answers}"
    return (
        f"a rule of the wire never bit: {what} "
        "(what is connected before the first `await temporal.wire()` does not pass it)"
    )


def _who_ran(workers: Sequence[WorkerConfig], history: WorkflowHistory) -> int | None:
    """The number of the last of these workers that worked on it."""
    return next((number for number in reversed(range(len(workers))) if ran(workers[number], history)), None)


def _replayer(client: Client, config: WorkerConfig) -> SemanticReplayer:
    names = ("workflow_runner", "unsandboxed_workflow_runner", "workflow_failure_exception_types")
    options: dict[str, Any] = {name: value for name, value in config.items() if name in names}
    # A worker has those of its client too, before its own.
    inherited = [one for one in client.config(active_config=True)["interceptors"] if isinstance(one, Interceptor)]
    return SemanticReplayer(
        workflows=list(config.get("workflows", ())),
        data_converter=client.data_converter,
        interceptors=[*inherited, *config.get("interceptors", ())],
        **options,
    )
