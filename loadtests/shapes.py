"""Locust's shapes, one for each kind of arrivals: how many users there are at each moment."""

import math
from collections.abc import Sequence
from typing import ClassVar

import msgspec
from locust import LoadTestShape, User
from locust.runners import STATE_MISSING, MasterRunner, Runner

from harness.clock import now
from loadtests.arrivals import parse
from loadtests.hosted import Wish
from loadtests.leader import Leader
from loadtests.users import OpenLoopUser, TemporalUser

ALONE = "local"
"""What a process is called that drives the whole load."""


class ArrivalsShape(LoadTestShape):
    """The arrivals that were asked for.

    In an open loop they need one user in each process. In a closed one there are as many users as make up the rate of
    the moment, if no iteration takes longer than a user's pace. The load is over when every iteration has ended.
    """

    spec: ClassVar[str] = ""
    """The arrivals, where they are always the same; those of the command line or the form where it is empty."""
    leader: ClassVar[Leader]
    """The locustfile sets it."""

    @property
    def wish(self) -> Wish:
        """What is to be driven."""
        assert self.runner is not None
        told = self.leader.plan.wish.told(self.runner.environment.parsed_options)
        return msgspec.structs.replace(told, arrivals=self.spec or told.arrivals)

    def tick(self) -> tuple[int, float, list[type[User]] | None] | None:
        """How many users there are to be now, how many may start a second, of which classes; None when it is over."""
        assert self.runner is not None
        present, wish = present_processes(self.runner), self.wish
        if self.leader.over(present):
            return None
        walking = _of(self.runner, OpenLoopUser) if wish.loop.is_open else []
        taking_turns = _of(self.runner, TemporalUser) if wish.loop.is_closed else []
        for each in walking:
            each.fixed_count = len(present)  # Locust deals those out first, one to each process
        elapsed = now() - self.leader.began if self.leader.began else 0.0
        users = len(walking) * len(present) + (users_at(wish, elapsed) if taking_turns else 0)
        return users, max(1.0, float(users)), walking + taking_turns


class Constant(ArrivalsShape):
    """The same rate throughout."""

    spec = "constant"


class Poisson(ArrivalsShape):
    """The same rate, at random."""

    spec = "poisson"


class Ramp(ArrivalsShape):
    """Straight from nothing to twice the rate."""

    spec = "ramp"


class Step(ArrivalsShape):
    """Stairs."""

    spec = "step"


class Spike(ArrivalsShape):
    """One peak."""

    spec = "spike"


class Burst(ArrivalsShape):
    """Many at once, every so many seconds."""

    spec = "burst"


class Sine(ArrivalsShape):
    """Ebb and flow."""

    spec = "sine"


SHAPES: Sequence[type[ArrivalsShape]] = (Constant, Poisson, Ramp, Step, Spike, Burst, Sine)


def present_processes(runner: Runner) -> list[str]:
    """The processes that drive the load, as the runner knows them."""
    if not isinstance(runner, MasterRunner):
        return [ALONE]
    return sorted(node.id for node in runner.clients.all if node.state != STATE_MISSING)


def users_at(wish: Wish, elapsed: float) -> int:
    """How many users, each starting once in its pace, make up the rate of this moment; at the end, of the last."""
    arrivals = parse(wish.arrivals, wish.rate, wish.duration)
    within = min(max(elapsed, 0.0), math.nextafter(wish.duration, 0.0))
    return wish.users(arrivals.rate_at(within))


def _of(runner: Runner, kind: type[User]) -> list[type[User]]:
    return [each for each in runner.user_classes if issubclass(each, kind)]
