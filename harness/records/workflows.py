"""What Temporal's event history says of a workflow run, as far as judging needs it."""

from msgspec import Struct

from harness.records.anatomy import Anatomy

OPEN = "running"
CLOSED = frozenset({"completed", "failed", "canceled", "terminated", "timed_out", "continued_as_new"})


class TaskFailure(Struct, frozen=True, kw_only=True):
    """A failed workflow task."""

    event_id: int
    cause: str
    """The name Temporal gives the cause, without its prefix: NON_DETERMINISTIC_ERROR, UNHANDLED_COMMAND, …"""
    message: str


class WorkflowTask(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One workflow task that the history holds. Times are seconds since the Unix epoch, by the server's clock."""

    scheduled: float
    started: float | None = None
    """When a worker was given it; None where none was."""
    closed: float | None = None
    outcome: str = ""
    """completed, failed or timed_out; empty while it has not ended."""
    sticky: bool = False
    """Whether it was kept for the worker that had the one before, until that worker's sticky timeout."""
    worker: str = ""
    """The identity of the worker that was given it; empty where none was."""
    timeout: float = 0.0
    """Seconds that a worker has for it."""


class Declared(Struct, frozen=True, kw_only=True):
    """What a workflow declared of an activity, in seconds, with the server's defaults filled in."""

    initial_interval: float
    backoff_coefficient: float
    maximum_interval: float
    heartbeat_timeout: float | None = None
    start_to_close_timeout: float | None = None

    def pause(self, attempt: int) -> float:
        """Seconds between the failure of an attempt, counted from 1, and when the next one is due."""
        # Any policy has reached its maximum by then, and floats have not reached theirs.
        grown = self.initial_interval * self.backoff_coefficient ** min(attempt - 1, 100)
        return min(grown, self.maximum_interval)


class Activity(Struct, frozen=True, kw_only=True):
    """One activity, by its last attempt. Times are seconds since the Unix epoch, by the server's clock."""

    type: str
    activity_id: str
    scheduled: float
    started: float | None
    closed: float | None
    attempts: int
    """How many attempts were made; 0 while none was started."""
    worker: str
    """The identity of the worker that ran the last attempt; empty while none did."""
    last_failure: str | None
    """Why the attempt before the last one failed; None where the first succeeded."""
    outcome: str = ""
    """completed, failed, timed_out or canceled; empty while it has not ended."""
    event_id: int = 0
    """Of the event that scheduled it; 0 in runs that did not record it."""
    timed_out: str = ""
    """By which timeout the attempt before the last one ended: heartbeat, start_to_close; empty if by none."""
    asked_pause: float | None = None
    """Seconds after which the attempt before the last one asked for the next; None where it did not ask."""
    declared: Declared | None = None
    told_to_cancel: bool = False
    """Whether its workflow gave it up, however it ended then."""


class WorkflowRun(Struct, frozen=True, kw_only=True):
    """One run of one workflow. Times are seconds since the Unix epoch, by the server's clock."""

    scenario: str
    iteration: int
    workflow_id: str
    run_id: str
    type: str
    status: str
    started: float
    closed: float | None
    events: int
    """Length of the history."""
    task_failures: tuple[TaskFailure, ...] = ()
    activities: tuple[Activity, ...] = ()
    tasks: tuple[WorkflowTask, ...] = ()
    """Its workflow tasks, in the order they were scheduled."""
    cancel_requested: float | None = None
    """When it was told to cancel; None where it was not."""
    begun_after_cancel: tuple[str, ...] = ()
    """Types of the activities that it began after that, in their order."""
    went_on_with: tuple[str, ...] = ()
    """Those of them whose type it had begun before, and whose input it had not: more of the work it was told to end."""
    input_digest: str = ""
    """Of what it was started with; empty where that was nothing, of children, and of what a schedule started."""
    anatomy: Anatomy | None = None
    """What its time was spent on; None while it is open."""

    def activity_time(self) -> float:
        """Seconds during which at least one activity attempt was running (last attempts only)."""
        spans = sorted(
            (activity.started, activity.closed)
            for activity in self.activities
            if activity.started is not None and activity.closed is not None
        )
        total, end = 0.0, float("-inf")
        for start, stop in spans:
            total += max(0.0, stop - max(start, end))
            end = max(end, stop)
        return total
