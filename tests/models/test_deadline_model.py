"""A workflow with a deadline has ended by then, whatever it was given to do meanwhile."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from modelled_workflows import Bounded

from harness.modeltest import Models, TemporalMachine

HOUR = timedelta(hours=1)
NEAR = timedelta(minutes=10)
"""Of the server's clock, which goes on by itself."""


@dataclass
class Model:
    """Work in whole hours, which is given, and time that passes, at half past: never at the same moment."""

    deadline: int
    now: float = 0.5
    free_at: float = 0.0
    """When all that was given so far is done."""
    finished: float | None = None
    """When it was told that this was all."""
    ends: tuple[float, ...] = ()
    """When each piece of work is done."""
    hours: tuple[int, ...] = ()

    def give(self, hours: int) -> None:
        self.free_at = max(self.free_at, self.now) + hours
        self.ends += (self.free_at,)
        self.hours += (hours,)

    def outcome(self) -> tuple[tuple[str, int], float]:
        """What it returns, and after how many hours."""
        ended = self.deadline if self.finished is None else max(self.free_at, self.finished)
        if self.finished is not None and ended < self.deadline:
            return ("done", sum(self.hours)), ended
        done = sum(hours for hours, end in zip(self.hours, self.ends, strict=True) if end < self.deadline)
        return ("late", done), self.deadline


class Deadlines(TemporalMachine):
    """Gives work to a workflow, and lets time pass."""

    @initialize(deadline=st.integers(2, 12))
    def begin(self, deadline: int) -> None:
        self.run_worker(workflows=[Bounded])
        self.model = Model(deadline=deadline)
        self.bounded = self.start(Bounded.run, deadline)
        self.skip(HOUR / 2)

    def is_open(self) -> bool:
        return self.model.finished is None and self.model.now < self.model.deadline

    @precondition(is_open)
    @rule(hours=st.integers(1, 6))
    def give(self, hours: int) -> None:
        self.signal(self.bounded, Bounded.give, hours)
        self.model.give(hours)

    @rule(hours=st.integers(1, 6))
    def wait(self, hours: int) -> None:
        self.skip(hours * HOUR)
        self.model.now += hours

    @precondition(is_open)
    @rule()
    def finish(self) -> None:
        self.signal(self.bounded, Bounded.finish)
        self.model.finished = self.model.now

    def settle(self) -> None:
        outcome, hours = self.model.outcome()
        assert tuple(self.result(self.bounded)) == outcome
        assert abs(self.on_loop(self.temporal.took(self.bounded)) - hours * HOUR) < NEAR


@pytest.mark.temporal(skip_time=True)
def test_it_ends_at_its_deadline_or_before(temporal_model: Models) -> None:
    """Having done what could be done by then."""
    temporal_model.check(Deadlines)
