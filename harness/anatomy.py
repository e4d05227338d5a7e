"""Takes a workflow run apart: reads its history, and tells what each moment of it was spent on."""

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from temporalio.api.enums.v1 import ContinueAsNewInitiator, ParentClosePolicy, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent

from harness.partition import Span, partition
from harness.records.anatomy import Anatomy, Part

ENDS = ("completed", "failed", "canceled", "timed_out", "terminated")
ANSWERS = {
    "timer_fired": "started_event_id",
    "start_child_workflow_execution_failed": "initiated_event_id",
    **{f"child_workflow_execution_{end}": "initiated_event_id" for end in ENDS},
    "external_workflow_execution_signaled": "initiated_event_id",
    "signal_external_workflow_execution_failed": "initiated_event_id",
    "external_workflow_execution_cancel_requested": "initiated_event_id",
    "request_cancel_external_workflow_execution_failed": "initiated_event_id",
    **{f"nexus_operation_{end}": "scheduled_event_id" for end in ENDS[:-1]},
}
"""What answers a wait, and where it names the event that began it."""


class Anatomist:
    """Reads the history of one run, event by event.

    Events are not in the order of their times: a signal that came during a workflow task stands behind it, and the
    start of an attempt is written down when the attempt ends. So spans are collected, and partitioned at the end.
    """

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._began: int | None = None
        self._now = 0
        self._activities: dict[int, int] = {}
        self._given_up: dict[int, int] = {}
        self._attempts: dict[int, tuple[int, int]] = {}
        self._tasks: dict[int, int] = {}
        self._executing: dict[int, int] = {}
        self._awaited: dict[int, tuple[Part, int]] = {}
        self._abandoned: set[int] = set()
        # What the run is spent on while no workflow task is scheduled, unless something else goes on; and since when.
        self._between: tuple[Part, int] | None = None

    def tell(self, event: HistoryEvent) -> None:
        """Take in the next event."""
        kind = event.WhichOneof("attributes") or ""
        attributes: Any = getattr(event, kind, None)
        name = kind.removesuffix("_event_attributes")
        self._now = event.event_time.ToNanoseconds()
        if self._began is None:
            self._began = self._now
        commanded: int = getattr(attributes, "workflow_task_completed_event_id", 0)
        if self._between and commanded:
            # A command of the workflow's last task: only once all are written down does it wait for a message.
            self._between = (self._between[0], self._now)
        if name in ANSWERS:
            self._end_awaited(getattr(attributes, ANSWERS[name]))
            self._wake()
        elif name in self._readers:
            self._readers[name](self, event.event_id, attributes)

    def anatomy(self) -> Anatomy:
        """What the run was spent on, from the first event to the last, which is to be the one that closed it."""
        began = self._now if self._began is None else self._began
        lengths = partition([*self._spans, *self._unended()], began, max(began, self._now))
        return Anatomy(seconds={part: lengths[part] / 1e9 for part in Part if part in lengths})

    def _unended(self) -> Iterator[Span]:
        for event_id, scheduled in self._activities.items():
            until = self._given_up.get(event_id, self._now)
            yield from self._activity(event_id, scheduled, until, never_begun=Part.UNFINISHED)
        for scheduled in self._tasks.values():
            yield Span(Part.WORKER, scheduled, self._now)  # if it is being executed, that comes first
        for started in self._executing.values():
            yield Span(Part.WORKFLOW_TASKS, started, self._now)
        for part, since in self._awaited.values():
            yield Span(part, since, self._now)
        if self._between:
            yield Span(*self._between, self._now)

    def _begin(self, _: int, started: Any) -> None:
        if started.initiator == ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_WORKFLOW:
            return
        if started.first_workflow_task_backoff.ToNanoseconds():
            retry = started.initiator == ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_RETRY
            self._between = (Part.RETRIES if retry else Part.TIMERS, self._now)

    def _schedule_task(self, event_id: int, _: Any) -> None:
        self._end_between()
        self._tasks[event_id] = self._now

    def _start_task(self, _: int, started: Any) -> None:
        self._executing[started.scheduled_event_id] = self._now

    def _complete_task(self, _: int, completed: Any) -> None:
        self._end_task(completed.scheduled_event_id, Part.WORKFLOW_TASKS)
        self._between = (Part.MESSAGES, self._now)

    def _fail_task(self, _: int, failed: Any) -> None:
        reset = failed.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
        self._end_task(failed.scheduled_event_id, Part.MESSAGES if reset else Part.RETRIES)
        self._between = None if reset else (Part.RETRIES, self._now)

    def _time_task_out(self, _: int, timed_out: Any) -> None:
        """It was not picked up from a worker's sticky queue, and is scheduled again; or its worker fell silent."""
        begun = timed_out.scheduled_event_id in self._executing
        self._end_task(timed_out.scheduled_event_id, Part.RETRIES)
        self._between = (Part.RETRIES if begun else Part.WORKER, self._now)

    def _end_task(self, scheduled_id: int, spent_on: Part) -> None:
        scheduled = self._tasks.pop(scheduled_id, self._now)
        started = self._executing.pop(scheduled_id, self._now)
        self._spans += [Span(Part.WORKER, scheduled, started), Span(spent_on, started, self._now)]

    def _schedule_activity(self, event_id: int, _: Any) -> None:
        self._activities[event_id] = self._now

    def _start_activity(self, _: int, started: Any) -> None:
        self._attempts[started.scheduled_event_id] = (self._now, started.attempt)

    def _give_activity_up(self, _: int, requested: Any) -> None:
        self._given_up[requested.scheduled_event_id] = self._now

    def _end_activity(self, _: int, ended: Any, never_begun: Part = Part.ACTIVITY_QUEUE) -> None:
        scheduled = self._activities.pop(ended.scheduled_event_id, self._now)
        self._spans += self._activity(ended.scheduled_event_id, scheduled, self._now, never_begun=never_begun)
        self._wake()

    def _time_activity_out(self, _: int, timed_out: Any) -> None:
        """Without the start of an attempt, either nobody ever took it, or it waited for one more: then it says why."""
        tried = timed_out.failure.HasField("cause")
        self._end_activity(_, timed_out, never_begun=Part.RETRIES if tried else Part.ACTIVITY_QUEUE)

    def _activity(self, event_id: int, scheduled: int, until: int, *, never_begun: Part) -> tuple[Span, ...]:
        if event_id not in self._attempts:
            return (Span(never_begun, scheduled, until),)
        started, attempt = self._attempts[event_id]
        before = Part.RETRIES if attempt > 1 else Part.ACTIVITY_QUEUE
        return Span(before, scheduled, started), Span(Part.ACTIVITY_EXECUTION, started, until)

    def _start_timer(self, event_id: int, _: Any) -> None:
        self._awaited[event_id] = (Part.TIMERS, self._now)

    def _cancel_timer(self, _: int, canceled: Any) -> None:
        self._end_awaited(canceled.started_event_id)

    def _ask_another(self, event_id: int, asked: Any) -> None:
        self._awaited[event_id] = (Part.OTHERS, self._now)
        if getattr(asked, "parent_close_policy", None) == ParentClosePolicy.PARENT_CLOSE_POLICY_ABANDON:
            self._abandoned.add(event_id)

    def _start_child(self, _: int, started: Any) -> None:
        if started.initiated_event_id in self._abandoned:
            self._end_awaited(started.initiated_event_id)

    def _end_awaited(self, event_id: int) -> None:
        part, since = self._awaited.pop(event_id, (Part.OTHERS, self._now))
        self._spans.append(Span(part, since, self._now))

    def _wake(self, *_: Any) -> None:
        """What the workflow waited for has come; the server is to schedule a workflow task."""
        if self._between and self._between[0] is Part.MESSAGES:
            self._end_between()

    def _end_between(self) -> None:
        if self._between:
            self._spans.append(Span(*self._between, self._now))
            self._between = None

    _readers: ClassVar[dict[str, Callable[["Anatomist", int, Any], None]]] = {
        "workflow_execution_started": _begin,
        "workflow_task_scheduled": _schedule_task,
        "workflow_task_started": _start_task,
        "workflow_task_completed": _complete_task,
        "workflow_task_failed": _fail_task,
        "workflow_task_timed_out": _time_task_out,
        "activity_task_scheduled": _schedule_activity,
        "activity_task_started": _start_activity,
        "activity_task_cancel_requested": _give_activity_up,
        "activity_task_completed": _end_activity,
        "activity_task_failed": _end_activity,
        "activity_task_timed_out": _time_activity_out,
        "activity_task_canceled": _end_activity,
        "timer_started": _start_timer,
        "timer_canceled": _cancel_timer,
        "start_child_workflow_execution_initiated": _ask_another,
        "child_workflow_execution_started": _start_child,
        "signal_external_workflow_execution_initiated": _ask_another,
        "request_cancel_external_workflow_execution_initiated": _ask_another,
        "nexus_operation_scheduled": _ask_another,
        "workflow_execution_signaled": _wake,
        "workflow_execution_cancel_requested": _wake,
        "workflow_execution_update_admitted": _wake,
    }
