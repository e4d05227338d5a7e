"""Which fault met which workflow at which step; and where none did, though work was under way."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from harness.checking.felt import Met, who_met
from harness.checking.usual import usual
from harness.records.faults import FaultWindow
from harness.records.operations import Kind, Operation
from harness.records.workflows import WorkflowRun

TASKS = "workflow task"
"""How `who_met` names that step."""


class Cell(Struct, frozen=True, kw_only=True):
    """One fault and one step."""

    met: int
    """How often it met the fault."""
    there: int
    """How many of it were under way while the fault lasted."""


class Coverage(Struct, frozen=True, kw_only=True):
    """The faults of a run, against the steps of one type of workflow."""

    type: str
    """Empty of what belongs to no workflow that is known."""
    steps: tuple[str, ...]
    """Calls, workflow tasks and activities, in that order."""
    rows: tuple[tuple[Cell, ...], ...]
    """One for each fault, in the order given; a cell for each step."""


def fault_coverage(
    windows: Sequence[FaultWindow], workflows: Sequence[WorkflowRun], operations: Sequence[Operation]
) -> list[Coverage]:
    """The matrix, by type of workflow: each step that the run took, whether a fault met it or not."""
    types = _types(workflows, operations)
    calm = usual(windows, workflows, operations)
    counted = [
        (_met(who_met(window, workflows, operations, calm), types), _there(window, workflows, operations, types))
        for window in windows
    ]
    steps = [*_steps(workflows, operations, types), *(key for met, _ in counted for key in met)]
    by_type: dict[str, dict[str, None]] = {}
    for type_, step in steps:
        by_type.setdefault(type_, {})[step] = None
    return [
        Coverage(
            type=type_,
            steps=tuple(names),
            rows=tuple(
                tuple(Cell(met=met[type_, step], there=max(there[type_, step], met[type_, step])) for step in names)
                for met, there in counted
            ),
        )
        for type_, names in by_type.items()
    ]


Key = tuple[str, str]
"""Type of the workflow, and step."""


def _types(workflows: Iterable[WorkflowRun], operations: Iterable[Operation]) -> Mapping[str, str]:
    """The type of each workflow, by its id; of one that never began, what its start asked for."""
    asked = {op.workflow_id: op.name for op in operations if op.kind is Kind.START}
    return {**asked, **{run.workflow_id: run.type for run in workflows}}


def _met(found: Iterable[Met], types: Mapping[str, str]) -> Counter[Key]:
    return Counter((types.get(met.workflow_id, ""), met.step.strip()) for met in found)


def _steps(
    workflows: Iterable[WorkflowRun], operations: Iterable[Operation], types: Mapping[str, str]
) -> Iterator[Key]:
    yield from dict.fromkeys((types.get(op.workflow_id, ""), _named(op)) for op in operations)
    workflows = list(workflows)
    yield from dict.fromkeys((run.type, TASKS) for run in workflows)
    yield from dict.fromkeys((run.type, activity.type) for run in workflows for activity in run.activities)


def _there(
    window: FaultWindow,
    workflows: Iterable[WorkflowRun],
    operations: Iterable[Operation],
    types: Mapping[str, str],
) -> Counter[Key]:
    """What was under way while a fault lasted; of workflow tasks, the runs that had one."""
    there: Counter[Key] = Counter()
    for op in operations:
        if _overlaps(window, op.sent, op.ended):
            there[types.get(op.workflow_id, ""), _named(op)] += 1
    for run in workflows:
        there[run.type, TASKS] += any(_overlaps(window, task.scheduled, task.closed) for task in run.tasks)
        for activity in run.activities:
            there[run.type, activity.type] += _overlaps(window, activity.scheduled, activity.closed)
    return there


def _overlaps(window: FaultWindow, since: float, until: float | None) -> bool:
    return since < window.healed and (until is None or until > window.injected)


def _named(operation: Operation) -> str:
    """As `who_met` names a call; a result has no name of its own."""
    return f"{operation.kind} {operation.name}".strip()
