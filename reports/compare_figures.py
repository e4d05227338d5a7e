"""The figures of a run that are compared with another's: of its load, its processes, its measurements, its recovery."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from math import inf

import polars as pl
from msgspec import Struct

from harness.checking.quantities import BLOCKS, Quantity, Sums, in_order, percentiles, totals
from harness.checking.responses import Outcome
from harness.records.load import LoadInfo
from harness.records.measurements import Measurement
from harness.records.run import Recorded
from harness.records.samples import CLIENT, CPU, MACHINE, MEMORY, Sample
from reports.aftermath import aftermath_of
from reports.latency import responses_of

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


def figures(recorded: Recorded) -> list[Figure]:
    """Every figure of a run that can be compared. Raises NotARun if its files cannot be read."""
    load = recorded.info.load
    under = _under_load(recorded, load) if load is not None and load.measured > 0 else ()
    return [*under, *_measured(recorded.read(Measurement)), *_recovery(recorded)]


def _under_load(recorded: Recorded, load: LoadInfo) -> Iterator[Figure]:
    began = load.began + load.warm_up
    found = responses_of(recorded).select(
        "scenario",
        "time",
        "service",
        _block(pl.col("intended") - began, load),
        good=pl.col("outcome") == Outcome.ANSWERED,
        lost=pl.col("outcome") == Outcome.UNANSWERED,
        answered=pl.col("answered") - began,
    )
    groups = {str(name): group for (name,), group in sorted(found.partition_by("scenario", as_dict=True).items())}
    for name, group in (({ALL: found} if len(groups) > 1 else {}) | groups).items():
        yield from _responses(name, group, load)
    yield from _processes(recorded.read(Sample), found, began, load)


def _block(time: pl.Expr, load: LoadInfo) -> pl.Expr:
    """In which block of the load a time since its beginning lies; what is outside belongs to the first or the last."""
    return (time / load.measured * BLOCKS).floor().clip(0, BLOCKS - 1).cast(pl.Int64).alias("block")


def _totals(found: pl.DataFrame, what: pl.Expr) -> tuple[float, ...]:
    told = dict(found.group_by("block").agg(what).iter_rows())
    return tuple(float(told.get(number) or 0.0) for number in range(BLOCKS))


def _mean(found: pl.DataFrame, what: pl.Expr) -> Sums:
    return Sums(parts=_totals(found, what.sum()), wholes=_totals(found, pl.len()), samples=found.height)


def _responses(scenario: str, found: pl.DataFrame, load: LoadInfo) -> Iterator[Figure]:
    def figure(name: str, unit: str, better: Better, quantity: Quantity) -> Figure:
        return Figure(subject=scenario, name=name, unit=unit, better=better, quantity=quantity, paired=not load.closed)

    good = found.filter("good")
    yield figure(MEAN, SECONDS, Better.LESS, _mean(good, pl.col("time")))
    for percentile in percentiles(_waited(found), *PERCENTILES):
        yield figure(f"response time, p{percentile.percent:g}", SECONDS, Better.LESS, percentile)
    yield figure("service time, mean", SECONDS, Better.LESS, _mean(good, pl.col("service")))
    yield figure("failed or unanswered", SHARE, Better.LESS, _mean(found, ~pl.col("good")))
    served = _served(found, load)
    answered = Sums(parts=_totals(served, pl.len()), wholes=(load.measured / BLOCKS,) * BLOCKS, samples=served.height)
    yield figure("answered", RATE, Better.MORE, answered)


def _waited(found: pl.DataFrame) -> tuple[list[float], ...]:
    """The response times of each block, in rising order; who was never answered waited for ever."""
    times = found.filter(pl.col("good") | pl.col("lost")).select(
        "block", time=pl.when("good").then("time").otherwise(pl.lit(inf))
    )
    told: dict[int, list[float]] = dict(times.sort("time").group_by("block").agg("time").iter_rows())
    return tuple(told.get(number, []) for number in range(BLOCKS))


def _served(found: pl.DataFrame, load: LoadInfo) -> pl.DataFrame:
    """What was answered well before the load ended, in the block in which it was."""
    return found.filter("good", pl.col("answered") < load.measured).with_columns(_block(pl.col("answered"), load))


def _processes(samples: Iterable[Sample], found: pl.DataFrame, began: float, load: LoadInfo) -> Iterator[Figure]:
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
    served = _served(found, load)
    each = _totals(served, pl.len())
    for source, points in spent.items():
        cpu = Sums(parts=totals(points, load.measured), wholes=each, samples=served.height)
        yield _of_process(source, "CPU for each iteration", CPU_SECONDS, cpu, load)
    for source, points in held.items():
        looks = [(at, 1.0) for at in dict.fromkeys(at for at, _ in points)]
        memory = Sums(parts=totals(points, load.measured), wholes=totals(looks, load.measured), samples=len(looks))
        yield _of_process(source, "memory, mean", BYTES, memory, load)


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
    for recovered in aftermath_of(recorded).recovered:
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
