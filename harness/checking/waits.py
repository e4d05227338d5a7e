"""What a workflow waited for, moment by moment, told by the cause that has to be removed to wait less."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise

from msgspec import Struct

from harness.records.workflows import Activity, Declared, WorkflowRun, WorkflowTask

TIMER_SECONDS = 1.0
"""Temporal fires a timer no sooner than that: a pause of 0.2 s between two attempts was seen to take 1.0 s."""
WORKFLOW_TASK = ""
"""Stands for workflow tasks where executions are told by the type of their activity."""


class Cause(StrEnum):
    """What somebody who is late can wait for after a fault is healed."""

    DETECTION = "detection"
    """Nobody has noticed yet: no call to what was broken is answered, nobody asks for tasks, an attempt hangs on it."""
    HEARTBEAT = "heartbeat"
    """An attempt is lost, and the server waits for its next heartbeat until the heartbeat timeout."""
    SWALLOWED = "swallowed"
    """A task was given to a worker that never answers, and nobody else gets it before start-to-close is up."""
    STICKY = "sticky"
    """A workflow task is kept for the worker that had the one before, until that worker's sticky timeout."""
    RETRY = "retry"
    """An attempt has failed, and the next one is not due yet."""
    DRAIN = "drain"
    """A task waits its turn: workers take tasks, and others come first."""
    WORK = "work"
    """A worker executes an attempt or a workflow task."""
    OTHER = "other"
    """None of these: a timer runs, a message is awaited, or the server has yet to go on."""


class Wait(Struct, frozen=True, kw_only=True):
    """A time in which somebody waited for one cause: seconds since the Unix epoch."""

    cause: Cause
    since: float
    until: float
    budget: float | None = None
    """Seconds that it may take by what is declared; None where nothing is."""
    setting: str = ""
    """What sets the budget: "heartbeat_timeout of orders.ship"; empty where nothing does."""


class Signs:
    """When workers were given tasks: their signs of life, and how long a queue they had."""

    def __init__(self, runs: Sequence[WorkflowRun]) -> None:
        given: list[tuple[float | None, str]] = []
        for run in runs:
            given += [(task.started, task.worker) for task in run.tasks]
            given += [(activity.started, activity.worker) for activity in run.activities]
        first = [activity for run in runs for activity in run.activities if activity.attempts == 1]
        self._queued = sorted(
            (each.started, each.started - each.scheduled) for each in first if each.started is not None
        )
        known = sorted((started, worker) for started, worker in given if started is not None)
        self._all = [started for started, _ in known]
        self._of: dict[str, list[float]] = {}
        for started, worker in known:
            self._of.setdefault(worker, []).append(started)

    def first(self, after: float, worker: str | None = None) -> float:
        """When any worker, or this one, was first given a task after a moment; infinite where none was."""
        times = self._all if worker is None else self._of.get(worker, [])
        found = bisect_right(times, after)
        return times[found] if found < len(times) else float("inf")

    def queued(self, at: float) -> float:
        """Seconds that the activity had waited whose first attempt was the last to be given out by then; 0 if none."""
        found = bisect_right(self._queued, (at, float("inf")))
        return self._queued[found - 1][1] if found else 0.0


class Heal(Struct, frozen=True, kw_only=True):
    """A moment at which something was mended, and what is needed to tell what was waited for from then on."""

    time: float
    """Seconds since the Unix epoch."""
    signs: Signs
    usual: Mapping[str, float] = {}
    """Seconds that an execution takes while nothing is broken, by the type of the activity, or WORKFLOW_TASK."""
    since: Mapping[str, float] = {}
    """Seconds that one takes that began after this heal."""
    held_polls: bool
    """Whether what was broken can keep workers from asking for tasks."""
    held_calls: bool
    """Whether what was broken can keep a client's calls from being answered."""

    def expected(self, kind: str) -> float | None:
        """Seconds that an execution may take that has nothing to notice; None where no other is known.

        Where there is more to do than can be done, it takes long whether the heal found it under way or not.
        """
        return max((times[kind] for times in (self.usual, self.since) if kind in times), default=None)


def waits_of(run: WorkflowRun, heal: Heal) -> list[Wait]:
    """Everything that a run waited for, from its history; what lies before the heal is of no account.

    A history holds the last attempt of an activity alone. So pauses before it are laid out from the retry policy,
    from the last one back, and what is left between them are the attempts that failed.
    """
    return [
        *(wait for task in run.tasks for wait in _of_task(task, heal)),
        *_between_tasks(run.tasks),
        *(wait for activity in run.activities for wait in _of_activity(activity, heal)),
    ]


def _of_task(task: WorkflowTask, heal: Heal) -> Iterator[Wait]:
    end = float("inf") if task.closed is None else task.closed
    if task.started is None:
        if task.sticky and task.outcome == "timed_out":
            setting = "sticky_queue_schedule_to_start_timeout of the worker"
            # The server keeps it for as long as the worker declared: no history says how long that is.
            yield Wait(cause=Cause.STICKY, since=task.scheduled, until=end, setting=setting)
        else:
            yield from _queue(task.scheduled, end, heal)
        return
    yield from _queue(task.scheduled, task.started, heal, task.worker if task.sticky else None)
    if task.outcome == "timed_out":
        setting = "task_timeout of the workflow"
        yield Wait(cause=Cause.SWALLOWED, since=task.started, until=end, budget=task.timeout, setting=setting)
    else:
        yield from _execution(task.started, end, WORKFLOW_TASK, heal)


def _between_tasks(tasks: Sequence[WorkflowTask]) -> Iterator[Wait]:
    """After a workflow task that failed, the server pauses before it schedules the next."""
    for task, following in pairwise(tasks):
        if task.outcome in {"failed", "timed_out"} and task.closed is not None:
            yield Wait(cause=Cause.RETRY, since=task.closed, until=following.scheduled)


def _of_activity(activity: Activity, heal: Heal) -> Iterator[Wait]:
    end = float("inf") if activity.closed is None else activity.closed
    if activity.started is None:
        yield from _queue(activity.scheduled, end, heal)
        return
    if activity.attempts > 1:
        yield from _attempts(activity, activity.started, heal)
    else:
        yield from _queue(activity.scheduled, activity.started, heal)
    if activity.outcome == "timed_out":
        yield from _timed_out(activity, activity.started, end)
    else:
        yield from _execution(activity.started, end, activity.type, heal)


def _attempts(activity: Activity, started: float, heal: Heal) -> Iterator[Wait]:
    """The attempts before the last one, and the pauses after each, from the last one back."""
    declared, failed = activity.declared, activity.attempts - 1
    pauses = [
        max(TIMER_SECONDS, declared.pause(number)) if declared else TIMER_SECONDS for number in range(1, failed + 1)
    ]
    if activity.asked_pause is not None:
        pauses[-1] = max(TIMER_SECONDS, activity.asked_pause)
    left = max(0.0, started - activity.scheduled - sum(pauses))
    # How long the last one waited for a worker is not told; but it is of others that were given out just before.
    queued = min(left, heal.signs.queued(started))
    tried, until = (left - queued) / failed, started - queued
    yield from _queue(until, started, heal)
    for number in range(failed, 0, -1):
        if until <= activity.scheduled:
            return
        paused = max(activity.scheduled, until - pauses[number - 1])
        asked = number == failed and activity.asked_pause is not None
        setting = "next_retry_delay" if asked else _interval(declared, number)
        yield Wait(
            cause=Cause.RETRY,
            since=paused,
            until=until,
            budget=pauses[number - 1],
            setting=f"{setting} of {activity.type}",
        )
        until = max(activity.scheduled, paused - tried)
        if number == failed and activity.timed_out in {"heartbeat", "start_to_close"}:
            yield from _timed_out(activity, until, paused)
        else:
            yield from _failed(until, paused, activity.type, heal)


def _failed(since: float, until: float, kind: str, heal: Heal) -> Iterator[Wait]:
    """An attempt that failed; what is longer than usual of one that began after the heal it waited for its turn."""
    expected = heal.expected(kind)
    begun = since if expected is None or since < heal.time else max(since, until - expected)
    yield Wait(cause=Cause.DRAIN, since=since, until=begun)
    yield Wait(cause=Cause.DETECTION, since=begun, until=until)


def _interval(declared: Declared | None, attempt: int) -> str:
    """Which setting of the retry policy made the pause after an attempt as long as it was."""
    at_maximum = declared is not None and declared.pause(attempt) >= declared.maximum_interval
    return "maximum_interval" if at_maximum else "initial_interval"


def _timed_out(activity: Activity, since: float, until: float) -> Iterator[Wait]:
    """An attempt that the server gave up: as long as its timeout before the end, nobody heard of it any more."""
    declared, cause = activity.declared, Cause.SWALLOWED
    limit = declared.start_to_close_timeout if declared else None
    if activity.timed_out == "heartbeat":
        limit, cause = declared.heartbeat_timeout if declared else None, Cause.HEARTBEAT
    budget = None if limit is None else limit + TIMER_SECONDS
    silent = since if budget is None else max(since, until - budget)
    yield Wait(cause=Cause.WORK, since=since, until=silent)
    setting = f"{activity.timed_out}_timeout of {activity.type}"
    yield Wait(cause=cause, since=silent, until=until, budget=budget, setting=setting)


def _queue(since: float, until: float, heal: Heal, worker: str | None = None) -> Iterator[Wait]:
    """Others come first; but where workers were kept from asking, nobody asks until the first does after the heal."""
    asked = min(max(since, heal.signs.first(heal.time, worker)), until) if heal.held_polls else since
    yield Wait(cause=Cause.DETECTION, since=since, until=asked)
    yield Wait(cause=Cause.DRAIN, since=asked, until=until)


def _execution(since: float, until: float, kind: str, heal: Heal) -> Iterator[Wait]:
    """Work; of an execution that the heal found under way, what is longer than usual is spent on noticing it."""
    expected = heal.expected(kind)
    begun = until - expected if expected is not None and since < heal.time < until else since
    noticed = max(since, begun)
    yield Wait(cause=Cause.DETECTION, since=since, until=noticed)
    yield Wait(cause=Cause.WORK, since=noticed, until=until, budget=heal.usual.get(kind))
