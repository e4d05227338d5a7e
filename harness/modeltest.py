"""Model tests: a Hypothesis state machine drives live workflows, and compares them with a model beside them.

    class Counting(TemporalMachine):
        def __init__(self, models: Models) -> None:
            super().__init__(models)
            self.run_worker(workflows=[Counter])
            self.counter = self.start(Counter.run)
            self.count = 0

        @rule(by=st.integers(1, 9))
        def add(self, by: int) -> None:
            self.count += by
            assert self.update(self.counter, Counter.add, by) == self.count

        @rule()
        def restart(self) -> None:
            self.restart_worker()

    @pytest.mark.temporal(skip_time=True)
    def test_it_counts(temporal_model: Models) -> None:
        temporal_model.check(Counting)

Every example has ids and a task queue of its own. After each that passed, what its workflows did is checked as after
any test with the plugin: no workflow task failed, and every history replays, its commands compared. The smallest
example that fails is shown as a test that can be pasted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager
from typing import Any, TypeVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture import engine
from hypothesis.stateful import run_state_machine_as_test

from harness.deadlines import OPENING
from harness.environments import V1, Environment
from harness.loop_thread import LoopThread
from harness.machine import TemporalMachine
from harness.pasted import as_test, steps
from harness.temporal_test import Temporal
from harness.unchecked import UNCHECKED
from harness.watching import Watched

__all__ = ["QUICK", "Models", "TemporalMachine"]

Machine = TypeVar("Machine", bound=TemporalMachine)

DEADLINE = 20.0
"""Seconds that whatever a machine awaits may take."""
SHRINKING = 60
"""Seconds after the first failure for which smaller examples are looked for."""
QUICK = settings(
    max_examples=6,
    stateful_step_count=8,
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
"""The same few examples in every run: a failure is never a flake. ``--temporal-examples`` draws others."""


class Models:
    """Runs state machines in one environment; what the ``temporal_model`` fixture is."""

    def __init__(
        self,
        loop: LoopThread,
        opening: Callable[[], AbstractAsyncContextManager[Environment]],
        watched: Watched,
        *,
        deadline: float = DEADLINE,
        shrinking: int = SHRINKING,
        examples: int | None = None,
        marks: Mapping[str, Any] | None = None,
        show: Callable[[str], None] = print,
    ) -> None:
        self.loop = loop
        self._opening = opening
        self._environment = AsyncExitStack()
        self.environment = self._enter()
        self.is_sound = True
        """Whether the last example went through."""
        self.deadline = deadline
        self.shrinking = shrinking
        self.examples = examples
        """How many are drawn anew for each check, instead of those it asks for; None: it has what it asks for."""
        self._watched = watched
        self._marks = marks or {}
        self._show = show
        self._open: TemporalMachine | None = None

    def check(self, machine: type[Machine], examples: settings = QUICK, /, **given: Any) -> None:
        """Run a machine's examples; the smallest that fails is shown as a test.

        Args:
            machine: made anew for each example, as ``machine(models, **given)``.
            examples: how many, of how many steps.
            given: what else the machine is made with. Give fixtures by their own names: the shown test asks for them.

        """
        if self.examples is not None:
            examples = settings(examples, max_examples=self.examples, derandomize=False)
        try:
            with _shrinking_for(self.shrinking):
                run_state_machine_as_test(_factory(machine, self, given), settings=examples)
        except Exception as error:
            self._tell(error, machine, list(given))
            raise
        finally:
            self.end()

    @contextmanager
    def script(self, machine: type[Machine], /, **given: Any) -> Iterator[Machine]:
        """Run one example step by step; it is ended as Hypothesis would end it."""
        state = machine(self, **given)
        try:
            yield state
        finally:
            state.teardown()

    @property
    def started(self) -> list[str]:
        """Ids of the workflows that the example has started, or its worker has worked on, in order."""
        return self._watched.workflows

    def begin(self, machine: TemporalMachine) -> Temporal:
        """Begin an example: nothing is started, and nobody works."""
        self.end()
        if not self.is_sound and self.environment.kind is V1:
            # Of a workflow task that nobody completed, this server keeps time locked for good.
            self.close()
            self.environment = self._enter()
        self.is_sound = False
        self._watched.clear()
        self._open = machine
        unchecked = {name: why for name, why in self._marks.items() if name in UNCHECKED}
        return Temporal(self.environment, self._watched, deadline=self.deadline, **unchecked)

    def end(self) -> None:
        """End the example that runs, if any: one that could not be made has had no teardown."""
        left, self._open = self._open, None
        if left is not None:
            left.close()

    def close(self) -> None:
        """End the example that runs, and close the environment."""
        self.end()
        self.loop.run(self._environment.aclose(), OPENING)

    def _enter(self) -> Environment:
        return self.loop.run(self._environment.enter_async_context(self._opening()), OPENING)

    def _tell(self, error: Exception, machine: type[TemporalMachine], given: list[str]) -> None:
        if isinstance(error, ExceptionGroup):
            for each in error.exceptions:
                self._tell(each, machine, given)
        invariants = [each.function.__name__ for each in machine.setup_state().invariants]
        found = steps(getattr(error, "__notes__", []), invariants)
        if found is not None:
            self._show(as_test(machine, found, given=given, marks=self._marks))


@contextmanager
def _shrinking_for(seconds: int) -> Iterator[None]:
    # Hypothesis has no setting for it. In the five minutes it takes, a test would be over its own limit, and show
    # nothing of what was found.
    ordinary, engine.MAX_SHRINKING_SECONDS = engine.MAX_SHRINKING_SECONDS, seconds
    try:
        yield
    finally:
        engine.MAX_SHRINKING_SECONDS = ordinary


def _factory(machine: type[Machine], models: Models, given: Mapping[str, Any]) -> type[Machine]:
    """What Hypothesis makes machines of, without arguments, and tells the steps by."""

    def init(self: Machine) -> None:
        machine.__init__(self, models, **given)

    return type(machine.__name__, (machine,), {"__init__": init, "__module__": machine.__module__})
