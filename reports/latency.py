"""Latency and served load of each scenario under load: percentiles, over time, and around each fault."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from msgspec import Struct

from harness.checking.percentiles import percentile
from harness.checking.responses import Outcome, Response, by_scenario, responses, under_load
from harness.records.faults import FaultWindow
from harness.records.operations import Operation
from harness.records.run import RunInfo

MOST_BUCKETS = 120


class Distribution(Struct, frozen=True, kw_only=True):
    """Percentiles in seconds. None where the rank falls among calls that nobody answered, or nothing was measured."""

    p50: float | None
    p90: float | None
    p95: float | None
    p99: float | None
    p999: float | None
    max: float | None


class Group(Struct, frozen=True, kw_only=True):
    """Some iterations of a scenario taken together."""

    name: str
    iterations: int
    answered: int
    failed: int
    unanswered: int
    response: Distribution
    """From the intended start. Failed iterations have none; unanswered ones count as slower than any other."""
    service: Distribution
    """From when the caller really sent: the difference to `response` is how late it was."""


class Moment(Struct, frozen=True, kw_only=True):
    """The iterations meant to start within one short span. Times are seconds since the load began."""

    since: float
    until: float
    iterations: int
    p50: float | None
    p95: float | None
    p99: float | None


class Split(Struct, frozen=True, kw_only=True):
    """A scenario before, during and after one fault window. During: those whose life overlaps with it."""

    window: FaultWindow
    groups: tuple[Group, ...]


class ScenarioLatency(Struct, frozen=True, kw_only=True):
    """One scenario under load."""

    scenario: str
    intended_rate: float
    """Iterations a second."""
    duration: float
    began: float
    """The first intended start: seconds since the Unix epoch."""
    achieved_rate: float
    """Iterations answered a second, from the first intended start to the last answer, or to the end of the load."""
    whole: Group
    over_time: tuple[Moment, ...]
    splits: tuple[Split, ...]
    responses: tuple[Response, ...]
    """One an iteration, in the order of intended starts."""


def latencies(
    info: RunInfo, operations: Iterable[Operation], windows: Sequence[FaultWindow] = ()
) -> list[ScenarioLatency]:
    """The latency of each scenario under load that has any response, by name."""
    load = info.load
    if load is None:
        return []
    groups = by_scenario(responses(under_load(info, operations), info.ends))
    return [_scenario(name, found, load.rate_of(name), load.measured, windows) for name, found in groups.items()]


def group(name: str, found: Sequence[Response]) -> Group:
    """Counts and percentiles of some responses."""
    outcomes = Counter(response.outcome for response in found)
    good = [response for response in found if response.outcome is Outcome.ANSWERED]
    missing = outcomes[Outcome.UNANSWERED]
    return Group(
        name=name,
        iterations=len(found),
        answered=outcomes[Outcome.ANSWERED],
        failed=outcomes[Outcome.FAILED],
        unanswered=missing,
        response=_distribution([r.time for r in good if r.time is not None], missing),
        service=_distribution([r.service for r in good if r.service is not None], missing),
    )


def _scenario(
    name: str, found: Sequence[Response], rate: float, duration: float, windows: Sequence[FaultWindow]
) -> ScenarioLatency:
    began = found[0].intended
    whole = group("all", found)
    ends = [response.answered for response in found if response.answered is not None]
    took = max([duration, *(end - began for end in ends)])
    return ScenarioLatency(
        scenario=name,
        intended_rate=rate,
        duration=duration,
        began=began,
        achieved_rate=whole.answered / took if took > 0 else 0.0,
        whole=whole,
        over_time=_over_time(found, began),
        splits=tuple(_split(found, window) for window in windows),
        responses=tuple(found),
    )


def _over_time(found: Sequence[Response], began: float) -> tuple[Moment, ...]:
    width = max(1, math.ceil((found[-1].intended - began) / MOST_BUCKETS))
    buckets: dict[int, list[Response]] = defaultdict(list)
    for response in found:
        buckets[int((response.intended - began) // width)].append(response)
    return tuple(_moment(number * width, width, buckets[number]) for number in sorted(buckets))


def _moment(since: float, width: float, found: Sequence[Response]) -> Moment:
    told = group("", found)
    return Moment(
        since=since,
        until=since + width,
        iterations=told.iterations,
        p50=told.response.p50,
        p95=told.response.p95,
        p99=told.response.p99,
    )


def _split(found: Sequence[Response], window: FaultWindow) -> Split:
    phases: dict[str, list[Response]] = {"before": [], "during": [], "after": []}
    for response in found:
        phases[_phase(response, window)].append(response)
    return Split(window=window, groups=tuple(group(name, phase) for name, phase in phases.items()))


def _phase(response: Response, window: FaultWindow) -> str:
    if response.intended >= window.healed:
        return "after"
    over = response.answered is not None and response.answered < window.injected
    return "before" if over else "during"


def _distribution(samples: Sequence[float], missing: int) -> Distribution:
    ordered = sorted(samples)
    p50, p90, p95, p99, p999, longest = (
        percentile(ordered, percent, missing=missing) for percent in (50, 90, 95, 99, 99.9, 100)
    )
    return Distribution(p50=p50, p90=p90, p95=p95, p99=p99, p999=p999, max=longest)
