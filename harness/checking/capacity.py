"""Where the knee is: whether objectives hold at a rate, and what a search through rates has shown."""

from collections.abc import Sequence
from math import inf, isfinite

from msgspec import Struct

from harness.checking.bootstrap import CONFIDENCE
from harness.checking.objectives import shown
from harness.checking.percentiles import percentile
from harness.checking.ranks import fewest_samples, percentile_bounds
from harness.records.steps import Saturated, Standing, Step


class Limits(Struct, frozen=True, kw_only=True):
    """What must hold at a rate, beside that every iteration is served."""

    p99: float
    """Seconds that 99 of 100 users may wait at most, from the intended start."""
    lag_budget: float = 0.05
    """Seconds by which the generator may be late, at the 99th percentile, before what it measured is void."""


class Trial(Struct, frozen=True, kw_only=True):
    """One go at a rate. Times are seconds, moments seconds since the Unix epoch."""

    began: float
    ended: float
    """When the last iteration had ended."""
    times: Sequence[float]
    """Response times of those that were answered, from the intended start."""
    lags: Sequence[float]
    """How late the generator sent each."""
    unserved: int = 0
    """Iterations that failed, were shed, or were never answered."""
    disturbed: int = 0
    """Workflows that trials before it had left running as it began: it shared the system with them."""
    saturated: Saturated | None = None


class Capacity(Struct, frozen=True, kw_only=True):
    """What a search has shown. Rates are iterations a second."""

    knee: float | None
    """The highest rate at which the objectives were seen to hold; None where they held at none."""
    beyond: float | None
    """The lowest rate above it at which they were not; None where they held at every rate."""
    sentence: str
    saturated: Saturated | None
    """What was at its limit beyond the knee."""


def judged(rate: float, trials: Sequence[Trial], limits: Limits, *, looks: int = 1) -> Step:
    """One step of all trials at a rate. Trials whose generator was late count only where no other is left.

    The p99 holds, or breaks, where the whole of its interval lies on one side of the limit; else it is unclear. A rate
    that is judged after each of several trials has so many looks, and each may be deceived: so that all of them are
    right in 95 of 100 cases, the interval of each is wider (Bonferroni). Nor do trials count that shared the system
    with what was left of others, unless no other is left: such a one may hold, and never breaks.
    """
    on_time = [trial for trial in trials if not late(trial, limits)]
    kept = [trial for trial in on_time if not trial.disturbed] or on_time or trials
    disturbed = max(trial.disturbed for trial in kept)
    confidence = 1 - (1 - CONFIDENCE) / looks
    times = [time for trial in kept for time in trial.times]
    unserved = sum(trial.unserved for trial in kept)
    waits = [*times, *[inf] * unserved]
    p99 = percentile_bounds(waits, 99, confidence=confidence) if waits else None
    lag = max(map(_lag, kept))
    if not on_time:
        standing = Standing.VOID
        reason = f"the generator was {_wait(lag)} late at p99, and {_wait(limits.lag_budget)} are allowed"
    elif unserved:
        standing = Standing.BREAKS
        reason = f"{unserved:,} of {len(waits):,} iterations were not served"
    elif p99 is None:
        standing, reason = Standing.UNCLEAR, "nothing was answered, and nothing failed"
    elif p99.high <= limits.p99:
        standing, reason = Standing.HOLDS, f"p99 is {_wait(p99.value)}, at most {_wait(limits.p99)}"
    elif p99.low > limits.p99:
        standing, reason = Standing.BREAKS, f"p99 is {_wait(p99.value)}, above {_wait(limits.p99)}"
    elif p99.high == inf:
        standing, fewest = Standing.UNCLEAR, fewest_samples(99, confidence=confidence)
        reason = f"{len(waits):,} iterations are too few to tell a p99 by: {fewest:,} are needed"
    else:
        standing = Standing.UNCLEAR
        reason = f"p99 lies between {_wait(p99.low)} and {_wait(p99.high)}, about {_wait(limits.p99)}"
    if disturbed:
        standing = Standing.UNCLEAR if standing is Standing.BREAKS else standing
        reason += f"; and {disturbed:,} workflows of trials before it still ran beside it"
    took = sum(trial.ended - trial.began for trial in kept)
    return Step(
        rate=rate,
        began=min(trial.began for trial in kept),
        ended=max(trial.ended for trial in kept),
        repeats=len(trials),
        iterations=len(waits),
        unserved=unserved,
        achieved=len(times) / took if took > 0 else 0.0,
        p50=percentile(times, 50, missing=unserved),
        p99=_finite(p99.value) if p99 else None,
        p99_low=_finite(p99.low) if p99 else None,
        p99_high=_finite(p99.high) if p99 else None,
        p99_limit=limits.p99,
        lag_p99=lag,
        disturbed=disturbed,
        standing=standing,
        reason=reason,
        saturated=next((trial.saturated for trial in reversed(kept) if trial.saturated), None),
    )


def late(trial: Trial, limits: Limits) -> bool:
    """Whether the generator did not keep its times, so that it measured itself and not the system."""
    return _lag(trial) > limits.lag_budget


def capacity_of(steps: Sequence[Step]) -> Capacity:
    """Where the knee is by these steps, in a sentence that needs no table. Raises ValueError if there are none."""
    if not steps:
        raise ValueError("no step was made: nothing is known of the knee")
    beyond = min((step for step in steps if step.standing is not Standing.HOLDS), key=_rate, default=None)
    held = [step for step in steps if step.standing is Standing.HOLDS and (beyond is None or step.rate < beyond.rate)]
    knee = max(held, key=_rate, default=None)
    return Capacity(
        knee=knee.rate if knee else None,
        beyond=beyond.rate if beyond else None,
        sentence=" ".join(filter(None, (_held(knee, beyond), _broke(beyond)))),
        saturated=beyond.saturated if beyond else None,
    )


def _held(knee: Step | None, beyond: Step | None) -> str:
    if knee is None:
        assert beyond is not None
        return f"The objectives were not seen to hold at any rate, down to {rate_text(beyond.rate)}."
    up_to = f"up to {rate_text(knee.rate)}: of a hundred users ninety-nine wait {_wait(knee.p99 or 0)} or less."
    if beyond is None:
        return f"The objectives hold {up_to} Nothing higher was tried: the knee is above it."
    return f"The objectives hold {up_to}"


def _broke(beyond: Step | None) -> str:
    if beyond is None:
        return ""
    if beyond.standing is Standing.VOID:
        return (
            f"At {rate_text(beyond.rate)} {beyond.reason}: it was the generator that saturated, so the system's knee "
            "is not known; it is higher."
        )
    if beyond.standing is Standing.UNCLEAR:
        return f"At {rate_text(beyond.rate)} it cannot be told: {beyond.reason}."
    return f"At {rate_text(beyond.rate)} they do not: {beyond.reason}."


def rate_text(rate: float) -> str:
    """A rate as it reads: "12.5/s"."""
    return f"{shown(rate, '')}/s"


def _rate(step: Step) -> float:
    return step.rate


def _lag(trial: Trial) -> float:
    return percentile(trial.lags, 99) or 0.0


def _finite(seconds: float) -> float | None:
    return seconds if isfinite(seconds) else None


def _wait(seconds: float) -> str:
    if seconds == inf:
        return "for ever"
    return shown(seconds, "s") if seconds >= 1 else shown(seconds * 1e3, "ms")
