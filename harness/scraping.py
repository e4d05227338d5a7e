"""What is taken of a Prometheus endpoint, in one spelling and one unit whatever its settings are."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from harness.records import samples
from harness.records.samples import series

Labels = Mapping[str, str]

ENDINGS = re.compile(r"(?P<metric>[\w:]+?)(_(?P<unit>seconds|milliseconds))?(?P<bucket>_bucket)?(_total)?")
UNITS = {"seconds": 1.0, "milliseconds": 1e-3}


@dataclass(frozen=True)
class Wanted:
    """One metric: which of its labels is kept, and how what differs in the others is put together."""

    metric: str
    label: str = ""
    together: Callable[[Iterable[float]], float] = sum


OF_SERVER = (
    Wanted(samples.POLL_SUCCESS, "task_type"),
    Wanted(samples.POLL_SUCCESS_SYNC, "task_type"),
    Wanted(samples.POLL_TIMEOUTS, "task_type"),
    Wanted(samples.BACKLOG, "task_type"),
)
GAUGES_OF_WORKER = (
    Wanted(samples.SLOTS_AVAILABLE, "worker_type", min),
    Wanted(samples.SLOTS_USED, "worker_type"),
    Wanted(samples.POLLERS, "poller_type"),
    Wanted(samples.STICKY_SIZE),
)
COUNTERS_OF_WORKER = (
    Wanted(samples.STICKY_HIT),
    Wanted(samples.STICKY_MISS),
    Wanted(samples.EVICTIONS),
    Wanted(samples.ACTIVITY_WAIT, "le"),
    Wanted(samples.WORKFLOW_TASK_WAIT, "le"),
)


def readings(
    body: bytes, wanted: Iterable[Wanted], keep: Callable[[Labels], bool] = lambda _: True
) -> dict[str, float]:
    """The wanted series of an endpoint's answer by name, of those whose labels `keep` accepts. Raises ValueError.

    Buckets are in seconds: their unit is in the metric's name or, where it is not, told by its smallest bound, because
    the SDK's milliseconds are whole numbers.
    """
    by_metric = {each.metric: each for each in wanted}
    found: dict[Wanted, list[tuple[Labels, float, str | None]]] = {}
    # A server's answer has some 16,000 lines: only what is wanted is worth parsing.
    stems = tuple(metric.removesuffix("_bucket").encode() for metric in by_metric)
    text = b"\n".join(line for line in body.splitlines() if line.startswith(stems)).decode() + "\n"
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            metric, unit = _spelled(sample.name)
            if metric in by_metric and keep(sample.labels) and math.isfinite(sample.value):
                found.setdefault(by_metric[metric], []).append((sample.labels, sample.value, unit))
    return {name: value for each, parts in found.items() for name, value in _put_together(each, parts).items()}


def _spelled(name: str) -> tuple[str, str | None]:
    """A metric's name without the endings that depend on settings, and the unit that they told."""
    match = ENDINGS.fullmatch(name)
    assert match is not None, name
    return match["metric"] + (match["bucket"] or ""), match["unit"]


def _put_together(wanted: Wanted, parts: Iterable[tuple[Labels, float, str | None]]) -> dict[str, float]:
    groups: dict[str, list[float]] = {}
    if wanted.label == "le":
        parts = list(parts)
        scale = _scale(parts)
        parts = [({"le": _bound(labels["le"], scale)}, value, unit) for labels, value, unit in parts]
    for labels, value, _ in parts:
        kept = {wanted.label: labels.get(wanted.label, "")} if wanted.label else {}
        groups.setdefault(series(wanted.metric, **kept), []).append(value)
    return {name: float(wanted.together(values)) for name, values in groups.items()}


def _scale(parts: Iterable[tuple[Labels, float, str | None]]) -> float:
    bounds = [(float(labels["le"]), unit) for labels, _, unit in parts]
    smallest, unit = min(bounds)
    return UNITS[unit] if unit else (1.0 if smallest < 1 else 1e-3)


def _bound(le: str, scale: float) -> str:
    return le if le == "+Inf" else f"{float(le) * scale:g}"
