"""What histories and calls together say of an iteration: what it waited for, after a fault was healed."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from harness.checking.critical_path import Span, critical_path
from harness.checking.lateness import NEVER, Life
from harness.checking.percentiles import percentile
from harness.checking.waits import WORKFLOW_TASK, Heal, Signs, Wait, waits_of
from harness.records.faults import FaultWindow
from harness.records.operations import Kind, Operation
from harness.records.workflows import WorkflowRun


class Stories:
    """All iterations of one load, by scenario and index."""

    def __init__(self, operations: Iterable[Operation], workflows: Sequence[WorkflowRun], first: float) -> None:
        """`first` is when the first fault was injected: before it, executions took as long as they usually do."""
        self._workflows = workflows
        self._signs, self._usual = Signs(workflows), usual(workflows, first)
        self._runs: dict[tuple[str, int], list[WorkflowRun]] = defaultdict(list)
        for run in workflows:
            self._runs[run.scenario, run.iteration].append(run)
        self._calls: dict[tuple[str, int], list[Operation]] = defaultdict(list)
        for operation in operations:
            self._calls[operation.scenario, operation.iteration].append(operation)
        answered = (op.ended for calls in self._calls.values() for op in calls)
        closed = (run.closed for run in workflows)
        self.end = max((time for time in (*answered, *closed) if time is not None), default=first)
        """When the last thing happened of which anything is known: seconds since the Unix epoch."""

    def heal(self, window: FaultWindow, following: float) -> Heal:
        """The end of a fault; `following` is when the next one was injected."""
        return Heal(
            time=window.healed,
            signs=self._signs,
            usual=self._usual,
            since=usual(self._workflows, following, window.healed),
            held_polls=holds_polls(window),
            held_calls=holds_calls(window),
        )

    def path(self, life: Life, at: Heal, until: float) -> list[Wait]:
        """What an iteration waited for, from the heal or from its intended start to its end or to `until`."""
        heal = at.time
        waits = [wait for run in self._runs[life.key] for wait in waits_of(run, at)]
        if life.ended > until:
            # Whatever still goes on then is what it waits for.
            waits = [msgspec.structs.replace(wait, until=min(wait.until, until)) for wait in waits]
        return critical_path(waits, max(heal, life.intended), min(life.ended, until), self._unanswered(life.key, at))

    def _unanswered(self, key: tuple[str, int], at: Heal) -> list[Span]:
        """When calls were under way that what was broken held up: those that were sent before it was mended.

        A result is waited for anyway, until the last workflow has closed.
        """
        if not at.held_calls:
            return []
        held = [op for op in self._calls[key] if op.sent < at.time]
        closed = max((NEVER if run.closed is None else run.closed for run in self._runs[key]), default=NEVER)
        return [(closed if op.kind is Kind.RESULT else op.sent, NEVER if op.ended is None else op.ended) for op in held]


def holds_polls(window: FaultWindow) -> bool:
    """Whether a fault can keep workers from asking for tasks: it was of workers, or of their way to Temporal.

    A fault point may have killed its worker.
    """
    owner, _, service = window.on.rpartition(".")
    by_temporal = service == "temporal" and owner != "client"
    return by_temporal or window.name == "point" or (not owner and service.startswith("worker"))


def holds_calls(window: FaultWindow) -> bool:
    """Whether a fault can keep a client's calls from being answered: it was of Temporal, or of the client's way there.

    What was lost on the wire may have been a call too.
    """
    return window.on in {"temporal", "client.temporal"} or window.name == "wire"


def usual(workflows: Iterable[WorkflowRun], until: float, since: float = 0.0) -> Mapping[str, float]:
    """Seconds that executions take of each type of activity, and of workflow tasks.

    The p95 of those that began after `since` and ended before `until`.
    """
    took: dict[str, list[float]] = defaultdict(list)
    for run in workflows:
        done = [(WORKFLOW_TASK, task.started, task.closed) for task in run.tasks if task.outcome == "completed"]
        done += [(each.type, each.started, each.closed) for each in run.activities if each.outcome == "completed"]
        for kind, started, closed in done:
            if started is not None and closed is not None and since <= started and closed < until:
                took[kind].append(closed - started)
    return {kind: found for kind, times in took.items() if (found := percentile(times, 95)) is not None}
