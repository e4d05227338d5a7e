"""Everything the page of one run shows, taken from its records."""

from collections.abc import Mapping, Sequence

import polars as pl
from msgspec import Struct

from harness.checking.load import SENT_ON_TIME
from harness.checking.objectives import Metric, shown
from harness.checking.percentiles import percentile
from harness.checking.responses import cold_iterations
from harness.records.columns import RUN, Frames
from harness.records.discrepancies import Discrepancy
from harness.records.effects import Effect, Fact
from harness.records.faults import FaultWindow
from harness.records.fingerprint import Fingerprint
from harness.records.measurements import Measurement
from harness.records.operations import Iteration, Operation
from harness.records.run import Recorded, RunInfo
from harness.records.steps import Step
from harness.records.verdicts import Judgement
from harness.records.workflows import Activity, WorkflowRun, WorkflowTask
from reports import figures
from reports.activities import activities_within, attempts
from reports.activities import span_of as span_of_activities
from reports.anatomy import MOST_KINDS, KindAnatomy, anatomies
from reports.capacity import CapacitySection, knee_plot, search_of
from reports.chaos import ChaosSection, chaos_section
from reports.curves import percentile_curve
from reports.data_quality import Loaded, loaded_data
from reports.drift import DriftSection, drift_section
from reports.flames import Profile, profiles
from reports.gate import RunGate
from reports.histograms import bins_of, bins_table, histogram
from reports.hosted import HostedSection, section_of
from reports.latency import Group, ScenarioLatency, latencies, responses_of
from reports.metrics import UNITS, metrics
from reports.plot import Plot, Table
from reports.quality import QualitySection, quality_section
from reports.reconciliation import Books, Disagreements, books, disagreements
from reports.sentence import Answer, answer
from reports.served import served, served_of, served_table
from reports.slowest import Slow, slowest
from reports.stacks import stacks
from reports.strips import domains, strip
from reports.tables import curve_table, moments_table
from reports.tenants import tenants
from reports.timeline import Span, response_times, span_of
from reports.tuning import Tuning, tuning_of
from reports.webui import WebUI, web_ui

TILES = {
    "knee": "iterations a second, at the knee",
    "lost": "lost",
    "doubled": "doubled",
    "response_p99": "response time, p99",
    "worker_startup_max": "worker start-up, slowest",
    "workflow_overhead_p95": "workflow overhead, p95",
    "pipeline_throughput_ratio": "plain COPY's speed",
}
MOST_TILES = 5
FEWEST_STACKED = 3


class Figure(Struct, frozen=True, kw_only=True):
    """A plot, and what it shows as a table."""

    plot: Plot
    table: Table


class LatencySection(Struct, frozen=True, kw_only=True):
    latency: ScenarioLatency
    curve: Figure
    histogram: Figure | None
    """None where nobody was answered."""
    over_time: Figure
    served: Figure


class AnatomySection(Struct, frozen=True, kw_only=True):
    kind: KindAnatomy
    stacks: Plot | None
    """None of so few runs that the table says it all."""


class Sample(Struct, frozen=True, kw_only=True):
    """One measurement and its picture."""

    measurement: Measurement
    least: float | None
    median: float | None
    p95: float | None
    most: float | None
    strip: str


class Page(Struct, frozen=True, kw_only=True):
    """What the templates of one run show."""

    info: RunInfo
    gate: RunGate
    answer: Answer
    tiles: Sequence[tuple[str, str]]
    latency: Sequence[LatencySection]
    void: str
    """Why the load's figures mean nothing; empty where they do."""
    tenants: Sequence[Group]
    search: CapacitySection | None
    knee: Plot | None
    drift: DriftSection | None
    activity: Plot | None
    locust: HostedSection | None
    tuning: Tuning | None
    profiles: Sequence[Profile]
    anatomy: Sequence[AnatomySection]
    further_kinds: int
    """Kinds of workflows whose anatomy is not shown."""
    books: Books
    disagreements: Disagreements
    data: Sequence[Loaded]
    judgements: Sequence[Judgement]
    faults: Sequence[FaultWindow]
    chaos: ChaosSection | None
    quality: QualitySection | None
    samples: Sequence[Sample]
    slowest: Sequence[Slow]
    ui: WebUI
    fingerprint: Fingerprint | None


def page_of(recorded: Recorded, judged: RunGate) -> Page:
    """The page of a run that was put to the gate. Raises NotARun if its records cannot be read."""
    info = recorded.info
    judgements = recorded.read(Judgement)
    windows = sorted(recorded.read(FaultWindow), key=lambda window: window.injected)
    sections = [_section(latency, windows) for latency in latencies(info, responses_of(recorded), windows)]
    drift, search = drift_section(recorded), search_of(recorded.read(Step))
    workflows = recorded.frames(WorkflowRun)  # late: they may still be read beside this
    loaded, activities, tasks = _under_load(info, workflows, cold_iterations(recorded.frame(Operation)))
    fingerprint, kinds = recorded.fingerprint(), anatomies(loaded)
    ui = web_ui(fingerprint)
    kept = books(recorded.frame(Operation), workflows, recorded.frame(Effect), recorded.frames(Fact))
    return Page(
        info=info,
        gate=judged,
        answer=answer(judged),
        tiles=_tiles(metrics(recorded)),
        latency=sections,
        void=_void(judgements),
        tenants=tenants(recorded.frame(Iteration), responses_of(recorded)) if info.load and info.load.tenants else [],
        search=search,
        knee=Plot.drawn(lambda width: knee_plot(search, width=width)) if search else None,
        drift=drift,
        activity=_activity(activities, [section.latency for section in sections], windows),
        locust=section_of(recorded.hosted()),
        tuning=tuning_of(recorded, tasks, activities, windows),
        profiles=profiles(recorded.directory),
        anatomy=[_anatomy(kind, number) for number, kind in enumerate(kinds[:MOST_KINDS])],
        further_kinds=len(kinds[MOST_KINDS:]),
        books=kept,
        disagreements=disagreements(recorded.read(Discrepancy)),
        data=loaded_data(kept.rows),
        judgements=judgements,
        faults=windows,
        chaos=chaos_section(recorded),
        quality=quality_section(recorded),
        samples=_samples(recorded.read(Measurement)),
        slowest=slowest(loaded, activities, ui),
        ui=ui,
        fingerprint=fingerprint,
    )


def _under_load(
    info: RunInfo, workflows: Frames, cold: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """The workflow runs under load, all of them where none was, less the cold ones; their activities and tasks."""
    runs, activities, tasks = workflows[WorkflowRun], workflows[Activity], workflows[WorkflowTask]
    under = runs.filter(pl.col("scenario").is_in(list(info.loaded)))
    loaded = runs if under.is_empty() else under
    loaded = loaded.join(cold, on=["scenario", "iteration"], how="anti", maintain_order="left")
    if loaded.height == runs.height:
        return runs, activities, tasks
    return loaded, activities.join(loaded, on=RUN, how="semi"), tasks.join(loaded, on=RUN, how="semi")


def _void(judgements: Sequence[Judgement]) -> str:
    told = [judgement.reason for judgement in judgements if judgement.invariant == SENT_ON_TIME and judgement.checked]
    return "".join(told)


def _tiles(measured: Mapping[str, Metric]) -> list[tuple[str, str]]:
    """The figures at the top of the page: the first few that were measured."""
    found = [(_figure(name, measured[name].value), words) for name, words in TILES.items() if name in measured]
    return found[:MOST_TILES]


def _figure(metric: str, value: float) -> str:
    seconds = {"s": 1.0, "ms": 1e-3}.get(UNITS[metric])
    if seconds is not None:
        return figures.duration(value * seconds)
    return f"{shown(value, '')} times" if metric.endswith("_ratio") else shown(value, "")


def _section(latency: ScenarioLatency, windows: Sequence[FaultWindow]) -> LatencySection:
    bins, moments = bins_of(latency), served_of(latency)
    return LatencySection(
        latency=latency,
        curve=Figure(plot=Plot.drawn(lambda width: percentile_curve(latency, width=width)), table=curve_table(latency)),
        histogram=Figure(
            plot=Plot.drawn(lambda width: histogram(latency, bins, width=width)), table=bins_table(latency, bins)
        )
        if bins
        else None,
        over_time=Figure(
            plot=Plot.drawn(lambda width: response_times(latency, windows, width=width)), table=moments_table(latency)
        ),
        served=Figure(
            plot=Plot.drawn(lambda width: served(latency, moments, windows, width=width)), table=served_table(moments)
        ),
    )


def _activity(
    activities: pl.DataFrame, loaded: Sequence[ScenarioLatency], windows: Sequence[FaultWindow]
) -> Plot | None:
    spans = [span_of(latency, windows) for latency in loaded]
    during = Span(since=min(s.since for s in spans), until=max(s.until for s in spans)) if spans else None
    found = activities_within(activities, during)
    if found.is_empty():
        return None
    span = during or span_of_activities(found)
    return Plot.drawn(lambda width: attempts(found, span, windows, width=width))


def _anatomy(kind: KindAnatomy, number: int) -> AnatomySection:
    if len(kind.runs) < FEWEST_STACKED:
        return AnatomySection(kind=kind, stacks=None)
    return AnatomySection(kind=kind, stacks=Plot.drawn(lambda width: stacks(kind, number, width=width)))


def _samples(measurements: Sequence[Measurement]) -> list[Sample]:
    scales = domains(measurements)
    return [
        Sample(
            measurement=measurement,
            least=min(measurement.samples, default=None),
            median=percentile(measurement.samples, 50),
            p95=percentile(measurement.samples, 95),
            most=percentile(measurement.samples, 100),
            strip=strip(measurement, scales[measurement.unit]),
        )
        for measurement in measurements
    ]
