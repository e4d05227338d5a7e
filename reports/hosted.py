"""A load that Locust hosted: what it says of the calls, what we say of them, and why the two differ."""

from collections.abc import Sequence

from msgspec import Struct

from harness.records.hosted import Hosted, HostedLine


class Hidden(Struct, frozen=True, kw_only=True):
    """One kind of call that was made in both loops at once."""

    call: str
    open: float
    """The 99th percentile from the intended start, in seconds."""
    closed: float
    """What Locust says of its own users, who waited."""

    @property
    def times(self) -> float:
        """How many times longer it took than Locust says."""
        return self.open / self.closed if self.closed else 0.0


class HostedSection(Struct, frozen=True, kw_only=True):
    """The section of the report."""

    hosted: Hosted
    hidden: Sequence[Hidden]
    """What a closed loop did not see, the most first; empty unless both ran."""


def section_of(hosted: Hosted | None) -> HostedSection | None:
    """The section, or None where Locust had no part in the run."""
    if hosted is None:
        return None
    waiting = {line.call: line for line in hosted.lines if line.loop == "closed"}
    found = [_hidden(line, waiting[line.call]) for line in hosted.lines if line.loop == "open" and line.call in waiting]
    hidden = [each for each in found if each is not None]
    return HostedSection(hosted=hosted, hidden=sorted(hidden, key=lambda each: -each.times))


def _hidden(ours: HostedLine, theirs: HostedLine) -> Hidden | None:
    if ours.p99 is None or not theirs.locust_p99:
        return None
    return Hidden(call=ours.call, open=ours.p99, closed=theirs.locust_p99)
