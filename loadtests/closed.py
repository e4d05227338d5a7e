"""Closed loop: users who wait for an answer before they ask again. For comparison: a stall hides itself in it."""

import asyncio
import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from harness.clock import now
from harness.driver import drive
from harness.errors import CannotRun
from harness.records.load import LoadInfo
from harness.records.operations import Iteration, substream
from harness.scenario import Scenario
from harness.testbed import Testbed
from loadtests.engine import Progress
from loadtests.mix import Mix

EXAMPLE = "Example: temper load orders-place --users 10 --think 0.5 --duration 20"


@dataclass(frozen=True, kw_only=True)
class ClosedLoad:
    """So many users, each of whom thinks for a while between two iterations. Seconds throughout."""

    mix: Mix
    users: int
    duration: float
    think: float = 0.0
    warm_up: float = 0.0
    tenants: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.users < 1:
            raise CannotRun(f"{self.users} users do nothing.", remedy=EXAMPLE)
        if not (self.duration > 0 and math.isfinite(self.duration)):
            raise CannotRun(f"The duration must be above 0 seconds, not {self.duration}.", remedy=EXAMPLE)
        if not (self.think >= 0 and math.isfinite(self.think)):
            raise CannotRun(f"A user cannot think for {self.think} seconds.", remedy=EXAMPLE)
        if not 0 <= self.warm_up < self.duration:
            raise CannotRun(
                f"A warm-up of {self.warm_up:g} s leaves nothing of {self.duration:g} s.",
                remedy="Make it shorter, or the load longer.",
            )

    def info(self, begin: float) -> LoadInfo:
        """What is noted of it in the run; `begin` in seconds since the Unix epoch."""
        return LoadInfo(
            began=begin,
            duration=self.duration,
            rate=0.0,
            arrivals="closed",
            shares={scenario.name: share for scenario, share in self.mix.shares.items()},
            ends={scenario.name: tuple(sorted(scenario.ends)) for scenario in self.mix.scenarios},
            warm_up=self.warm_up,
            tenants=self.tenants,
            users=self.users,
            think=self.think,
        )


async def in_turns(bed: Testbed, load: ClosedLoad, *, on_progress: Callable[[Progress], None] = lambda _: None) -> None:
    """Let each user take turns for as long as the load lasts, and wait until the last iterations have ended.

    Workers must be up, and the target prepared.
    """
    begin = now()
    bed.run.under_load(load.info(begin))
    progress = Progress(planned=0)
    numbers = {scenario.name: itertools.count(bed.next_index(scenario)) for scenario in load.mix.scenarios}

    async def one_user(rng: Random) -> None:
        while now() < begin + load.duration:
            iteration = _next(bed, load, rng, begin, numbers)
            bed.planned([iteration])
            progress.started += 1
            progress.planned = progress.started
            on_progress(progress)
            bed.broken += await drive(bed.target.scenario(iteration.scenario), bed.app(iteration))
            progress.ended += 1
            on_progress(progress)
            await asyncio.sleep(load.think)

    async with asyncio.TaskGroup() as group:
        for number in range(load.users):
            group.create_task(one_user(substream(bed.run.info.seed, "user", str(number))))


def _next(bed: Testbed, load: ClosedLoad, rng: Random, begin: float, numbers: Mapping[str, Iterator[int]]) -> Iteration:
    """The user's next iteration, meant for this moment: nobody had planned it."""
    scenario: Scenario[Any] = rng.choices(list(load.mix.shares), list(load.mix.shares.values()))[0]
    tenant = rng.choices(list(load.tenants), list(load.tenants.values()))[0] if load.tenants else ""
    intended = now()
    return Iteration(
        run=bed.run.info.id,
        scenario=scenario.name,
        index=next(numbers[scenario.name]),
        seed=bed.run.info.seed,
        intended=intended,
        warm_up=intended < begin + load.warm_up,
        tenant=tenant,
    )
