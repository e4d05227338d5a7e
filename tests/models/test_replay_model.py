"""What a workflow comes to does not depend on whether it is remembered, or replayed from its history each time."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule
from modelled_workflows import A_MINUTE, Races

from harness.modeltest import QUICK, Models, TemporalMachine


class Replays(TemporalMachine):
    """Tells the same to two workflows: one whose worker remembers, one whose worker replays it for every task."""

    def __init__(self, models: Models) -> None:
        super().__init__(models)
        self.forgetful = f"{self.temporal.task_queue}-forgetful"
        self.run_worker(workflows=[Races], max_cached_workflows=10)
        self.enter(self.temporal.worker(workflows=[Races], task_queue=self.forgetful, max_cached_workflows=0))
        self.both = (self.start(Races.run), self.start(Races.run, task_queue=self.forgetful))

    @rule(seconds=st.lists(st.integers(1, 60), min_size=1, max_size=5))
    def race(self, seconds: list[int]) -> None:
        for handle in self.both:
            self.signal(handle, Races.race, seconds)
        self.skip(A_MINUTE)

    def settle(self) -> None:
        for handle in self.both:
            self.signal(handle, Races.end)
        remembered, replayed = (self.result(handle) for handle in self.both)
        assert remembered == replayed


@pytest.mark.temporal(skip_time=True)
def test_a_replayed_workflow_is_the_one_that_is_remembered(temporal_model: Models) -> None:
    """Timers that are due together come in together, in the same order."""
    temporal_model.check(Replays, settings(QUICK, max_examples=3))
