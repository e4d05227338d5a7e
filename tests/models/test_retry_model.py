"""Retries are arithmetic: how many attempts there are, and how far apart, follows from the policy."""

from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule
from modelled_workflows import Policy, Retrying, Task, stumble

from harness.modeltest import Models, TemporalMachine

policies = st.builds(
    Policy,
    initial=st.sampled_from([10.0, 100.0, 600.0]),
    coefficient=st.sampled_from([1.0, 2.0, 3.5]),
    longest=st.sampled_from([600.0, 3_600.0, 36_000.0]),
    attempts=st.integers(0, 5),
)

NEAR = timedelta(seconds=5)
"""Of the server's clock, which goes on by itself while an attempt runs."""
ROUNDED = timedelta(milliseconds=1)


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
        self.run_worker(workflows=[Retrying], activities=[stumble])

    @rule(policy=policies, failures=st.integers(0, 6), final=st.booleans())
    def stumble(self, policy: Policy, failures: int, final: bool) -> None:
        task = Task(policy=policy, failures=failures, final=final)
        expected = attempts(task)
        retrying = self.start(Retrying.run, task)
        assert self.result(retrying) == (expected if expected > failures else 0)
        due, found = gaps(policy, expected), self.temporal.gaps(retrying, "stumble")
        assert found == pytest.approx(due, abs=NEAR)
        assert all(gap >= least - ROUNDED for gap, least in zip(found, due, strict=True))


@pytest.mark.temporal(skip_time=True)
def test_attempts_and_the_time_between_them_follow_from_the_policy(temporal_model: Models) -> None:
    """For any policy and any number of failures; not one attempt more, not one earlier."""
    temporal_model.check(Retries)
