"""A mix: which scenarios a load is of, and the share of each. Pure."""

import math
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, Self

from harness.errors import CannotRun
from harness.scenario import Scenario
from harness.target import Target

EXAMPLE = "Example: temper load orders=3 tasks pipeline-slice=0.5 --rate 5"


class Mix:
    """Scenarios with their shares of a load, which are above 0 and together 1."""

    def __init__(self, weights: Mapping[Scenario[Any], float]) -> None:
        """Raises CannotRun where a weight is no positive number, or where there is none."""
        for scenario, weight in weights.items():
            if not (weight > 0 and math.isfinite(weight)):
                raise CannotRun(f"The weight of {scenario.name} must be above 0, not {weight}.", remedy=EXAMPLE)
        if not weights:
            raise CannotRun("A load needs a scenario.", remedy=EXAMPLE)
        total = math.fsum(weights.values())
        self.shares: Mapping[Scenario[Any], float] = {scenario: each / total for scenario, each in weights.items()}

    @classmethod
    def of(cls, target: Target, words: Iterable[str]) -> Self:
        """The mix of what was named: scenarios or domains, each with its weight behind an "=" or with 1.

        A domain's share is divided among its scenarios by the weight each gives itself. What is named twice counts
        twice. Raises CannotRun, UnknownName.
        """
        weights: dict[Scenario[Any], float] = {}
        for word in words:
            name, weight = _weighed(word)
            found = target.choose([name])
            named = [scenario for scenario in found if scenario.name == name]
            own = {scenario: 1.0 if named else scenario.weight for scenario in named or found}
            total = math.fsum(own.values())
            if total <= 0:
                raise CannotRun(
                    f"No scenario of {name} takes part in mixes.",
                    remedy=f"Name one of them: {', '.join(scenario.name for scenario in found)}.",
                )
            for scenario, share in own.items():
                if share:
                    weights[scenario] = weights.get(scenario, 0.0) + weight * share / total
        return cls(weights)

    @property
    def scenarios(self) -> tuple[Scenario[Any], ...]:
        return tuple(self.shares)

    def divided(self, count: int, rng: Random) -> list[Scenario[Any]]:
        """One scenario for each of `count` arrivals, in an order drawn from `rng`.

        Each has its share of them to within one: of a mix, chance decides the order and not how many.
        """
        return divided(self.shares, count, rng)


def divided(shares: Mapping[Any, float], count: int, rng: Random) -> list[Any]:
    """So many of each as its share says, to within one, in an order drawn from `rng`; the shares together are 1.

    What is left after rounding down goes to the largest remainders.
    """
    exact = {each: share * count for each, share in shares.items()}
    counts = {each: math.floor(value) for each, value in exact.items()}
    by_remainder = sorted(exact, key=lambda each: counts[each] - exact[each])
    for each in by_remainder[: count - sum(counts.values())]:
        counts[each] += 1
    drawn = [each for each, number in counts.items() for _ in range(number)]
    rng.shuffle(drawn)
    return drawn


def tenants_of(word: str) -> Mapping[str, float]:
    """Tenants and their shares, as they are asked for: "20" (as many, alike), or "gold=3,free=1". Raises CannotRun."""
    if word.isdecimal():
        weights = {f"tenant-{number}": 1.0 for number in range(1, int(word) + 1)}
    else:
        weights = dict(map(_weighed, filter(None, word.split(","))))
    wrong = [name for name, weight in weights.items() if not (name and weight > 0 and math.isfinite(weight))]
    if wrong or not weights:
        raise CannotRun(f"{word!r} tells no tenants.", remedy="Example: --tenants 20, or --tenants gold=3,free=1")
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _weighed(word: str) -> tuple[str, float]:
    name, equals, weight = word.partition("=")
    try:
        return name, float(weight) if equals else 1.0
    except ValueError as error:
        raise CannotRun(f"{weight!r}, the weight of {name}, is no number.", remedy=EXAMPLE) from error
