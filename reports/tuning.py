"""The server and the workers beside the load: the advice on tuning, and plots of what each process used."""

from collections.abc import Callable, Sequence

import polars as pl
from msgspec import Struct

from harness.checking.advice import Advice
from harness.checking.counted import Point, Samples
from harness.checking.percentiles import median
from harness.checking.tuning import SYNC_MATCH, advise
from harness.records import samples as names
from harness.records.faults import FaultWindow
from harness.records.run import Recorded
from harness.records.samples import CLIENT, MACHINE, Sample, series
from reports.figures import bytes_of, percent
from reports.sparks import spark
from reports.timeline import Span

Write = Callable[[float], str]

NOTES = {
    MACHINE: "all of it, with whatever else ran; 100 % is every core",
    CLIENT: "what made the load, and watched",
}


class Plotted(Struct, frozen=True, kw_only=True):
    """One figure over time: its picture, its median and its extreme, as text."""

    picture: str
    typical: str
    extreme: str


class Process(Struct, frozen=True, kw_only=True):
    """What one service, worker or client used."""

    source: str
    note: str
    cpu: Plotted | None
    memory: Plotted | None


class Gauge(Struct, frozen=True, kw_only=True):
    """One figure that server or worker told of itself."""

    title: str
    source: str
    extreme: str
    """What the extreme is: "least", "most"."""
    plotted: Plotted


class Tuning(Struct, frozen=True, kw_only=True):
    """The section of the report."""

    advice: Sequence[Advice]
    processes: Sequence[Process]
    gauges: Sequence[Gauge]
    seconds: float
    unanswered: Sequence[tuple[str, int, int]]
    """Whose metrics endpoint did not answer, how often, of how many looks."""


def tuning_of(
    recorded: Recorded, tasks: pl.DataFrame, activities: pl.DataFrame, windows: Sequence[FaultWindow]
) -> Tuning | None:
    """The section, or None where nothing was sampled; workflow tasks and activities are those that speed is told of.

    The plots show the warm-up too; the advice is given by what was sampled after it.
    """
    samples = recorded.read(Sample)
    if not samples:
        return None
    seen, load = Samples(samples), recorded.info.load
    measured_from = load.began + load.warm_up if load and load.warm_up else float("-inf")
    times = [sample.time for sample in samples]
    span = Span(since=min(times), until=max([*times, min(times) + 1]))
    return Tuning(
        advice=advise((each for each in samples if each.time >= measured_from), tasks, activities),
        processes=_processes(seen, span, windows),
        gauges=[*_matching(seen, span, windows), *_slots(seen, span, windows)],
        seconds=span.until - span.since,
        unanswered=_unanswered(seen),
    )


def _processes(seen: Samples, span: Span, windows: Sequence[FaultWindow]) -> list[Process]:
    sources = sorted(seen.sources(names.MEMORY), key=lambda source: (source == MACHINE, source == CLIENT))

    def column(name: str, write: Write) -> dict[str, Plotted | None]:
        # On the machine's scale the others would be flat lines.
        most = max((value for each in sources if each != MACHINE for _, value in seen.points(each, name)), default=1.0)
        tops = {each: None if each == MACHINE else most for each in sources}
        return {
            each: _plotted(f"{name} of {each}", seen.points(each, name), span, top, write, windows)
            for each, top in tops.items()
        }

    cpu, memory = column(names.CPU, percent), column(names.MEMORY, bytes_of)
    return [Process(source=each, note=NOTES.get(each, ""), cpu=cpu[each], memory=memory[each]) for each in sources]


def _matching(seen: Samples, span: Span, windows: Sequence[FaultWindow]) -> list[Gauge]:
    found = []
    for task_type, noun in (("Workflow", "workflow tasks"), ("Activity", "activities")):
        part, whole = (series(name, task_type=task_type) for name in (names.POLL_SUCCESS_SYNC, names.POLL_SUCCESS))
        points = [(time, 100 * share) for time, share in seen.shares("temporal", part, whole)]
        title = f"Sync match rate, {noun}"
        plotted = _plotted(title, points, span, 100.0, percent, windows, limit=100 * SYNC_MATCH, extreme=min)
        if plotted is not None:
            found.append(Gauge(title=title, source="temporal", extreme="least", plotted=plotted))
    return found


def _slots(seen: Samples, span: Span, windows: Sequence[FaultWindow]) -> list[Gauge]:
    found = []
    for name, extreme, words in ((names.SLOTS_AVAILABLE, min, "free"), (names.SLOTS_USED, max, "used")):
        for worker_type, noun in (("WorkflowWorker", "workflow tasks"), ("ActivityWorker", "activities")):
            wanted = series(name, worker_type=worker_type)
            if words == "used" and seen.sources(series(names.SLOTS_AVAILABLE, worker_type=worker_type)):
                continue  # the free ones say it already
            most = max(seen.values(wanted), default=1.0)
            for source in sorted(seen.sources(wanted)):
                points = seen.points(source, wanted)
                title = f"Slots {words}, {noun}"
                plotted = _plotted(f"{title}, {source}", points, span, most, _whole, windows, extreme=extreme)
                if plotted is not None:
                    told = "least" if extreme is min else "most"
                    found.append(Gauge(title=title, source=source, extreme=told, plotted=plotted))
    return found


def _plotted(
    name: str,
    points: Sequence[Point],
    span: Span,
    most: float | None,
    write: Write,
    windows: Sequence[FaultWindow],
    *,
    limit: float | None = None,
    extreme: Callable[[list[float]], float] = max,
) -> Plotted | None:
    values = [value for _, value in points]
    typical = median(values)
    if typical is None:
        return None
    told = f"median {write(typical)}, {'least' if extreme is min else 'most'} {write(extreme(values))}"
    picture = spark(name, points, span, most or max(values) or 1.0, windows=windows, limit=limit, described=told)
    return Plotted(picture=picture, typical=write(typical), extreme=write(extreme(values)))


def _unanswered(seen: Samples) -> list[tuple[str, int, int]]:
    looks = {source: [up for _, up in seen.points(source, names.UP)] for source in sorted(seen.sources(names.UP))}
    return [(source, ups.count(0.0), len(ups)) for source, ups in looks.items() if 0.0 in ups]


def _whole(value: float) -> str:
    return f"{value:,.0f}"
