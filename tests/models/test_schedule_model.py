"""What a schedule starts, skips and keeps for later while what it started goes on, by its overlap policy."""

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from modelled_workflows import Held
from temporalio.client import (
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)

from harness.modeltest import QUICK, Models, TemporalMachine

pytestmark = pytest.mark.models

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


class Schedules(TemporalMachine):
    """Triggers a schedule, and ends what it started."""

    def __init__(self, models: Models) -> None:
        super().__init__(models)
        self.run_worker(workflows=[Held])

    @initialize(policy=st.sampled_from(sorted(ROOM)))
    def declare(self, policy: ScheduleOverlapPolicy) -> None:
        self.model = Model(policy)
        action = ScheduleActionStartWorkflow(Held.run, id=self.prefix, task_queue=self.temporal.task_queue)
        schedule = Schedule(action=action, spec=ScheduleSpec(), policy=SchedulePolicy(overlap=policy))
        self.schedule = self.on_loop(self.temporal.client.create_schedule(self.prefix, schedule))

    @rule()
    def trigger(self) -> None:
        self.on_loop(self.schedule.trigger())
        self.model.trigger()
        self.eventually(self.is_as_the_model_says)

    @rule()
    def finish(self) -> None:
        if self.model.running:
            self.on_loop(self.let_go())
            self.model.finish()
            self.eventually(self.is_as_the_model_says)

    def settle(self) -> None:
        while self.model.running:
            self.finish()
        self.on_loop(self.schedule.delete())

    async def is_as_the_model_says(self) -> bool:
        info = (await self.schedule.describe()).info
        return (info.num_actions, info.num_actions_skipped_overlap, len(info.running_actions)) == (
            self.model.started,
            self.model.skipped,
            int(self.model.running),
        )

    async def let_go(self) -> None:
        [running] = (await self.schedule.describe()).info.running_actions
        assert isinstance(running, ScheduleActionExecutionStartWorkflow)
        handle = self.temporal.client.get_workflow_handle(running.workflow_id)
        await handle.signal(Held.let_go)
        await handle.result()


def test_starts_that_overlap_are_skipped_or_kept_as_the_policy_says(temporal_model: Models) -> None:
    """One at a time; what was kept is started once there is room, and nothing else is."""
    temporal_model.check(Schedules, settings(QUICK, max_examples=3))
