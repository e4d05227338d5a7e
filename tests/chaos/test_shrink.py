"""Shrinking finds the fewest faults that still fail, in few runs; tried on failures that are written by hand."""

import asyncio
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.shrink import BUDGET, REPEATS, Shrinking, Shrunk

Faults = tuple[int, ...]


class Script:
    """Fails as it is told to, and remembers what was tried."""

    def __init__(self, fails: Callable[[Faults], bool]) -> None:
        self.tried: list[Faults] = []
        self._fails = fails

    async def __call__(self, faults: Faults) -> bool:
        self.tried.append(faults)
        return self._fails(faults)


def needs(*culprits: int) -> Script:
    """Fails whenever all of these are there."""
    return Script(lambda faults: set(culprits) <= set(faults))


def at_random(script: Script, share: float, seed: int) -> Script:
    """Fails in this share of the runs in which the script would."""
    rng = Random(seed)
    return Script(lambda faults: script._fails(faults) and rng.random() < share)


def shrunk(count: int, script: Script, **options: object) -> Shrunk[int]:
    """What comes of so many faults."""
    return asyncio.run(Shrinking(range(count), script, **options).run())  # type: ignore[arg-type]  # as they are named


def test_one_culprit_is_found() -> None:
    """Of ten faults the one that matters is left, it fails every time, and it took few runs."""
    script = needs(6)
    found = shrunk(10, script)
    assert found == Shrunk(
        faults=(6,), reproduced=True, runs=len(script.tried), failed=REPEATS, repeats=REPEATS, exhausted=False
    )
    assert found.runs <= 13
    assert script.tried[0] == tuple(range(10)), "first of all, whether it fails again"


def test_two_that_need_each_other_are_both_kept() -> None:
    """Neither fails alone; their order stays."""
    found = shrunk(8, needs(7, 1))
    assert found.faults == (1, 7)
    assert not found.exhausted


def test_what_passed_is_tried_once_more_and_not_again() -> None:
    """Without each fault that is left it must pass twice, and a third time only where chance was seen at work."""
    script = needs(0, 1)
    shrunk(4, script)
    before_repeats = script.tried[:-REPEATS]
    assert before_repeats.count((0,)) == 2 == before_repeats.count((1,))
    assert len(before_repeats) == 8


def test_what_fails_without_any_fault_is_no_faults_doing() -> None:
    """That is tried first, once it has failed again at all; no innocent fault is left to be blamed."""
    script = needs()
    found = shrunk(4, script)
    assert (found.faults, found.reproduced, found.failed, found.repeats) == ((), True, REPEATS, REPEATS)
    assert script.tried == [(0, 1, 2, 3), *[()] * (1 + REPEATS)]


def test_a_simpler_fault_that_passed_is_not_tried_again() -> None:
    """Without chance, once decides."""
    script = needs(2)
    asyncio.run(Shrinking([2], script, simpler=range).run())
    assert script.tried == [(2,), (), (), (0,), (1,), *[(2,)] * REPEATS]


def test_what_does_not_fail_again_is_a_result_too() -> None:
    """It is tried several times, and then said not to be reproduced; every fault is still there."""
    found = shrunk(5, needs(99))
    assert found == Shrunk(faults=(0, 1, 2, 3, 4), reproduced=False, runs=REPEATS, failed=0, repeats=0, exhausted=True)


def test_an_experiment_that_fails_at_the_third_try_is_shrunk() -> None:
    """What passed at first is no reason to leave anything untried."""
    passes = iter([False, False])
    script = needs(2)
    assert shrunk(4, Script(lambda faults: next(passes, True) and script._fails(faults))).faults == (2,)


def test_a_failure_by_chance_is_shrunk_to_something_that_fails() -> None:
    """Failing every other time, the culprit is never lost, is mostly found alone, and its rate is told."""
    found = [shrunk(8, at_random(needs(5), 0.5, seed)) for seed in range(60)]
    reproduced = [each for each in found if each.reproduced]
    assert len(reproduced) > 50
    assert all(5 in each.faults and each.runs <= BUDGET for each in reproduced)
    assert sum(each.faults == (5,) for each in reproduced) > 0.6 * len(reproduced)
    alone = [each for each in reproduced if each.faults == (5,)]
    assert 0.4 < sum(each.failed for each in alone) / sum(each.repeats for each in alone) < 0.6


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 8, 13, 21, 30, 60])
def test_the_budget_is_kept(budget: int) -> None:
    """However small it is: what is left was seen to fail, and it is said that smaller ones were not tried."""
    script = needs(0, 2, 4, 6, 8)
    found = shrunk(10, script, budget=budget)
    assert found.runs == len(script.tried) <= budget
    assert {0, 2, 4, 6, 8} <= set(found.faults)
    assert script._fails(found.faults)
    assert found.repeats >= min(REPEATS, budget // 4)
    assert found.exhausted == (budget < 60)


@given(st.integers(1, 10).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=1))))
def test_ten_faults_are_shrunk_to_those_that_are_needed(given_: tuple[int, set[int]]) -> None:
    """Whichever they are, in thirty runs, with the runs to see how often they fail."""
    count, culprits = given_
    found = shrunk(count, needs(*culprits))
    assert set(found.faults) == culprits
    assert found.runs <= BUDGET
    assert (found.failed, found.repeats) == (REPEATS, REPEATS)


def test_each_fault_that_is_left_is_simplified() -> None:
    """The first simpler one with which it still fails is taken, and simplified in turn, until none does."""
    script = Script(lambda faults: sum(faults) >= 13)
    asked: list[int] = []

    def simpler(fault: int) -> Sequence[int]:
        asked.append(fault)
        return [fault - 10, fault - 3, fault - 1]

    found = asyncio.run(Shrinking([2, 40, 1], script, simpler=simpler).run())
    assert found.faults == (13,)
    assert asked == [40, 30, 20, 17, 14, 13]
    assert not found.exhausted


def test_by_chance_a_simpler_fault_is_given_a_second_try() -> None:
    """Where something was seen both to pass and to fail, one pass does not decide."""
    outcomes = iter([False, True, False, False, False, False, True])
    found = asyncio.run(Shrinking([2], Script(lambda _: next(outcomes, False)), simpler=range).run())
    assert found.faults == (0,)
    assert (found.failed, found.repeats) == (0, REPEATS)


def test_stopped_in_the_middle_the_best_so_far_is_kept() -> None:
    """Whatever ends it, what was seen to fail can be asked for, and that it is not the end of the search."""
    calls = 0

    async def stopped(faults: Faults) -> bool:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise asyncio.CancelledError
        return 1 in faults

    async def search() -> Shrunk[int]:
        shrinking = Shrinking(range(8), stopped)
        with pytest.raises(asyncio.CancelledError):
            await shrinking.run()
        return shrinking.so_far

    found = asyncio.run(search())
    assert (found.faults, found.reproduced, found.exhausted) == ((0, 1, 2, 3), True, True)
