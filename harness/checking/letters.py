"""The invariant of dead letters: what failed for good has one, and nothing else does."""

from collections.abc import Callable, Collection, Iterator
from math import inf

from msgspec import Struct

from harness.checking.invariants import Records, as_judgement, unknown
from harness.records.verdicts import Finding, Judgement
from harness.records.workflows import Activity, WorkflowRun

CAME_TO_ITS_END = frozenset({"completed", "failed", "continued_as_new"})
"""Statuses of runs that could still write a letter; others were cut off, or told to let everything be."""
FAILED = frozenset({"failed", "timed_out"})
"""Outcomes of activities that failed for good: what is tried again has none yet."""


def _nobodys(_: Records) -> Collection[str]:
    return ()


class Letters(Struct, frozen=True, kw_only=True):
    """An invariant of a target's own: every workflow, and every activity, that failed for good has a dead letter.

    Letters are read from the ledger, where each is an effect of one of two steps. A run that was terminated or timed
    out, and in whose place another one of the same id came, is not an end. An activity needs a letter where its
    workflow came to its end and had not been told to cancel, nor had told the activity to. Unknown where no ledger was
    read.
    """

    name: str
    workflow: str
    """The step whose item is the id of a run that failed."""
    activity: str
    """The step whose item is "run id/activity id" of an activity that failed."""
    writers: frozenset[str] = frozenset()
    """Types of the activities that write letters, of which there is none."""
    cut_off: Callable[[Records], Collection[str]] = _nobodys
    """Runs, as "workflow id/run id", of whose termination nobody can say whether it should have a letter."""

    def __call__(self, records: Records) -> Judgement:
        if records.effects is None:
            return unknown(self.name, "the ledger was not read")
        findings = [*self._of_workflows(records), *self._of_activities(records)]
        return as_judgement(self.name, len(records.workflows), findings)

    def _of_workflows(self, records: Records) -> Iterator[Finding]:
        lettered = {each.item for each in records.effects or () if each.step == self.workflow}
        cut_off = self.cut_off(records)
        newest = {run.workflow_id: run.run_id for run in sorted(records.workflows, key=_age)}
        for run in records.workflows:
            told = f"{run.type} ended {run.status}"
            nobodys = run.status == "terminated" and f"{run.workflow_id}/{run.run_id}" in cut_off
            if run.run_id not in lettered and _is_bad_end(run, newest[run.workflow_id]) and not nobodys:
                yield _finding(run, "silent", f"{told}, and no dead letter says so")
            elif run.run_id in lettered and run.status in {"completed", "continued_as_new"}:
                yield _finding(run, "phantom", f"{told}, and a dead letter says that it failed")

    def _of_activities(self, records: Records) -> Iterator[Finding]:
        lettered = {each.item for each in records.effects or () if each.step == self.activity}
        # Under whichever run: one that a reset made has the activities of the run before it, which wrote their letters.
        known = {(e.workflow_id, e.item.partition("/")[2]) for e in records.effects or () if e.step == self.activity}
        for run in records.workflows:
            for activity in run.activities:
                told = f"{activity.type} ({activity.activity_id}) ended {activity.outcome}"
                if self._needs_letter(run, activity) and (run.workflow_id, activity.activity_id) not in known:
                    yield _finding(run, "silent", f"{told}, and no dead letter says so", activity.type)
                elif activity.outcome == "completed" and f"{run.run_id}/{activity.activity_id}" in lettered:
                    yield _finding(run, "phantom", f"{told}, and a dead letter says that it failed", activity.type)

    def _needs_letter(self, run: WorkflowRun, activity: Activity) -> bool:
        return (
            run.status in CAME_TO_ITS_END
            and run.cancel_requested is None
            and activity.outcome in FAILED
            and not activity.told_to_cancel
            and activity.type not in self.writers
        )


def _age(run: WorkflowRun) -> tuple[float, float]:
    """When it was started and ended: the run that a reset makes tells the start of the one it replaces."""
    return run.started, run.closed if run.closed is not None else inf


def _is_bad_end(run: WorkflowRun, newest: str) -> bool:
    return run.status == "failed" or (run.status in {"terminated", "timed_out"} and run.run_id == newest)


def _finding(run: WorkflowRun, problem: str, message: str, step: str | None = None) -> Finding:
    return Finding(problem=problem, message=message, workflow_id=run.workflow_id, step=step)
