"""Retries are arithmetic: how many attempts there are, and how far apart, follows from the policy."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule
from modelled_workflows import Attempts, Policy, Retrying, Task

from harness.modeltest import Models, TemporalMachine

policies = st.builds(
    Policy,
    initial=st.sampled_from([0.5, 1.0, 10.0]),
    coefficient=st.sampled_from([1.0, 2.0, 3.5]),
    longest=st.sampled_from([10.0, 100.0, 3_600.0]),
    attempts=st.integers(0, 5),
)

pytestmark = pytest.mark.models
NEAR = timedelta(milliseconds=250)
"""Of the server's clock, which goes on by itself while an attempt runs."""


def attempts(task: Task) -> int:
    """How many attempts there are."""
    if task.final and task.failures:
        return 1
    return min(task.failures + 1, task.policy.attempts or task.failures + 1)


def gaps(policy: Policy, count: int) -> list[timedelta]:
    """How far apart so many attempts are due."""
    return [
        timedelta(seconds=min(policy.initial * policy.coefficient**number, policy.longest))
        for number in range(count - 1)
    ]


class Retries(TemporalMachine):
    """Runs activities that fail, under one policy after the other."""

    def __init__(self, models: Models) -> None:
        super().__init__(models)
        self.attempts = Attempts()
        self.run_worker(workflows=[Retrying], activities=[self.attempts.stumble])

    @rule(policy=policies, failures=st.integers(0, 6), final=st.booleans())
    def stumble(self, policy: Policy, failures: int, final: bool) -> None:
        self.attempts.began.clear()
        task = Task(policy=policy, failures=failures, final=final)
        expected = attempts(task)
        ended_well = self.result(self.start(Retrying.run, task))
        assert ended_well == (expected if expected > failures else 0)
        found = [later - earlier for earlier, later in pairwise(self.attempts.began)]
        assert len(found) == expected - 1
        for gap, due in zip(found, gaps(policy, expected), strict=True):
            assert due <= gap + timedelta(milliseconds=1)
            assert gap < due + NEAR


@pytest.mark.temporal(skip_time=True)
def test_attempts_and_the_time_between_them_follow_from_the_policy(temporal_model: Models) -> None:
    """For any policy and any number of failures; not one attempt more, not one earlier."""
    temporal_model.check(Retries)
