"""What a load is to be: of which scenarios, how often, on whose behalf, for how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from harness.errors import CannotRun
from harness.records.load import LoadInfo
from harness.records.operations import Iteration, substream
from loadtests.arrivals import Arrivals
from loadtests.mix import Mix, divided

PLANNING_SECONDS = 1e-5
"""What planning, noting and dealing out one iteration may take, on a slow machine."""
BACKLOG_SECONDS = 120.0
"""How long what came in faster than it was worked off may take before a run is judged."""
IN_FLIGHT = 10_000
"""Iterations at once, beyond which arrivals are shed."""
LAG_BUDGET = 0.05
DRAW = "arrivals"


@dataclass(frozen=True, kw_only=True)
class Load:
    """An open-loop load: iterations are started when they are meant to, whatever becomes of the ones before."""

    mix: Mix
    arrivals: Arrivals
    warm_up: float = 0.0
    """Seconds at the beginning that are left out of every figure of speed."""
    tenants: Mapping[str, float] = field(default_factory=dict)
    """For each tenant, its share; empty where there are none."""
    in_flight: int = IN_FLIGHT
    lag_budget: float = LAG_BUDGET
    """Seconds by which the generator may be late, at the 99th percentile, before the load is void."""
    draw: str = DRAW
    """Which substream of the seed its times come from: loads of one run that are to differ have one each."""

    def __post_init__(self) -> None:
        if not 0 <= self.warm_up < self.arrivals.duration:
            raise CannotRun(
                f"A warm-up of {self.warm_up:g} s leaves nothing of {self.arrivals.duration:g} s.",
                remedy="Make it shorter, or the load longer.",
            )
        if self.in_flight < 1:
            raise CannotRun(
                "Nothing may be in flight, and so nothing can start.", remedy="Say how much: --in-flight 10000"
            )
        refuse_budget(self.lag_budget)

    @property
    def planning(self) -> float:
        """Seconds to leave before the first arrival, beside what the caller needs: planning takes time itself."""
        return PLANNING_SECONDS * self.arrivals.expected

    def info(self, begin: float) -> LoadInfo:
        """What is noted of it in the run; `begin` in seconds since the Unix epoch."""
        return LoadInfo(
            began=begin,
            duration=self.arrivals.duration,
            rate=self.arrivals.expected / self.arrivals.duration,
            arrivals=self.arrivals.spec,
            shares={scenario.name: share for scenario, share in self.mix.shares.items()},
            ends={scenario.name: tuple(sorted(scenario.ends)) for scenario in self.mix.scenarios},
            warm_up=self.warm_up,
            tenants=self.tenants,
            lag_budget=self.lag_budget,
        )

    def iterations(self, run: str, seed: int, begin: float, first: Mapping[str, int]) -> list[Iteration]:
        """Every iteration, in the order of intended starts.

        Those of a scenario are numbered on from `first`. Pure: arrivals, scenarios and tenants have each a substream
        of the seed.
        """
        times = self.arrivals.times(substream(seed, self.draw))
        scenarios = self.mix.divided(len(times), substream(seed, "mix"))
        tenants = divided(self.tenants or {"": 1.0}, len(times), substream(seed, "tenants"))
        index = dict(first)
        planned = []
        for time, scenario, tenant in zip(times, scenarios, tenants, strict=True):
            number = index.get(scenario.name, 0)
            index[scenario.name] = number + 1
            planned.append(
                Iteration(
                    run=run,
                    scenario=scenario.name,
                    index=number,
                    seed=seed,
                    intended=begin + time,
                    warm_up=time < self.warm_up,
                    tenant=tenant,
                )
            )
        return planned


def refuse_budget(seconds: float) -> None:
    """Raises CannotRun where a generator could not be said to be late by this."""
    if not 0 < seconds < inf:
        raise CannotRun(
            f"A generator cannot be allowed to be {seconds * 1e3:g} ms late.",
            remedy=f"Say some milliseconds above 0: --lag-budget {LAG_BUDGET * 1e3:g}",
        )
