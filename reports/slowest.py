"""The slowest workflows of a run, with what their activities had to retry."""

from collections.abc import Iterable

from msgspec import Struct

from harness.records.workflows import Activity, WorkflowRun


class Retried(Struct, frozen=True, kw_only=True):
    """Activities of one type that were retried for the same reason."""

    type: str
    activities: int
    attempts: int
    """The most that one of them needed."""
    failure: str | None


class Slow(Struct, frozen=True, kw_only=True):
    """One workflow run, and what was retried in it."""

    workflow_id: str
    type: str
    status: str
    took: float
    """Seconds from its start to its close, by the server's clock."""
    retries: int
    """Activity attempts beyond the first."""
    retried: tuple[Retried, ...]


def slowest(runs: Iterable[WorkflowRun], most: int = 10) -> list[Slow]:
    """The closed runs that took longest, longest first. Of one that is still open nobody knows how long it takes."""
    closed = [(run.closed - run.started, run) for run in runs if run.closed is not None]
    closed.sort(key=lambda pair: (-pair[0], pair[1].workflow_id))
    return [_slow(run, took) for took, run in closed[:most]]


def _slow(run: WorkflowRun, took: float) -> Slow:
    again = [activity for activity in run.activities if activity.attempts > 1]
    return Slow(
        workflow_id=run.workflow_id,
        type=run.type,
        status=run.status,
        took=took,
        retries=sum(activity.attempts - 1 for activity in again),
        retried=_grouped(again),
    )


def _grouped(activities: Iterable[Activity]) -> tuple[Retried, ...]:
    groups: dict[tuple[str, str | None], list[int]] = {}
    for activity in activities:
        groups.setdefault((activity.type, activity.last_failure), []).append(activity.attempts)
    return tuple(
        Retried(type=name, activities=len(attempts), attempts=max(attempts), failure=failure)
        for (name, failure), attempts in groups.items()
    )
