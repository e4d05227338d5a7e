"""Objectives: a success metric beside its threshold. All of them together are the gate."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct

from harness.records.verdicts import ObjectiveResult, ObjectiveVerdict, Verdict

NOT_MEASURED = "not measured"
DAY = 86_400.0


class Metric(Struct, frozen=True, kw_only=True):
    """One measured figure, in the unit its objective is written in."""

    value: float
    detail: str = ""
    """What stands behind it: "median 0.98, n=30"."""
    measured: float | None = None
    """When, in seconds since the Unix epoch, where that is not when its run was; None where it is."""


class Objective(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A threshold on one metric, for the kinds of run it applies to."""

    metric: str
    title: str
    unit: str = ""
    at_most: float | None = None
    below: float | None = None
    at_least: float | None = None
    above: float | None = None
    equals: float | None = None
    hard: bool
    kinds: tuple[Literal["scenario", "load", "capacity", "soak", "chaos", "demo", "quality"], ...]
    once: bool = False
    """Of several runs together it is enough that one has measured it; else each run of its kinds must have."""
    command: str = ""
    """What measures it: "nox -s types"."""

    def __post_init__(self) -> None:
        if sum(limit is not None for _, limit in self._limits()) != 1:
            message = f"objective {self.metric!r} needs exactly one of at_most, below, at_least, above, equals"
            raise ValueError(message)
        if not self.kinds:
            message = f"objective {self.metric!r} has no kinds, so that it applies to no run"
            raise ValueError(message)
        if not math.isfinite(self.limit):
            message = f"objective {self.metric!r} has the threshold {self.limit}, beside which nothing can be held"
            raise ValueError(message)

    @property
    def limit(self) -> float:
        return next(limit for _, limit in self._limits() if limit is not None)

    @property
    def threshold(self) -> str:
        sign = next(sign for sign, limit in self._limits() if limit is not None)
        return f"{sign} {shown(self.limit, self.unit)}"

    def holds(self, value: float) -> bool:
        return (
            (self.at_most is not None and value <= self.at_most)
            or (self.below is not None and value < self.below)
            or (self.at_least is not None and value >= self.at_least)
            or (self.above is not None and value > self.above)
            or (self.equals is not None and value == self.equals)
        )

    def badness(self, value: float) -> float:
        """How bad a value is beside others of the same metric: the higher, the worse."""
        if self.equals is not None:
            return abs(value - self.equals)
        return value if self.at_most is not None or self.below is not None else -value

    def _limits(self) -> tuple[tuple[str, float | None], ...]:
        return (
            ("≤", self.at_most),
            ("<", self.below),
            ("≥", self.at_least),
            (">", self.above),
            ("=", self.equals),
        )


def evaluate(
    objectives: Iterable[Objective],
    metrics: Mapping[str, Metric],
    kind: str,
    *,
    run: str = "",
    command: str = "",
    measured: float | None = None,
) -> list[ObjectiveResult]:
    """Each objective that applies to this kind of run, beside its metric. A missing metric is unknown.

    `run` is the run's name, `command` does it again, and `measured` is when it was.
    """
    return [
        result_of(objective, metrics.get(objective.metric), run=run, command=command, measured=measured)
        for objective in objectives
        if kind in objective.kinds
    ]


def gate(results: Sequence[ObjectiveResult], *, strict: bool = False) -> Verdict:
    """May we ship? Invalid if a hard objective fails; unknown if one was not measured, or none applied.

    A strict gate wants every objective, aims too, measured; an aim that is missed never closes it. Nor does what is
    waived.
    """
    verdicts = [_gate_verdict(result) for result in results if result.hard]
    if strict:
        unknown = [result for result in results if result.verdict is ObjectiveVerdict.UNKNOWN and not result.waived]
        verdicts += [Verdict.UNKNOWN for _ in unknown]
    return Verdict.worst(verdicts)


def shown(value: float, unit: str) -> str:
    """A figure as a person reads it: three significant digits, or whole and grouped from a hundred on; its unit."""
    if not value:
        return f"0 {unit}".strip()
    if not math.isfinite(value):
        return f"{value} {unit}".strip()
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{digits}f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text} {unit}".strip()


def result_of(
    objective: Objective, metric: Metric | None, *, run: str = "", command: str = "", measured: float | None = None
) -> ObjectiveResult:
    """One objective beside its metric; None was not measured.

    What measures it is the run's own command; but where the run did not, or has it from a record, the objective's.
    """
    if metric is None:
        told, verdict = NOT_MEASURED, ObjectiveVerdict.UNKNOWN
    else:
        detail = "; ".join(filter(None, (metric.detail, _of_when(metric.measured, measured))))
        told = _told_apart(metric.value, objective) + (f" ({detail})" if detail else "")
        verdict = ObjectiveVerdict.HOLDS if objective.holds(metric.value) else ObjectiveVerdict.FAILS
    return ObjectiveResult(
        name=objective.metric,
        title=objective.title,
        hard=objective.hard,
        threshold=objective.threshold,
        measured=told,
        value=metric.value if metric else None,
        verdict=verdict,
        run=run,
        command=command if metric and metric.measured is None else objective.command,
        measured_at=(metric.measured or measured) if metric else None,
        kinds=objective.kinds,
    )


def _of_when(taken: float | None, measured: float | None) -> str:
    """The day on which a figure was taken, where that is not about when its run was."""
    return "" if taken is None or measured is None or abs(measured - taken) < DAY else of_day(taken)


def of_day(seconds: float) -> str:
    """The day of a moment since the Unix epoch, as it reads behind what is of that day, in UTC."""
    try:
        return f"of {datetime.fromtimestamp(seconds, tz=UTC):%-d %B %Y}"
    except (OverflowError, ValueError, OSError):
        return "of no day that a calendar has"


def _told_apart(value: float, objective: Objective) -> str:
    """The value, with as many digits more as tell it from a threshold it is not."""
    rounded = shown(value, objective.unit)
    if value == objective.limit or not objective.threshold.endswith(f" {rounded}"):
        return rounded
    digits = next(n for n in itertools.count(1) if round(value, n) != objective.limit)
    return f"{value:,.{digits}f} {objective.unit}".strip()


def _gate_verdict(result: ObjectiveResult) -> Verdict:
    if result.waived:
        return Verdict.VALID
    return {
        ObjectiveVerdict.HOLDS: Verdict.VALID,
        ObjectiveVerdict.UNKNOWN: Verdict.UNKNOWN,
        ObjectiveVerdict.FAILS: Verdict.INVALID,
    }[result.verdict]
