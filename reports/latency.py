"""Latency and served load of each scenario under load: percentiles, over time, and around each fault."""

import math
from collections.abc import Sequence
from functools import lru_cache

import polars as pl
from msgspec import Struct

from harness.checking.percentiles import percentile
from harness.checking.responses import Outcome, answered_times, responses, under_load
from harness.records.faults import FaultWindow
from harness.records.operations import Operation
from harness.records.run import Recorded, RunInfo

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
    by_server: int
    """Answered ones of which the server's clock told when their workflow closed: too many waited to ask for each."""
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
    responses: pl.DataFrame
    """One an iteration, in the order of intended starts, as `harness.checking.responses` tells them."""


@lru_cache(maxsize=1)
def responses_of(recorded: Recorded) -> pl.DataFrame:
    """The responses of the load of a run; kept for whoever asks next of the same one, for most sections do."""
    return responses(under_load(recorded.info, recorded.frame(Operation)), recorded.info.ends)


def latencies(info: RunInfo, found: pl.DataFrame, windows: Sequence[FaultWindow] = ()) -> list[ScenarioLatency]:
    """The latency of each scenario under load that has any response, by name; `found` are all responses of the load."""
    load = info.load
    if load is None:
        return []
    by_scenario = found.partition_by("scenario", as_dict=True)
    return [
        _scenario(str(name), mine, load.rate_of(str(name)), load.measured, windows)
        for (name,), mine in sorted(by_scenario.items())
    ]


def group(name: str, found: pl.DataFrame) -> Group:
    """Counts and percentiles of some responses."""
    outcomes = found["outcome"]
    missing = int((outcomes == Outcome.UNANSWERED).sum())
    return Group(
        name=name,
        iterations=len(found),
        answered=int((outcomes == Outcome.ANSWERED).sum()),
        failed=int((outcomes == Outcome.FAILED).sum()),
        unanswered=missing,
        by_server=int(((outcomes == Outcome.ANSWERED) & found["by_server"]).sum()),
        response=_distribution(answered_times(found), missing),
        service=_distribution(answered_times(found, "service"), missing),
    )


def _scenario(
    name: str, found: pl.DataFrame, rate: float, duration: float, windows: Sequence[FaultWindow]
) -> ScenarioLatency:
    began, last = found["intended"][0], found["answered"].max()
    whole = group("all", found)
    took = max(duration, last - began) if isinstance(last, float) else duration
    return ScenarioLatency(
        scenario=name,
        intended_rate=rate,
        duration=duration,
        began=began,
        achieved_rate=whole.answered / took if took > 0 else 0.0,
        whole=whole,
        over_time=_over_time(found, began),
        splits=tuple(_split(found, window) for window in windows),
        responses=found,
    )


def _over_time(found: pl.DataFrame, began: float) -> tuple[Moment, ...]:
    width = max(1, math.ceil((found["intended"][-1] - began) / MOST_BUCKETS))
    bucket = ((pl.col("intended") - began) // width).cast(pl.Int64).alias("bucket")
    buckets = found.with_columns(bucket).partition_by("bucket", as_dict=True, maintain_order=True)
    return tuple(_moment(number * width, width, mine) for (number,), mine in buckets.items())


def _moment(since: float, width: float, found: pl.DataFrame) -> Moment:
    told = group("", found)
    return Moment(
        since=since,
        until=since + width,
        iterations=told.iterations,
        p50=told.response.p50,
        p95=told.response.p95,
        p99=told.response.p99,
    )


def _split(found: pl.DataFrame, window: FaultWindow) -> Split:
    after = pl.col("intended") >= window.healed
    before = ~after & (pl.col("answered") < window.injected).fill_null(value=False)
    phases = {"before": before, "during": ~before & ~after, "after": after}
    return Split(window=window, groups=tuple(group(name, found.filter(phase)) for name, phase in phases.items()))


def _distribution(samples: pl.Series, missing: int) -> Distribution:
    ordered = samples.sort()
    p50, p90, p95, p99, p999, longest = (
        percentile(ordered, percent, missing=missing) for percent in (50, 90, 95, 99, 99.9, 100)
    )
    return Distribution(p50=p50, p90=p90, p95=p95, p99=p99, p999=p999, max=longest)
