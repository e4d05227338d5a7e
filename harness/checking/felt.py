"""Who met a fault: the activity attempts and calls that failed, or had to wait, while it was in force."""

from collections.abc import Iterable, Sequence

import msgspec

from harness.records.faults import FaultWindow
from harness.records.operations import Kind, Operation
from harness.records.workflows import Activity, WorkflowRun

NAMED = 5
"""How many of those who felt a fault are named in its window."""


def felt(window: FaultWindow, workflows: Iterable[WorkflowRun], operations: Iterable[Operation]) -> FaultWindow:
    """The same window, with who met it: calls where the client's link was broken, activity attempts elsewhere.

    A link without an open connection was used by nobody, so nobody felt its fault, whatever failed meanwhile. Which
    worker made a failed attempt is not in the history: an attempt is attributed by its time.
    """
    if window.cut == 0:
        return msgspec.structs.replace(window, felt=0, felt_by=())
    met = _calls(window, operations) if window.on.startswith("client.") else _attempts(window, workflows)
    return msgspec.structs.replace(window, felt=len(met), felt_by=tuple(met[:NAMED]))


def felt_all(
    windows: Sequence[FaultWindow], workflows: Sequence[WorkflowRun], operations: Sequence[Operation]
) -> list[FaultWindow]:
    """Every window with who met it."""
    return [felt(window, workflows, operations) for window in windows]


def _attempts(window: FaultWindow, workflows: Iterable[WorkflowRun]) -> list[str]:
    return [
        f"{run.workflow_id}: {activity.type}, attempt {activity.attempts}: {activity.last_failure}"
        for run in workflows
        for activity in run.activities
        if _failed_in(activity, window)
    ]


def _failed_in(activity: Activity, window: FaultWindow) -> bool:
    """An attempt failed, and the attempts span the window: due before heal, and the last one begun after inject."""
    return (
        activity.attempts > 1
        and activity.last_failure is not None
        and activity.scheduled < window.healed
        and activity.started is not None
        and activity.started > window.injected
    )


def _calls(window: FaultWindow, operations: Iterable[Operation]) -> list[str]:
    return [f"{op.workflow_id}: {op.kind} {op.name}: {told}" for op in operations if (told := _met(op, window))]


def _met(op: Operation, window: FaultWindow) -> str:
    """How the call met the fault: unanswered, or answered only after heal. A result is waited for anyway."""
    if op.sent >= window.healed:
        return ""
    if op.acknowledged is None:
        given_up = op.given_up or float("inf")
        return (op.error or "no answer") if given_up > window.injected else ""
    if op.kind is Kind.RESULT or op.acknowledged < window.healed:
        return ""
    return f"answered {op.acknowledged - op.sent:.1f} s after it was sent"
