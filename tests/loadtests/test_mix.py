"""A mix says how many of which: shares are those asked for, to within one, and chance decides the order alone."""

import math
from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_target import small_target
from small_worker import Quiet

from harness.errors import CannotRun, UnknownName
from harness.scenario import Scenario
from harness.target import Target
from loadtests.mix import Mix, divided, tenants_of


class Named(Quiet):
    """A scenario of which only the name and the weight matter."""

    def __init__(self, name: str, weight: float = 1.0) -> None:
        self.name = name
        self.weight = weight


@pytest.fixture(scope="module")
def target() -> Target:
    """Two domains; of one, a scenario is three times as frequent as another, and a third is in no mix."""
    made = small_target()
    catalogue = [Named("shop-buy", 3), Named("shop-look"), Named("shop-close", 0), Named("mail-send"), Named("old", 0)]
    made.scenarios = {scenario.name: scenario for scenario in catalogue}
    return made


def shares(target: Target, *words: str) -> dict[str, float]:
    return {scenario.name: share for scenario, share in Mix.of(target, words).shares.items()}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["mail-send"], {"mail-send": 1}),
        (["shop"], {"shop-buy": 0.75, "shop-look": 0.25}),
        (["shop", "mail"], {"shop-buy": 0.375, "shop-look": 0.125, "mail-send": 0.5}),
        (["shop=3", "mail"], {"shop-buy": 0.5625, "shop-look": 0.1875, "mail-send": 0.25}),
        (["shop-buy", "shop-look"], {"shop-buy": 0.5, "shop-look": 0.5}),
        (["shop-close=0.5", "mail=1.5"], {"shop-close": 0.25, "mail-send": 0.75}),
        (["shop", "shop-look"], {"shop-buy": 0.375, "shop-look": 0.625}),
        (["old"], {"old": 1}),
    ],
)
def test_domains_are_divided_by_their_scenarios_weights(
    target: Target, words: list[str], expected: dict[str, float]
) -> None:
    """A scenario that is named itself has the whole share it is given; what is named twice counts twice."""
    assert shares(target, *words) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["shop-buy=0"], "weight of shop-buy must be above 0 and at most .*, not 0.0"),
        (["shop=-1"], "weight of shop-buy must be above 0"),
        (["shop=nan"], "must be above 0 .* not nan"),
        (["shop-buy=1e308", "mail=1e308"], "must be above 0 and at most"),
        (["shop=much"], "'much', the weight of shop, is no number"),
        ([], "needs a scenario"),
    ],
)
def test_a_weight_that_means_nothing_is_refused(target: Target, words: list[str], message: str) -> None:
    """With an example of one that does."""
    with pytest.raises(CannotRun, match=message) as refused:
        Mix.of(target, words)
    assert "Example: temper load" in str(refused.value)


def test_what_is_not_there_is_refused(target: Target) -> None:
    """With the name that was probably meant; a domain that takes part in no mix names its scenarios."""
    with pytest.raises(UnknownName, match="Did you mean 'shop'"):
        Mix.of(target, ["shopp"])
    target.scenarios = {**target.scenarios, "late-one": Named("late-one", 0)}
    with pytest.raises(CannotRun, match=r"No scenario of late takes part in mixes\.\nName one of them: late-one"):
        Mix.of(target, ["late"])


@given(
    weights=st.lists(st.floats(min_value=0.01, max_value=100), min_size=1, max_size=8),
    count=st.integers(min_value=0, max_value=500),
    seed=st.integers(),
)
def test_each_has_its_share_to_within_one(weights: list[float], count: int, seed: int) -> None:
    """However they are drawn; and the same seed draws the same order."""
    total = math.fsum(weights)
    parts = {number: weight / total for number, weight in enumerate(weights)}
    drawn = divided(parts, count, Random(seed))
    assert drawn == divided(parts, count, Random(seed))
    assert len(drawn) == count
    counted = Counter(drawn)
    assert all(abs(counted[each] - share * count) < 1 + 1e-6 for each, share in parts.items())


def test_chance_decides_the_order() -> None:
    """Another seed gives another; no scenario comes all at once."""
    parts: dict[Any, float] = {"a": 0.5, "b": 0.5}
    one, other = (divided(parts, 40, Random(seed)) for seed in (1, 2))
    assert one != other
    assert sum(before != after for before, after in pairwise(one)) > 5


def test_a_mix_of_scenarios_draws_scenarios(target: Target) -> None:
    """Those themselves, by their shares."""
    mix = Mix.of(target, ["shop"])
    drawn: list[Scenario[Any]] = mix.divided(8, Random(1))
    assert Counter(each.name for each in drawn) == {"shop-buy": 6, "shop-look": 2}
    assert set(drawn) == set(mix.scenarios)


def test_tenants_are_so_many_or_named() -> None:
    """So many have equal shares; those that are named, what they are given."""
    assert tenants_of("4") == {f"tenant-{number}": 0.25 for number in (1, 2, 3, 4)}
    assert tenants_of("gold=3,free") == {"gold": 0.75, "free": 0.25}


@pytest.mark.parametrize(
    "word",
    [
        "",
        "0",
        "=1",
        "gold=0",
        "gold=-1",
        "gold=inf",
        "gold=1e308,free=1",
        "gold=x",
        "gold,gold=2",
        "99999999",
        "-1",
        "1.5",
        "x" * 65,
    ],
)
def test_tenants_that_mean_nothing_are_refused(word: str) -> None:
    """Nor a name that no fairness key can have, nor more of them than anybody means."""
    with pytest.raises(CannotRun, match="Example: "):
        tenants_of(word)
