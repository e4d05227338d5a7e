"""What a load plans: every iteration's time, scenario, number and tenant, the same for the same seed."""

from collections import Counter

import pytest
from small_target import small_target

from harness.errors import CannotRun
from harness.records.operations import Iteration
from loadtests.arrivals import parse
from loadtests.load import Load
from loadtests.mix import Mix

TARGET = small_target()


def load(spec: str = "poisson", **changes: object) -> Load:
    mix = Mix.of(TARGET, ["small-echo=3", "small-steady"])
    return Load(mix=mix, arrivals=parse(spec, 20, 10), **changes)  # type: ignore[arg-type]  # by name, as they are


def planned(of: Load, seed: int = 1) -> list[Iteration]:
    return of.iterations("run", seed, 1_000.0, {"small-echo": 7})


def test_every_iteration_has_its_time_its_scenario_and_its_number() -> None:
    """In the order of intended starts; those of a scenario are numbered on."""
    iterations = planned(load("constant"))
    assert [each.intended - 1_000 for each in iterations] == pytest.approx([each / 20 for each in range(200)])
    assert Counter(each.scenario for each in iterations) == {"small-echo": 150, "small-steady": 50}
    for name, first in (("small-echo", 7), ("small-steady", 0)):
        numbers = [each.index for each in iterations if each.scenario == name]
        assert numbers == list(range(first, first + len(numbers)))
    assert {(each.run, each.seed, each.tenant, each.warm_up) for each in iterations} == {("run", 1, "", False)}


def test_the_same_seed_plans_the_same() -> None:
    """Times, scenarios and tenants; another seed plans others."""
    of = load(tenants={"gold": 0.25, "free": 0.75})
    assert planned(of) == planned(of)
    one, other = planned(of), planned(of, seed=2)
    assert [each.intended for each in one] != [each.intended for each in other]
    assert [each.scenario for each in one][:50] != [each.scenario for each in other][:50]
    assert [each.tenant for each in one][:50] != [each.tenant for each in other][:50]


def test_tenants_have_their_shares() -> None:
    counted = Counter(each.tenant for each in planned(load("constant", tenants={"gold": 0.25, "free": 0.75})))
    assert counted == {"gold": 50, "free": 150}


def test_the_first_seconds_are_marked() -> None:
    """What is meant to start within the warm-up, and nothing else."""
    iterations = planned(load("constant", warm_up=2.5))
    assert [each.warm_up for each in iterations] == [True] * 50 + [False] * 150


@pytest.mark.parametrize("warm_up", [-1, 10, 11])
def test_a_warm_up_leaves_something(warm_up: float) -> None:
    with pytest.raises(CannotRun, match="leaves nothing of 10 s"):
        load(warm_up=warm_up)


def test_what_was_planned_is_noted() -> None:
    """The mean rate, the shape as it was asked for, and each scenario's share."""
    info = load(warm_up=2).info(1_000.0)
    assert (info.began, info.duration, info.arrivals) == (1_000.0, 10, "poisson")
    assert info.rate == pytest.approx(20)
    assert info.shares == pytest.approx({"small-echo": 0.75, "small-steady": 0.25})
    assert info.measured == 8
    assert info.rate_of("small-steady") == pytest.approx(5)
    assert not info.closed


def test_something_is_in_flight() -> None:
    with pytest.raises(CannotRun, match="nothing can start"):
        load(in_flight=0)


@pytest.mark.parametrize("budget", [0, -1, float("nan"), float("inf")])
def test_a_generator_can_be_late(budget: float) -> None:
    """A budget that nothing exceeds, or that everything does, would make a void load valid, or the other way round."""
    with pytest.raises(CannotRun, match=r"cannot be allowed to be .* ms late"):
        load(lag_budget=budget)


def test_planning_many_takes_time_that_is_left_before_the_first() -> None:
    assert load().planning == pytest.approx(200 * 1e-5)
