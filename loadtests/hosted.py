"""What the processes of one load that Locust hosts tell each other: the plan, and each one's share of it."""

import math
import os
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, TypeVar

import msgspec
from msgspec import Struct

from harness.errors import CannotRun
from harness.records.load import LoadInfo
from harness.target import Target
from loadtests.arrivals import parse
from loadtests.load import DRAW, IN_FLIGHT, LAG_BUDGET, Load
from loadtests.mix import Mix, tenants_of

Item = TypeVar("Item")

VARIABLE = "TEMPER_LOCUST_PLAN"
"""The environment variable by which a Locust process gets its plan."""


class Loop(StrEnum):
    """Who decides when an iteration starts."""

    OPEN = "open"
    """The arrivals, whatever becomes of the iterations before."""
    CLOSED = "closed"
    """Locust's users, each of whom waits for the iteration before."""
    BOTH = "both"
    """Both at once, side by side: shows what a closed loop does not see."""

    @property
    def is_open(self) -> bool:
        return self is not Loop.CLOSED

    @property
    def is_closed(self) -> bool:
        return self is not Loop.OPEN


class Wish(Struct, frozen=True, kw_only=True):
    """What is to be driven; the web UI's form can change it."""

    mix: Sequence[str]
    """Scenarios or domains, each with its weight behind an "=" or with 1."""
    rate: float
    """Iterations a second, of all together."""
    duration: float
    """Seconds over which they are started."""
    arrivals: str = "constant"
    loop: Loop = Loop.OPEN
    pace: float = 1.0
    """In a closed loop, seconds from one start of a user to its next, if the iteration does not take longer."""
    warm_up: float = 0.0
    tenants: Mapping[str, float] = {}
    in_flight: int = IN_FLIGHT
    lag_budget: float = LAG_BUDGET
    draw: str = DRAW

    def told(self, options: Any) -> Self:
        """This, with what Locust's command line or form says, by the names that the locustfile gives its arguments."""
        return msgspec.structs.replace(
            self,
            mix=options.mix.split(),
            rate=float(options.rate),
            duration=float(options.duration),
            arrivals=options.arrivals,
            loop=Loop(options.loop),
            pace=float(options.pace),
            warm_up=float(options.warm_up),
            tenants=tenants_of(options.tenants) if options.tenants else {},
            in_flight=int(options.in_flight),
            lag_budget=float(options.lag_budget) / 1e3,
        )

    @property
    def typed(self) -> Mapping[str, str | float]:
        """This as `told` reads it: by the names of the locustfile's arguments, as somebody would type it."""
        return {
            "mix": " ".join(self.mix),
            "rate": self.rate,
            "duration": self.duration,
            "arrivals": self.arrivals,
            "loop": self.loop.value,
            "pace": self.pace,
            "warm_up": self.warm_up,
            "tenants": ",".join(f"{name}={share}" for name, share in self.tenants.items()),
            "in_flight": self.in_flight,
            "lag_budget": self.lag_budget * 1e3,
        }

    def highest(self, load: Load) -> float:
        """The highest rate that both loops together come to, in iterations a second."""
        closed = self.users(load.arrivals.highest) / self.pace if self.loop.is_closed else 0.0
        return closed + (load.arrivals.highest if self.loop.is_open else 0.0)

    def users(self, rate: float) -> int:
        """How many users of a closed loop, each starting once in its pace, make up this rate."""
        return max(1, math.ceil(rate * self.pace))

    def among(self, processes: int) -> Self:
        """The part of one of so many processes: together they have no more in flight than one would have."""
        return msgspec.structs.replace(self, in_flight=max(1, self.in_flight // processes))

    def load(self, target: Target) -> Load:
        """The open-loop load it asks for. Raises CannotRun, UnknownName, ValueError."""
        if self.loop.is_closed and not 0 < self.pace <= self.duration:
            message = f"the pace must be above 0 seconds, and no longer than the load, not {self.pace}"
            raise ValueError(message)
        return Load(
            mix=Mix.of(target, self.mix),
            arrivals=parse(self.arrivals, self.rate, self.duration),
            warm_up=self.warm_up,
            tenants=self.tenants,
            in_flight=self.in_flight,
            lag_budget=self.lag_budget,
            draw=self.draw,
        )


ANY_WISH = Wish(mix=(), rate=1.0, duration=20.0)
"""Where there was none: what the form has before somebody fills it in."""


class Plan(Struct, frozen=True, kw_only=True):
    """All that a process of the load must know, beside what its own temper.toml says."""

    run: str
    directory: str
    """The run's, on the machine of whoever made the plan."""
    seed: int
    target: str
    """Path of temper.toml, on that machine."""
    task_queue: str
    addresses: Mapping[str, str]
    """As temper.toml names them: "temporal.address"."""
    workspace: str
    wish: Wish
    first: Mapping[str, int] = {}
    """For each scenario, the number of its first iteration, where some were driven before."""
    external: Mapping[str, str] = {}
    """Where services are that nobody started for this run."""
    rate_cap: float | None = None
    """The highest rate those may get, in iterations a second."""

    @classmethod
    def given(cls) -> Self | None:
        """The plan that this process was started with; None where it was given none."""
        text = os.environ.get(VARIABLE)
        return msgspec.json.decode(text, type=cls) if text else None

    @property
    def environment(self) -> dict[str, str]:
        """What hands it over to a child process."""
        return {VARIABLE: msgspec.json.encode(self).decode()}

    @property
    def path(self) -> Path:
        """The run's directory."""
        return Path(self.directory)

    def checked(self, wish: Wish, target: Target) -> Load:
        """The load that is wished for. Raises CannotRun, ValueError where it is none, or more than is allowed."""
        load = wish.load(target)
        if self.rate_cap is not None and wish.highest(load) > self.rate_cap:
            raise CannotRun(
                f"This would put {wish.highest(load):g} iterations a second on services that were not started here.",
                remedy=f"At most {self.rate_cap:g} are allowed, by --rate-cap.",
            )
        return load


class Share(Struct, frozen=True, kw_only=True):
    """Which part of a load is one process's: number `process`, counted from 0, of `processes`."""

    begin: float
    """When the load begins: seconds since the Unix epoch."""
    process: int
    processes: int
    wish: Wish

    def of(self, iterations: Sequence[Item]) -> Sequence[Item]:
        """Its own of all that are planned: every `processes`th, so that all are busy at any time."""
        return iterations[self.process :: self.processes]

    @property
    def end(self) -> float:
        """When no more iterations are started."""
        return self.begin + self.wish.duration

    def info(self, target: Target) -> LoadInfo:
        """What is noted of the whole load in the run."""
        info = msgspec.structs.replace(self.wish.load(target).info(self.begin), processes=self.processes)
        if self.wish.loop.is_open:
            return info
        return msgspec.structs.replace(info, users=self.wish.users(self.wish.rate), rate=0.0, arrivals="closed")
