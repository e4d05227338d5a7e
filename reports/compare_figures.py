"""The figures of a run that are compared with another's: of its load, its processes, its measurements, its recovery."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from math import inf

import polars as pl
from msgspec import Struct

from harness.checking.quantities import Quantity, in_blocks, in_order, percentiles, sums
from harness.checking.responses import Outcome
from harness.records.faults import FaultWindow
from harness.records.load import LoadInfo
from harness.records.measurements import Measurement
from harness.records.run import Recorded
from harness.records.samples import CLIENT, CPU, MACHINE, MEMORY, Sample
from reports.latency import responses_of
from reports.recovery import recoveries_of

ALL = "all scenarios"
WORKERS = "workers"
SECONDS, CPU_SECONDS, BYTES, SHARE, RATE = "s", "s of CPU", "bytes", "share", "/s"
MEAN = "response time, mean"
PEERS = frozenset({"bare_worker_startup", "copy_throughput"})
"""Measurements of what is not ours: where they change, the machine has."""
PERCENTILES = (50, 95, 99)


class Better(StrEnum):
    """Which way a figure gets better."""

    LESS = "less"
    MORE = "more"
    NEITHER = "neither"
    """Nothing is better or worse for it."""


class Figure(Struct, frozen=True, kw_only=True):
    """One figure of a run."""

    subject: str
    """A scenario, a process, or what was measured."""
    name: str
    unit: str
    """s, s of CPU, bytes, share (of 1), /s; of a measurement, its own."""
    better: Better
    quantity: Quantity
    paired: bool
    """Whether its blocks are the same moments of the load, and so may be compared one by one."""


class Answer(Struct, frozen=True):
    """What the user of one iteration got. Times are seconds, `at` and `answered` since the load was warm."""

    scenario: str
    at: float
    outcome: Outcome
    time: float | None
    service: float | None
    answered: float | None


def figures(recorded: Recorded) -> list[Figure]:
    """Every figure of a run that can be compared. Raises NotARun if its files cannot be read."""
    load = recorded.info.load
    under = _under_load(recorded, load) if load is not None and load.measured > 0 else ()
    return [*under, *_measured(recorded.read(Measurement)), *_recovery(recorded)]


def _under_load(recorded: Recorded, load: LoadInfo) -> Iterator[Figure]:
    began = load.began + load.warm_up
    found = _answers(recorded, began)
    scenarios: dict[str, list[Answer]] = defaultdict(list)
    for answer in found:
        scenarios[answer.scenario].append(answer)
    groups = ({ALL: found} if len(scenarios) > 1 else {}) | dict(sorted(scenarios.items()))
    for name, group in groups.items():
        yield from _responses(name, group, load)
    good = [each.answered for each in found if each.outcome is Outcome.ANSWERED and each.answered is not None]
    yield from _processes(recorded.read(Sample), good, began, load)


def _answers(recorded: Recorded, began: float) -> list[Answer]:
    found = responses_of(recorded).select(
        "scenario", pl.col("intended") - began, "outcome", "time", "service", pl.col("answered") - began
    )
    return [
        Answer(scenario, at, Outcome(outcome), time, service, answered)
        for scenario, at, outcome, time, service, answered in found.iter_rows()
    ]


def _responses(scenario: str, found: Sequence[Answer], load: LoadInfo) -> Iterator[Figure]:
    seconds = load.measured

    def figure(name: str, unit: str, better: Better, quantity: Quantity) -> Figure:
        return Figure(subject=scenario, name=name, unit=unit, better=better, quantity=quantity, paired=not load.closed)

    good = [each for each in found if each.outcome is Outcome.ANSWERED]
    times = [(each.at, each.time) for each in good if each.time is not None]
    waited = [(each.at, inf) for each in found if each.outcome is Outcome.UNANSWERED]
    ones = [(at, 1.0) for at, _ in times]
    yield figure(MEAN, SECONDS, Better.LESS, sums(times, ones, seconds))
    for percentile in percentiles(in_blocks([*times, *waited], seconds), *PERCENTILES):
        yield figure(f"response time, p{percentile.percent:g}", SECONDS, Better.LESS, percentile)
    service = [(each.at, each.service) for each in good if each.service is not None]
    yield figure("service time, mean", SECONDS, Better.LESS, sums(service, ones, seconds))
    bad = [(each.at, float(each.outcome is not Outcome.ANSWERED)) for each in found]
    yield figure("failed or unanswered", SHARE, Better.LESS, sums(bad, [(at, 1.0) for at, _ in bad], seconds))
    within = [(each.answered, 1.0) for each in good if each.answered is not None and each.answered < seconds]
    yield figure("answered", RATE, Better.MORE, sums(within, _evenly(seconds, len(within)), seconds))


def _evenly(seconds: float, samples: int) -> list[tuple[float, float]]:
    """The time itself, in as many parts as there are samples behind what happened in it."""
    return [((number + 0.5) / samples * seconds, seconds / samples) for number in range(samples)]


def _processes(samples: Iterable[Sample], answers: Sequence[float], began: float, load: LoadInfo) -> Iterator[Figure]:
    """CPU for each iteration and memory: of all workers together, and of each service."""
    spent: dict[str, list[tuple[float, float]]] = defaultdict(list)
    held: dict[str, list[tuple[float, float]]] = defaultdict(list)
    before: dict[str, float] = {}
    for sample in samples:
        at, within = sample.time - began, 0 <= sample.time - began < load.measured
        source = WORKERS if sample.source.startswith("worker-") else sample.source
        if source in {MACHINE, CLIENT}:
            continue
        if sample.name == MEMORY and within:
            held[source].append((at, sample.value))
        elif sample.name == CPU:
            since = before.get(sample.source)
            before[sample.source] = at
            if since is not None and within:
                spent[source].append((at, sample.value / 100 * (at - since)))
    each = [(at, 1.0) for at in answers if 0 <= at < load.measured]
    for source, parts in spent.items():
        quantity = sums(parts, each, load.measured)
        yield _of_process(source, "CPU for each iteration", CPU_SECONDS, quantity, load)
    for source, parts in held.items():
        looks = [(at, 1.0) for at in dict.fromkeys(at for at, _ in parts)]
        yield _of_process(source, "memory, mean", BYTES, sums(parts, looks, load.measured), load)


def _of_process(source: str, name: str, unit: str, quantity: Quantity, load: LoadInfo) -> Figure:
    return Figure(subject=source, name=name, unit=unit, better=Better.LESS, quantity=quantity, paired=not load.closed)


def _measured(measurements: Iterable[Measurement]) -> Iterator[Figure]:
    taken: dict[tuple[str, str], list[float]] = defaultdict(list)
    for measurement in measurements:
        taken[measurement.name, measurement.unit].extend(measurement.samples)
    for (name, unit), samples in taken.items():
        (median,) = percentiles(in_order(samples), 50)
        yield Figure(
            subject=name.replace("_", " "),
            name="median",
            unit=unit,
            better=Better.NEITHER if name in PEERS else _better(unit),
            quantity=median,
            paired=False,
        )


def _better(unit: str) -> Better:
    directions: Mapping[str, Better] = {"s": Better.LESS, "ms": Better.LESS}
    return Better.MORE if unit.endswith("/s") else directions.get(unit, Better.NEITHER)


def _recovery(recorded: Recorded) -> Iterator[Figure]:
    taken: dict[str, list[float]] = defaultdict(list)
    for recovered in recoveries_of(recorded) if recorded.read(FaultWindow) else ():  # which reads all operations again
        if recovered.seconds is not None:
            taken[f"{recovered.window.name} on {recovered.window.on}"].append(recovered.seconds)
    for name, samples in taken.items():
        (median,) = percentiles(in_order(samples), 50)
        yield Figure(
            subject="recovery",
            name=f"after {name}, median",
            unit=SECONDS,
            better=Better.LESS,
            quantity=median,
            paired=False,
        )
