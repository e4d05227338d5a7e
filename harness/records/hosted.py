"""A load that Locust hosted: what it was, and what Locust and we say of the same calls."""

from collections.abc import Sequence

from msgspec import Struct

from harness.records.load import LoadInfo
from harness.records.verdicts import Finding


class HostedLine(Struct, frozen=True, kw_only=True):
    """One kind of call. Percentiles are in seconds, from the intended start; None where nobody answered that many.

    Ours are of good answers; one that failed has none, and one that nobody answered is slower than any other.
    """

    loop: str
    """"open": at the times of the arrivals; "closed": when the user had its last answer."""
    call: str
    """Scenario and kind: "orders-place: start"."""
    calls: int
    failures: int
    p50: float | None
    p99: float | None
    """Ours, from histograms merged over all processes: within 0.1 %."""
    locust_p50: float | None
    locust_p99: float | None
    """Locust's own, of the same calls and those that failed, rounded to two digits."""


class Hosted(Struct, frozen=True, kw_only=True):
    """One load. It is written when the load begins, and again when it has ended."""

    load: LoadInfo
    loop: str
    """open, closed or both."""
    ended: float | None
    """Seconds since the Unix epoch; None while it goes on, and for ever if Locust was cut off."""
    lines: Sequence[HostedLine]
    broken: Sequence[Finding] = ()
    """What broke in the scenarios themselves."""

    @property
    def stopped(self) -> bool:
        """Whether it was ended before all was driven: by hand, or because a process was lost."""
        return self.load.stopped is not None
