"""The slowest workflows of a run, with what their activities had to retry."""

from collections.abc import Iterable

from msgspec import Struct

from harness.records.anatomy import Anatomy
from harness.records.workflows import Activity, WorkflowRun
from reports.anatomy import WORDS
from reports.figures import share
from reports.webui import WebUI


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
    link: str
    """Its history in Temporal's UI; empty where the UI's address is not known."""
    type: str
    status: str
    took: float
    """Seconds from its start to its close, by the server's clock."""
    spent: str
    """What most of that was spent on; empty where its anatomy is not known."""
    retries: int
    """Activity attempts beyond the first."""
    retried: tuple[Retried, ...]


def slowest(runs: Iterable[WorkflowRun], ui: WebUI, most: int = 10) -> list[Slow]:
    """The closed runs that took longest, longest first. Of one that is still open nobody knows how long it takes."""
    closed = [(run.closed - run.started, run) for run in runs if run.closed is not None]
    closed.sort(key=lambda pair: (-pair[0], pair[1].workflow_id))
    return [_slow(run, took, ui) for took, run in closed[:most]]


def _slow(run: WorkflowRun, took: float, ui: WebUI) -> Slow:
    again = [activity for activity in run.activities if activity.attempts > 1]
    return Slow(
        workflow_id=run.workflow_id,
        link=ui.history(run.workflow_id, run.run_id),
        type=run.type,
        status=run.status,
        took=took,
        spent=_spent(run.anatomy, took),
        retries=sum(activity.attempts - 1 for activity in again),
        retried=_grouped(again),
    )


def _spent(anatomy: Anatomy | None, took: float) -> str:
    if anatomy is None or not anatomy.seconds:
        return ""
    part, seconds = max(anatomy.seconds.items(), key=lambda each: each[1])
    return f"{WORDS[part].name}, {share(seconds, took)}"


def _grouped(activities: Iterable[Activity]) -> tuple[Retried, ...]:
    groups: dict[tuple[str, str | None], list[int]] = {}
    for activity in activities:
        groups.setdefault((activity.type, activity.last_failure), []).append(activity.attempts)
    return tuple(
        Retried(type=name, activities=len(attempts), attempts=max(attempts), failure=failure)
        for (name, failure), attempts in groups.items()
    )
