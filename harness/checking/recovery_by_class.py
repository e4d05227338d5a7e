"""Recovery by the class of fault: the p95 of each beside what the experiment allows."""

import math
from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from harness.checking.percentiles import percentile
from harness.checking.recovered_in_time import can_be_judged
from harness.checking.recovery import Recovered, Untold


class ClassRecovery(Struct, frozen=True, kw_only=True):
    """How faults of one kind were recovered from."""

    fault: str
    """The name of the kind: link_down, …"""
    p95: float
    """Seconds from heal to steady; infinite where it falls among those that were never steady."""
    faults: int
    """Of how many that is known."""

    def over(self, within: float) -> bool:
        """Whether it took longer than so many seconds."""
        return self.p95 > within


def by_class(found: Iterable[Recovered], within: float) -> list[ClassRecovery]:
    """Each class of which anything is known, the slowest first.

    A fault that was not steady `within` so many seconds, before the next one came or at all, counts as never steady.
    """
    classes: dict[str, list[float | None]] = defaultdict(list)
    for each in found:
        if can_be_judged(each, within):
            classes[each.window.name].append(each.seconds)
    return sorted((_of(name, taken) for name, taken in classes.items()), key=lambda each: (-each.p95, each.fault))


def not_known(found: Iterable[Recovered], within: float) -> dict[str, Untold]:
    """Each class of which nothing is known, by name, and why not of its last fault."""
    told = list(found)
    known = {each.window.name for each in told if can_be_judged(each, within)}
    return {each.window.name: each.untold for each in told if each.untold and each.window.name not in known}


def _of(name: str, taken: list[float | None]) -> ClassRecovery:
    steady = [seconds for seconds in taken if seconds is not None]
    p95 = percentile(steady, 95, missing=len(taken) - len(steady))
    return ClassRecovery(fault=name, p95=math.inf if p95 is None else p95, faults=len(taken))
