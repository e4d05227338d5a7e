"""What a load was to be: when, how much, of what; the figures of a report are only good beside it."""

from collections.abc import Mapping

from msgspec import Struct


class LoadInfo(Struct, frozen=True, kw_only=True):
    """One load of a run, as it was planned. Times are seconds."""

    began: float
    """When the first arrival may come: seconds since the Unix epoch."""
    duration: float
    """From then until no more iterations are started."""
    rate: float
    """Iterations a second, of all scenarios together, on average; 0 in a closed loop, where none is meant."""
    arrivals: str
    """How they are spread over the duration: "constant", "ramp:from=5,to=50", …; "closed" in a closed loop."""
    shares: Mapping[str, float]
    """For each scenario, its share of the iterations; together they are 1."""
    ends: Mapping[str, tuple[str, ...]] = {}
    """For each scenario, the closing statuses it allows: one of these is an answer, also where it is a failure."""
    warm_up: float = 0.0
    """Iterations that are meant to start this early are driven and checked, and left out of every figure of speed."""
    tenants: Mapping[str, float] = {}
    """For each tenant, its share of the iterations; empty where there are none."""
    users: int = 0
    """In a closed loop, how many users take turns; 0 in an open one."""
    think: float = 0.0
    """In a closed loop, how long a user waits between two iterations."""
    processes: int = 1
    """How many processes generated it."""
    lag_budget: float = 0.05
    """How late the generator may send, at the 99th percentile, before the load is void."""

    stopped: float | None = None
    """Seconds after it began when it ended before all of it was driven; None where all was."""

    @property
    def closed(self) -> bool:
        """Whether each user waits for an iteration to end before starting the next."""
        return self.users > 0

    @property
    def measured(self) -> float:
        """Seconds of it that count: without the warm-up."""
        return self.duration - self.warm_up

    def rate_of(self, scenario: str) -> float:
        """Iterations of one scenario a second."""
        return self.rate * self.shares.get(scenario, 0.0)
