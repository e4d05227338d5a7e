"""A mix: which scenarios a load is of, and the share of each. Pure."""

import math
import re
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, Self

from harness.errors import CannotRun
from harness.scenario import Scenario
from harness.target import Target

EXAMPLE = "Example: temper load orders=3 tasks pipeline-slice=0.5 --rate 5"
TENANTS_EXAMPLE = "Example: --tenants 20, or --tenants gold=3,free=1"
MOST_WEIGHT = 1e9
"""A weight above it is a slip of the keyboard, and beside it nothing else would ever be started."""
MOST_TENANTS = 10_000
LONGEST_KEY = 64
"""Bytes of a fairness key: of a start with a longer one the server would take none."""


class Mix:
    """Scenarios with their shares of a load, which are above 0 and together 1."""

    def __init__(self, weights: Mapping[Scenario[Any], float]) -> None:
        """Raises CannotRun where a weight is none, or where there is no scenario."""
        for scenario, weight in weights.items():
            if not 0 < weight <= MOST_WEIGHT:
                message = f"The weight of {scenario.name} must be above 0 and at most {MOST_WEIGHT:g}, not {weight}."
                raise CannotRun(message, remedy=EXAMPLE)
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
    if word.isdecimal() and int(word) <= MOST_TENANTS:
        weights = {f"tenant-{number}": 1.0 for number in range(1, int(word) + 1)}
    else:
        told = [_weighed(part) for part in word.split(",") if part]
        weights = dict(told)
        if len(weights) < len(told):
            raise CannotRun(f"{word!r} names a tenant twice.", remedy=TENANTS_EXAMPLE)
    wrong = [name for name, weight in weights.items() if not (_names_one(name) and 0 < weight <= MOST_WEIGHT)]
    if wrong or not weights:
        raise CannotRun(
            f"{word[:80]!r} tells no tenants: at most {MOST_TENANTS:,}, or names of at most {LONGEST_KEY} bytes.",
            remedy=TENANTS_EXAMPLE,
        )
    total = math.fsum(weights.values())
    return {name: weight / total for name, weight in weights.items()}


def _names_one(name: str) -> bool:
    return 0 < len(name.encode()) <= LONGEST_KEY and not re.fullmatch(r"[-+.\d]+", name)


def _weighed(word: str) -> tuple[str, float]:
    name, equals, weight = word.partition("=")
    try:
        return name, float(weight) if equals else 1.0
    except ValueError as error:
        raise CannotRun(f"{weight!r}, the weight of {name}, is no number.", remedy=EXAMPLE) from error
