"""Who met a fault: what failed, had to wait, or was lost while it was in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import msgspec
from msgspec import Struct

from harness.checking.usual import Usual, usual
from harness.records.faults import FaultWindow
from harness.records.operations import Kind, Operation
from harness.records.workflows import Activity, WorkflowRun, WorkflowTask

NAMED = 5
"""How many of those who felt a fault are named in its window."""
CACHES = frozenset({"redis"})
"""Services that a correct system does without while they are away."""
NOTICED = 0.01
"""Seconds; whatever holds up by less cannot be told from chance, and is felt by what it held up until heal."""
ABSENCES = frozenset({"worker_drained", "worker_late", "rolling_restart"})
"""Kinds of fault of which nobody need notice anything: a worker goes as it is meant to, and others do its work."""


class Met(Struct, frozen=True, kw_only=True):
    """Somebody who met a fault."""

    workflow_id: str
    """Or whatever else it was: "worker-1", "redis"."""
    step: str
    """Type of the activity, or what else met it: a call, a workflow task."""
    told: str
    """What happened; empty where that is clear."""

    def __str__(self) -> str:
        return f"{self.workflow_id}: {self.step}" + (f", {self.told}" if self.told else "")


def who_met(
    window: FaultWindow, workflows: Iterable[WorkflowRun], operations: Iterable[Operation], usual: Usual
) -> list[Met]:
    """Everybody who met a fault, by what the fault counted itself, or by what it broke.

    The client's link is felt by calls; Temporal itself by calls, activity attempts and workflow tasks; what is a
    worker's, or a service's, by attempts, and where no task can reach a worker by workflow tasks. A link without an
    open connection was used by nobody, so nobody met its fault, whatever failed meanwhile. Which worker made a failed
    attempt is not in the history: an attempt is attributed by its time.
    """
    if window.met is not None:
        return [_as_told(each) for each in window.met]
    if window.cut == 0:
        return []
    owner, _, service = window.on.partition(".")
    met: list[Met] = []
    if owner in ("client", "temporal"):
        met += _calls(window, operations, usual)
    if owner != "client":
        runs = list(workflows)
        met += _attempts(window, runs, usual)
        if service == "temporal" or owner == "temporal" or (not service and owner.startswith("worker")):
            met += _tasks(window, runs)
        if not met and window.name in ABSENCES:
            met += _without(window, runs)
        if not met and window.cut and (service or owner) in CACHES and _at_work(window, runs):
            # Nothing has to fail while a cache is away: it was in use, and everybody did without it.
            met = [Met(workflow_id=window.on, step="an open connection", told="cut")] * window.cut
    return met


def felt(
    window: FaultWindow, workflows: Iterable[WorkflowRun], operations: Iterable[Operation], calm: Usual | None = None
) -> FaultWindow:
    """The same window, with how many met it, and some of them; `calm` is what was usual outside all windows."""
    workflows, operations = list(workflows), list(operations)
    met = who_met(window, workflows, operations, calm or usual([window], workflows, operations))
    return msgspec.structs.replace(window, felt=len(met), felt_by=tuple(map(str, met[:NAMED])))


def felt_all(
    windows: Sequence[FaultWindow], workflows: Sequence[WorkflowRun], operations: Sequence[Operation]
) -> list[FaultWindow]:
    """Every window with who met it."""
    calm = usual(windows, workflows, operations)
    return [felt(window, workflows, operations, calm) for window in windows]


def _as_told(text: str) -> Met:
    workflow_id, _, rest = text.partition(": ")
    step, _, told = rest.partition(", ")
    return Met(workflow_id=workflow_id, step=step, told=told)


def _attempts(window: FaultWindow, runs: Iterable[WorkflowRun], usual: Usual) -> Iterator[Met]:
    for run in runs:
        for activity in run.activities:
            if told := _told(activity, window, usual):
                yield Met(workflow_id=run.workflow_id, step=activity.type, told=told)


def _told(activity: Activity, window: FaultWindow, usual: Usual) -> str:
    """How the activity met the fault; empty where it did not."""
    if _failed_in(activity, window):
        return f"attempt {activity.attempts}: {activity.last_failure}"
    if activity.started is None or activity.closed is None:
        return ""
    since, until = _sure(window)
    seconds = activity.closed - activity.started
    overlaps = activity.started < until and activity.closed > since
    if _slows(window):
        held = overlaps and seconds >= _slows(window) + usual.fastest_attempt(activity.type)
    else:
        held = overlaps and activity.closed >= until and _longer_than_ever(activity, since, usual)
    return f"attempt {activity.attempts}: it took {seconds:.1f} s" if held else ""


def _longer_than_ever(activity: Activity, since: float, usual: Usual) -> bool:
    """Longer than without a fault; where none of its type ran without one, it must have run when this one began."""
    assert activity.started is not None
    assert activity.closed is not None
    slowest = usual.slowest_attempt(activity.type)
    if slowest is None:
        return activity.started <= since
    return activity.closed - activity.started > slowest


def _failed_in(activity: Activity, window: FaultWindow) -> bool:
    """An attempt failed, and the attempts span the window: due before heal, and one failed after inject.

    When it failed the history does not say; but it was no later than the last one began, less the pause before it.
    """
    if activity.attempts < 2 or activity.last_failure is None or activity.started is None:
        return False
    return activity.scheduled < window.healed and activity.started - _pause_before_the_last(activity) > window.injected


def _pause_before_the_last(activity: Activity) -> float:
    """Seconds for which the attempt before the last one had it wait; 0 where that is not told."""
    if activity.asked_pause is not None:
        return activity.asked_pause
    return activity.declared.pause(activity.attempts - 1) if activity.declared is not None else 0.0


def _tasks(window: FaultWindow, runs: Iterable[WorkflowRun]) -> Iterator[Met]:
    """Workflow tasks that nobody took, or took late; and workflows that another worker went on with."""
    for run in runs:
        if any(_timed_out(task, window) for task in run.tasks):
            told = "timed out"
        elif any(_spans(task, window) for task in run.tasks):
            told = "held up"
        elif window.on.startswith("workers") and any(_waited_for_all(task, window) for task in run.tasks):
            told = "waited for a worker"
        elif window.on.startswith("worker") and any(_moved(*both, window) for both in pairwise(run.tasks)):
            told = "went to another worker"
        else:
            continue
        yield Met(workflow_id=run.workflow_id, step="workflow task", told=told)


def _timed_out(task: WorkflowTask, window: FaultWindow) -> bool:
    return (
        task.outcome == "timed_out"
        and task.scheduled < window.healed
        and task.closed is not None
        and task.closed > window.injected
    )


def _spans(task: WorkflowTask, window: FaultWindow) -> bool:
    since, until = _sure(window)
    return task.started is not None and task.closed is not None and task.started <= since and task.closed >= until


def _waited_for_all(task: WorkflowTask, window: FaultWindow) -> bool:
    """Due while no worker could take it, and taken only when one could."""
    _, until = _sure(window)
    return task.scheduled < until and (task.started is None or task.started >= until)


def _moved(task: WorkflowTask, following: WorkflowTask, window: FaultWindow) -> bool:
    return (
        task.started is not None
        and following.started is not None
        and task.started < window.injected < following.started
        and following.scheduled < window.healed
        and "" not in (task.worker, following.worker)
        and task.worker != following.worker
    )


def _without(window: FaultWindow, runs: Iterable[WorkflowRun]) -> Iterator[Met]:
    """The attempts that began while it was in force: whoever was away did not make them."""
    since, until = _sure(window)
    for run in runs:
        for activity in run.activities:
            if activity.started is not None and since <= activity.started < until:
                yield Met(workflow_id=run.workflow_id, step=activity.type, told="made meanwhile")


def _at_work(window: FaultWindow, runs: Iterable[WorkflowRun]) -> bool:
    """Whether an attempt was under way while it was in force."""
    since, until = _sure(window)
    return any(
        activity.started is not None
        and activity.started < until
        and (activity.closed is None or activity.closed > since)
        for run in runs
        for activity in run.activities
    )


def _calls(window: FaultWindow, operations: Iterable[Operation], usual: Usual) -> Iterator[Met]:
    for op in operations:
        if told := _waited(op, window, usual):
            yield Met(workflow_id=op.workflow_id, step=f"{op.kind} {op.name}", told=told)


def _waited(op: Operation, window: FaultWindow, usual: Usual) -> str:
    """How the call met the fault: unanswered, or answered late. A result is waited for anyway."""
    if op.sent >= window.healed:
        return ""
    if op.acknowledged is None:
        given_up = op.given_up or float("inf")
        return (op.error or "no answer") if given_up > window.injected else ""
    if op.kind is Kind.RESULT:
        return ""
    seconds = op.acknowledged - op.sent
    late = op.acknowledged >= window.healed
    if _slows(window):
        since, until = _sure(window)
        held = seconds >= _slows(window) + usual.fastest_call(op)
        late = held and op.sent < until and op.acknowledged > since
    return f"answered {seconds:.1f} s after it was sent" if late else ""


def _slows(window: FaultWindow) -> float:
    """Seconds by which it holds up what meets it; 0 where that is not to be seen."""
    return window.slows if window.slows is not None and window.slows >= NOTICED else 0.0


def _sure(window: FaultWindow) -> tuple[float, float]:
    return window.sure or (window.injected, window.healed)
