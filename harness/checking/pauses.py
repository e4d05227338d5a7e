"""How long clients and workers pause before they try again to reach what was away."""

from msgspec import Struct

from harness.records.faults import FaultWindow


class Pauses(Struct, frozen=True, kw_only=True):
    """Pauses that grow by a factor up to a maximum, give or take a share of each. Lengths are seconds."""

    initial: float
    factor: float
    maximum: float
    jitter: float = 0.2

    def after(self, outage: float) -> float:
        """The longest pause that can still be under way when an outage of so many seconds ends.

        Pauses that grow by a factor and together fill the outage end with one of initial + (factor - 1) * outage.
        """
        return min(self.maximum, self.initial + (self.factor - 1) * outage) * (1 + self.jitter)


POLLS = Pauses(initial=0.2, factor=2.0, maximum=10.0)
"""Of a worker that asks for tasks: task_poll_retry_policy of Temporal's SDK core."""
CALLS = Pauses(initial=0.1, factor=1.7, maximum=5.0)
"""Of any other call: the default RetryConfig of Temporal's SDK core."""


def noticing(window: FaultWindow) -> tuple[float | None, str]:
    """Seconds within which the end of a fault is noticed, and what sets them; None where nothing that is known does."""
    outage = window.healed - window.injected
    owner, _, service = window.on.rpartition(".")
    if service != "temporal":
        return None, ""
    if owner == "client":
        return CALLS.after(outage), "the SDK's pauses between tries of a call: 0.1 s, 1.7 times as long each, up to 5 s"
    return POLLS.after(outage), "the SDK's pauses between polls: 0.2 s, twice as long each, up to 10 s"
