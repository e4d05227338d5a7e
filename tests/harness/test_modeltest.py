"""Model tests, used by a project that knows nothing of this one: what they find, and how they tell it."""

import pytest

WORKFLOWS = """
from datetime import timedelta

from temporalio import workflow

runs = 0


@workflow.defn
class Tally:
    def __init__(self) -> None:
        self.last = 0
        self.total = 0

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.total < 0)
        return self.total

    @workflow.update
    async def add(self, amount: int) -> int:
        if amount != self.last:  # the planted bug: a second one alike is taken for a repeat
            self.total += amount
        self.last = amount
        return self.total

    @workflow.update
    async def never(self) -> None:
        await workflow.wait_condition(lambda: False)


@workflow.defn(sandboxed=False)
class Unsteady:
    @workflow.run
    async def run(self) -> str:
        global runs
        runs += 1
        await workflow.sleep(timedelta(seconds=runs))
        return "well"
"""

MACHINES = """
import enum

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from harness.modeltest import Models, TemporalMachine
from theirs import Tally, Unsteady


class Amount(enum.IntEnum):
    ONE = 1
    TWO = 2


class Tallies(TemporalMachine):
    tallies = Bundle("tally")

    def __init__(self, models):
        super().__init__(models)
        self.run_worker(workflows=[Tally])
        self.totals = {}

    @rule(target=tallies)
    def open(self):
        handle = self.start(Tally.run)
        self.totals[handle.id] = 0
        return handle

    @rule(tally=tallies, amount=st.sampled_from(Amount))
    def add(self, tally, amount):
        self.totals[tally.id] += amount
        assert self.update(tally, Tally.add, int(amount)) == self.totals[tally.id], "the tally is wrong"

    @invariant()
    def no_total_is_negative(self):
        assert all(total >= 0 for total in self.totals.values())


class Stuck(TemporalMachine):
    def __init__(self, models):
        super().__init__(models)
        self.run_worker(workflows=[Tally])

    @rule()
    def wait(self):
        self.update(self.start(Tally.run, id="the-stuck-one"), Tally.never)


class Trusting(TemporalMachine):
    def __init__(self, models):
        super().__init__(models)
        self.run_worker(workflows=[Unsteady], max_cached_workflows=10)

    @rule()
    def once(self):
        assert self.result(self.start(Unsteady.run)) == "well"


class Broken(TemporalMachine):
    def __init__(self, models):
        super().__init__(models)
        self.run_worker(workflows=[Tally])
        raise RuntimeError("could not be made")

    @rule()
    def nothing(self): ...


class Drawing(TemporalMachine):
    drawn = []

    @rule(number=st.integers())
    def draw(self, number):
        self.drawn.append((self.prefix, number))
"""
SCRIPT = """import pytest
from machines import Amount, Tallies


@pytest.mark.temporal(skip_time=True)
def test_tallies_again(temporal_model):
    with temporal_model.script(Tallies) as state:
        tally_0 = state.open()
        state.add(amount=Amount.ONE, tally=tally_0)
        state.add(amount=Amount.ONE, tally=tally_0)
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A project with workflows of its own."""
    pytester.makepyfile(theirs=WORKFLOWS, machines=MACHINES)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\npythonpath = .\n")
    return pytester


def run(project: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    """Run these tests in a process of their own."""
    project.makepyfile(test_theirs=tests)
    return project.runpytest_subprocess("-p", "no:randomly", "-p", "no:cacheprovider", *options, timeout=100)


HEAD = """
import pytest
from hypothesis import settings
from harness.modeltest import QUICK
from machines import Broken, Drawing, Stuck, Tallies, Trusting
"""


def checking(
    machine: str, options: str = "skip_time=True", *, examples: int = 1, steps: int = 1, test: str = "test_it"
) -> str:
    """Source of a test that checks a machine."""
    return f"""
@pytest.mark.temporal({options})
def {test}(temporal_model):
    few = settings(QUICK, max_examples={examples}, stateful_step_count={steps})
    temporal_model.check({machine}, few)
"""


@pytest.mark.thorough
def test_a_planted_bug_is_shown_as_the_smallest_test_there_is_which_fails_alike(project: pytest.Pytester) -> None:
    """Two equal amounts, and nothing else; pasted into a file of its own, the script is a test with the same end."""
    result = run(project, HEAD + checking("Tallies", examples=100, steps=8))
    result.assert_outcomes(failed=1)
    script = section(result.outlines, "minimal script")
    assert script.strip() == SCRIPT.strip()
    again = run(project, script)
    again.assert_outcomes(failed=1)
    for each in (result, again):
        each.stdout.fnmatch_lines(["E*AssertionError: the tally is wrong"])


def section(lines: list[str], title: str) -> str:
    """What pytest captured under a title."""
    first = next(index for index, line in enumerate(lines) if f"Captured {title} call" in line)
    last = next(index for index, line in enumerate(lines[first + 1 :], first + 1) if line.startswith(("---", "===")))
    return "\n".join(lines[first + 1 : last])


def test_what_goes_wrong_in_an_example_is_told(project: pytest.Pytester) -> None:
    """What is awaited too long; what replays to something else, unless a test says why; what cannot be made."""
    tests = [
        checking("Stuck", "skip_time=True, deadline=0.5", test="test_a_deadline"),
        checking("Trusting", test="test_checks"),
        checking("Trusting", "skip_time=True, unreplayed='a test'", test="test_no_checks"),
        checking("Broken", test="test_making"),  # its worker is stopped, or the environment could not be closed
    ]
    result = run(project, HEAD + "".join(tests))
    result.assert_outcomes(failed=3, passed=1)
    result.stdout.fnmatch_lines(
        [
            "E*DeadlinePassed: *update* was not over within 0.5 s. What the workflows did:",
            "E*the-stuck-one*started*",
            "E*Untrustworthy: Unsteady*does not command what it did*",
            "E*RuntimeError: could not be made",
        ]
    )


def test_as_many_examples_as_wanted_are_drawn_anew_and_again_with_their_seed(project: pytest.Pytester) -> None:
    """Whatever the check asks for."""
    test = """
def drawn(models):
    Drawing.drawn.clear()
    models.check(Drawing, QUICK)
    assert len({example for example, _ in Drawing.drawn}) == 9
    return [number for _, number in Drawing.drawn]

def test_it(temporal_model, monkeypatch):
    first = drawn(temporal_model)
    assert drawn(temporal_model) == first
    monkeypatch.setattr("hypothesis.core.global_force_seed", 8)
    assert drawn(temporal_model) != first
"""
    result = run(project, HEAD + test, "--temporal=v1", "--temporal-examples=9", "--hypothesis-seed=7")
    result.assert_outcomes(passed=1)
