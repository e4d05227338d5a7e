"""Queues with one server, to compare: what they answer depends on who came before, as in any system under load."""

from collections.abc import Sequence
from random import Random

from harness.checking.compare import Change, change
from harness.checking.quantities import Quantity, Sums, in_blocks, percentiles

Times = list[tuple[float, float]]
"""Arrival and response time of each."""


def arrivals(busy: float, number: int, rng: Random) -> list[float]:
    """So many, at random, that keep the server busy for this share of the time; service takes 1 s on average."""
    times, at = [], 0.0
    for _ in range(number):
        at += rng.expovariate(busy)
        times.append(at)
    return times


def served(at: Sequence[float], rng: Random, service: float = 1.0) -> Times:
    """An M/M/1 queue, by Lindley's recursion; `service` is the mean service time."""
    waited = took = before = 0.0
    found = []
    for each in at:
        waited = max(0.0, waited + took - (each - before))
        before, took = each, rng.expovariate(1 / service)
        found.append((each, waited + took))
    return found


def family(times: Times) -> list[Quantity]:
    """Mean, p50, p95 and p99."""
    blocks = in_blocks(times, times[-1][0])
    return [mean(blocks), *percentiles(blocks, 50, 95, 99)]


def mean(blocks: Sequence[Sequence[float]]) -> Sums:
    sizes = tuple(map(len, blocks))
    return Sums(parts=tuple(map(sum, blocks)), wholes=tuple(map(float, sizes)), samples=sum(sizes))


def changes(base: Times, other: Times, *, paired: bool = True) -> list[Change]:
    """The four figures of two queues, one of which may raise a false alarm once in twenty times."""
    couples = list(zip(family(base), family(other), strict=True))
    return [change(one, two, paired=paired, alarms=0.05 / len(couples)) for one, two in couples]


def tells(found: Change) -> bool:
    """Whether a difference is claimed."""
    return (found.low is not None and found.low > 0) or (found.high is not None and found.high < 0)
