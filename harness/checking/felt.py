"""Who met a fault: the activity attempts and operations that failed while it was in force."""

from collections.abc import Iterable, Sequence

import msgspec

from harness.records.faults import FaultWindow
from harness.records.operations import Operation
from harness.records.workflows import Activity, WorkflowRun

NAMED = 5
"""How many of those who felt a fault are named in its window."""


def felt(window: FaultWindow, workflows: Iterable[WorkflowRun], operations: Iterable[Operation]) -> FaultWindow:
    """The same window, with who met it.

    An activity met it if an attempt failed and the attempts span the window: it was scheduled before heal and its
    last attempt began after inject. A call met it if it was made before heal and never answered, though its fate
    may have been found out since.
    """
    met = [
        f"{run.workflow_id}: {activity.type}, attempt {activity.attempts}: {activity.last_failure}"
        for run in workflows
        for activity in run.activities
        if _met(activity, window)
    ]
    met += [
        f"{op.workflow_id}: {op.kind} {op.name}: {op.error}"
        for op in operations
        if op.acknowledged is None and op.sent < window.healed
    ]
    return msgspec.structs.replace(window, felt=len(met), felt_by=tuple(met[:NAMED]))


def felt_all(
    windows: Sequence[FaultWindow], workflows: Sequence[WorkflowRun], operations: Sequence[Operation]
) -> list[FaultWindow]:
    """Every window with who met it."""
    return [felt(window, workflows, operations) for window in windows]


def _met(activity: Activity, window: FaultWindow) -> bool:
    return (
        activity.attempts > 1
        and activity.last_failure is not None
        and activity.scheduled < window.healed
        and activity.started is not None
        and activity.started > window.injected
    )
