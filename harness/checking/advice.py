"""Advice on one figure: its threshold, its verdict, and the words for what was and what was not measured."""

import math
from enum import StrEnum

from msgspec import Struct

from harness.checking.counted import Bounds, Samples
from harness.checking.objectives import shown
from harness.records import samples as names

FEWEST = 20
"""Of fewer, a single one decides whether their share is above 95 %."""


class TuningVerdict(StrEnum):
    OK = "ok"
    BREACH = "breach"
    UNKNOWN = "unknown"


class Advice(Struct, frozen=True, kw_only=True):
    """One figure beside its threshold. It is no invariant and no objective: it closes no gate."""

    title: str
    means: str
    """What the figure is, for who has never met it."""
    threshold: str
    source: str
    """Title of the page of Temporal's documentation that says so."""
    verdict: TuningVerdict
    measured: str = "not measured"
    detail: str = ""
    """What stands behind the figure or, where it is unknown, why."""
    change: str = ""
    """Which setting to change, where the threshold is breached."""


def silent_server(seen: Samples, what: str) -> str:
    """Why the server did not tell; `what` it did where it answered all the same."""
    if not seen.points("temporal", names.UP):
        return "the server has no metrics endpoint that is known here"
    if not any(value for _, value in seen.points("temporal", names.UP)):
        return "the server's metrics endpoint never answered"
    return f"the server {what}"


def silent_workers(seen: Samples, what: str) -> str:
    """Why the workers did not tell; `what` they did where they answered all the same."""
    workers = [source for source in seen.sources(names.UP) if source != "temporal"]
    if not workers:
        return "the workers have no metrics endpoint: temper.toml names it under [worker] metrics"
    if not any(value for source in workers for _, value in seen.points(source, names.UP)):
        return "the workers' metrics endpoints never answered"
    return f"the workers {what}"


def of(count: float, things: str) -> str:
    """Of how many a share is, and whether they are too few to tell."""
    return f"of {count:,.0f} {things}" + ("" if count >= FEWEST else ": too few to tell")


def above(share: float | None, limit: float, count: float | None) -> TuningVerdict:
    """Whether a share of so many is above its limit."""
    if share is None or count is None or count < FEWEST:
        return TuningVerdict.UNKNOWN
    return TuningVerdict.OK if share > limit else TuningVerdict.BREACH


def below(bounds: Bounds, limit: float) -> TuningVerdict:
    """Whether what lies between these bounds is below its limit; unknown where the limit lies there too."""
    if bounds.at_most <= limit:
        return TuningVerdict.OK
    return TuningVerdict.BREACH if bounds.above >= limit else TuningVerdict.UNKNOWN


def between(bounds: Bounds, limit: float) -> str:
    """Bounds in seconds, as text; the lower one where it is what says that the limit was reached."""
    if math.isinf(bounds.at_most):
        return f"> {shown(bounds.above * 1000, 'ms')}"
    least = f"> {shown(bounds.above * 1000, 'ms')}, " if bounds.above >= limit else ""
    return f"{least}≤ {shown(bounds.at_most * 1000, 'ms')}"


def percent(share: float | None) -> str:
    """A share rounded down, so that what misses a threshold never reads as the threshold."""
    if share is None:
        return "not measured"
    return f"{math.floor(round(share * 1000, 6)) / 10:g} %"
