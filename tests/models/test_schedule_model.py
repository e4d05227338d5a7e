"""What a schedule starts, skips, keeps for later and ends while what it started goes on, by its overlap policy."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis.stateful import initialize, rule
from modelled_workflows import Held
from temporalio.client import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    WorkflowExecutionStatus,
    WorkflowHandle,
)

from harness.modeltest import QUICK, Models, TemporalMachine

SECOND = timedelta(seconds=1)
SKIP, ALLOW_ALL = ScheduleOverlapPolicy.SKIP, ScheduleOverlapPolicy.ALLOW_ALL
ROOM = {ScheduleOverlapPolicy.BUFFER_ONE: 1, ScheduleOverlapPolicy.BUFFER_ALL: 1000}
"""How many starts are kept for later."""
ENDS = {
    ScheduleOverlapPolicy.CANCEL_OTHER: WorkflowExecutionStatus.CANCELED,
    ScheduleOverlapPolicy.TERMINATE_OTHER: WorkflowExecutionStatus.TERMINATED,
}
"""How what goes on is ended, to make room."""


@dataclass
class Model:
    """A schedule, of which one workflow runs at a time, or any number."""

    policy: ScheduleOverlapPolicy
    running: int = 0
    waiting: int = 0
    started: int = 0
    skipped: int = 0

    def trigger(self) -> None:
        if self.running and self.policy in ENDS:
            self.running -= 1
        if not self.running or self.policy is ALLOW_ALL:
            self.running += 1
            self.started += 1
        elif self.waiting < ROOM.get(self.policy, 0):
            self.waiting += 1
        else:
            self.skipped += 1

    def finish(self) -> None:
        self.running -= 1
        if self.waiting:
            self.waiting -= 1
            self.trigger()


@dataclass
class Scheduled:
    """A schedule, and what is known of it."""

    handle: ScheduleHandle
    model: Model
    let_go: set[str] = field(default_factory=set)
    """Run ids of the workflows that ended because they were told to."""

    async def runs(self) -> Sequence[ScheduleActionExecutionStartWorkflow]:
        """Those it started, the last ten of them at most; the oldest first."""
        actions = [each.action for each in (await self.handle.describe()).info.recent_actions]
        return [each for each in actions if isinstance(each, ScheduleActionExecutionStartWorkflow)]


class Schedules(TemporalMachine):
    """Triggers a schedule of each policy, and ends what they started."""

    def __init__(self, models: Models) -> None:
        super().__init__(models)
        self.run_worker(workflows=[Held])
        self.schedules = [self.on_loop(self.declare(policy)) for policy in (SKIP, ALLOW_ALL, *ROOM, *ENDS)]

    async def declare(self, policy: ScheduleOverlapPolicy) -> Scheduled:
        schedule_id = f"{self.prefix}-{policy.name}"
        action = ScheduleActionStartWorkflow(Held.run, id=schedule_id, task_queue=self.temporal.task_queue)
        schedule = Schedule(action=action, spec=ScheduleSpec(), policy=SchedulePolicy(overlap=policy))
        return Scheduled(await self.temporal.client.create_schedule(schedule_id, schedule), Model(policy))

    @initialize()
    def overlap(self) -> None:
        self.trigger()
        self.trigger()

    @rule()
    def trigger(self) -> None:
        for each in self.schedules:
            self.eventually(partial(has_room_for_an_id, each))
            self.on_loop(each.handle.trigger())
            each.model.trigger()
        self.compare()

    @rule()
    def finish(self) -> None:
        for each in self.schedules:
            if each.model.running:
                self.on_loop(self.let_go(each))
                each.model.finish()
        self.compare()

    def settle(self) -> None:
        while any(each.model.running for each in self.schedules):
            self.finish()
        for each in self.schedules:
            self.on_loop(self.check_ends(each))
            self.on_loop(each.handle.delete())

    def compare(self) -> None:
        for each in self.schedules:
            self.eventually(partial(is_as_the_model_says, each))

    async def let_go(self, scheduled: Scheduled) -> None:
        run = next(
            run for run in reversed(await scheduled.runs()) if run.first_execution_run_id not in scheduled.let_go
        )
        await self.handle_of(run).signal(Held.let_go)
        await self.handle_of(run).result()
        scheduled.let_go.add(run.first_execution_run_id)

    async def check_ends(self, scheduled: Scheduled) -> None:
        """All were let go, but for those that had to make room."""
        for run in await scheduled.runs():
            if run.first_execution_run_id not in scheduled.let_go:
                assert (await self.handle_of(run).describe()).status is ENDS.get(scheduled.model.policy)

    def handle_of(self, run: ScheduleActionExecutionStartWorkflow) -> WorkflowHandle[Any, Any]:
        return self.temporal.client.get_workflow_handle(run.workflow_id, run_id=run.first_execution_run_id)


async def has_room_for_an_id(scheduled: Scheduled) -> bool:
    """Whether another workflow may run beside the last: their ids tell the second in which they were triggered."""
    actions = (await scheduled.handle.describe()).info.recent_actions
    return (
        scheduled.model.policy is not ALLOW_ALL or not actions or datetime.now(UTC) - actions[-1].scheduled_at > SECOND
    )


async def is_as_the_model_says(scheduled: Scheduled) -> bool:
    info, model = (await scheduled.handle.describe()).info, scheduled.model
    shown = 0 if model.policy is ALLOW_ALL else model.running  # what runs side by side is not kept track of
    return (info.num_actions, info.num_actions_skipped_overlap, len(info.running_actions)) == (
        model.started,
        model.skipped,
        shown,
    )


def test_starts_that_overlap_are_skipped_or_kept_as_the_policy_says(temporal_model: Models) -> None:
    """One at a time, or any number; what was kept is started once there is room, and nothing else is."""
    temporal_model.check(Schedules, settings(QUICK, max_examples=2, stateful_step_count=5))
