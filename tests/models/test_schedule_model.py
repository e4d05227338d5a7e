"""What a schedule starts, skips and keeps for later while what it started goes on, by its overlap policy."""

from dataclasses import dataclass
from functools import partial

from hypothesis import settings
from hypothesis.stateful import rule
from modelled_workflows import Held
from temporalio.client import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from harness.modeltest import QUICK, Models, TemporalMachine

ROOM = {ScheduleOverlapPolicy.SKIP: 0, ScheduleOverlapPolicy.BUFFER_ONE: 1, ScheduleOverlapPolicy.BUFFER_ALL: 1000}
"""How many starts are kept for later."""


@dataclass
class Model:
    """A schedule of which one workflow runs at a time."""

    policy: ScheduleOverlapPolicy
    running: bool = False
    waiting: int = 0
    started: int = 0
    skipped: int = 0

    def trigger(self) -> None:
        if not self.running:
            self.running = True
            self.started += 1
        elif self.waiting < ROOM[self.policy]:
            self.waiting += 1
        else:
            self.skipped += 1

    def finish(self) -> None:
        self.running = False
        if self.waiting:
            self.waiting -= 1
            self.trigger()


@dataclass
class Scheduled:
    """A schedule, and what is known of it."""

    handle: ScheduleHandle
    model: Model


class Schedules(TemporalMachine):
    """Triggers a schedule of each policy, and ends what they started."""

    def __init__(self, models: Models) -> None:
        super().__init__(models)
        self.run_worker(workflows=[Held])
        self.schedules = [self.on_loop(self.declare(policy)) for policy in ROOM]

    async def declare(self, policy: ScheduleOverlapPolicy) -> Scheduled:
        schedule_id = f"{self.prefix}-{policy.name}"
        action = ScheduleActionStartWorkflow(Held.run, id=schedule_id, task_queue=self.temporal.task_queue)
        schedule = Schedule(action=action, spec=ScheduleSpec(), policy=SchedulePolicy(overlap=policy))
        return Scheduled(await self.temporal.client.create_schedule(schedule_id, schedule), Model(policy))

    @rule()
    def trigger(self) -> None:
        for each in self.schedules:
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
            self.on_loop(each.handle.delete())

    def compare(self) -> None:
        for each in self.schedules:
            self.eventually(partial(is_as_the_model_says, each))

    async def let_go(self, scheduled: Scheduled) -> None:
        [running] = (await scheduled.handle.describe()).info.running_actions
        assert isinstance(running, ScheduleActionExecutionStartWorkflow)
        handle = self.temporal.client.get_workflow_handle(running.workflow_id)
        await handle.signal(Held.let_go)
        await handle.result()


async def is_as_the_model_says(scheduled: Scheduled) -> bool:
    info, model = (await scheduled.handle.describe()).info, scheduled.model
    return (info.num_actions, info.num_actions_skipped_overlap, len(info.running_actions)) == (
        model.started,
        model.skipped,
        int(model.running),
    )


def test_starts_that_overlap_are_skipped_or_kept_as_the_policy_says(temporal_model: Models) -> None:
    """One at a time; what was kept is started once there is room, and nothing else is."""
    temporal_model.check(Schedules, settings(QUICK, max_examples=2))
