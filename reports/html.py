"""The report of a run as one HTML file that needs nothing but itself."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import polars as pl
from msgspec import Struct

from harness.checking.load import SENT_ON_TIME
from harness.checking.objectives import Metric, shown
from harness.checking.percentiles import percentile
from harness.records.columns import RUN
from harness.records.discrepancies import Discrepancy
from harness.records.effects import Effect, Fact
from harness.records.faults import FaultWindow
from harness.records.fingerprint import Fingerprint
from harness.records.measurements import Measurement
from harness.records.operations import Iteration, Operation
from harness.records.run import Recorded, RunInfo
from harness.records.steps import Step
from harness.records.verdicts import Judgement
from harness.records.workflows import Activity, WorkflowRun
from reports import figures
from reports.activities import activities_within, attempts
from reports.activities import span_of as span_of_activities
from reports.anatomy import MOST_KINDS, KindAnatomy, anatomies
from reports.capacity import WORDS as STANDINGS
from reports.capacity import CapacitySection, knee_plot, search_of
from reports.chaos import ChaosSection, chaos_section
from reports.curves import percentile_curve
from reports.drift import DriftSection, drift_section
from reports.flames import Profile, profiles
from reports.gate import RunGate, run_gate
from reports.hosted import HostedSection, section_of
from reports.latency import Group, ScenarioLatency, latencies, responses_of
from reports.metrics import UNITS, metrics
from reports.plot import NARROW, WIDE, Plot
from reports.reconciliation import Books, Disagreements, books, disagreements
from reports.sentence import MARKS, QUESTION, Answer, answer
from reports.slowest import Slow, slowest
from reports.stacks import stacks
from reports.strips import domains, strip
from reports.tenants import tenants
from reports.timeline import Span, response_times, span_of
from reports.tuning import Tuning, tuning_of
from reports.webui import WebUI, web_ui

FILE = "report.html"
MOST_FINDINGS = 20
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


class LatencySection(Struct, frozen=True, kw_only=True):
    latency: ScenarioLatency
    over_time: Plot
    curve: Plot


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
    """Everything the template shows."""

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
    judgements: Sequence[Judgement]
    faults: Sequence[FaultWindow]
    chaos: ChaosSection | None
    samples: Sequence[Sample]
    slowest: Sequence[Slow]
    ui: WebUI
    fingerprint: Fingerprint | None


def write_report(directory: Path) -> Path:
    """Write report.html into a run's directory, and tell where. Raises NotARun if the run cannot be read."""
    page = render(Recorded(directory))
    path = directory / FILE
    part = path.with_suffix(".part")
    part.write_text(page, encoding="utf-8")
    part.replace(path)
    return path


def render(recorded: Recorded) -> str:
    """The report as HTML. What was recorded is escaped; the page has no script and loads nothing."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=figures.duration,
        count=figures.count,
        share=figures.share,
        memory=figures.memory,
        moment=figures.moment,
        things=figures.things,
        shown=shown,
        short=lambda name: name.removeprefix(f"{recorded.info.id}."),
    )
    environment.globals.update(marks=MARKS, standings=STANDINGS, question=QUESTION, most_findings=MOST_FINDINGS)
    page = _page(recorded)
    shown_fields: dict[str, Any] = {name: getattr(page, name) for name in Page.__struct_fields__}
    return environment.get_template("report.html.j2").render(shown_fields)


def _page(recorded: Recorded) -> Page:
    info, judged = recorded.info, run_gate(recorded)
    workflows = recorded.frames(WorkflowRun)
    judgements = recorded.read(Judgement)
    windows = sorted(recorded.read(FaultWindow), key=lambda window: window.injected)
    sections = [_section(latency, windows) for latency in latencies(info, responses_of(recorded), windows)]
    runs = workflows[WorkflowRun].filter(pl.col("scenario").is_in(list(info.loaded)))
    loaded = workflows[WorkflowRun] if runs.is_empty() else runs
    activities = workflows[Activity].join(loaded, on=RUN, how="semi")
    fingerprint, kinds = recorded.fingerprint(), anatomies(loaded)
    ui = web_ui(fingerprint)
    search = search_of(recorded.read(Step))
    return Page(
        info=info,
        gate=judged,
        answer=answer(judged),
        tiles=_tiles(metrics(recorded)),
        latency=sections,
        void=_void(judgements),
        tenants=tenants(recorded.frame(Iteration), responses_of(recorded)) if info.load and info.load.tenants else [],
        search=search,
        knee=Plot(wide=knee_plot(search, width=WIDE), narrow=knee_plot(search, width=NARROW)) if search else None,
        drift=drift_section(recorded),
        activity=_activity(activities, [section.latency for section in sections], windows),
        locust=section_of(recorded.hosted()),
        tuning=tuning_of(recorded, windows),
        profiles=profiles(recorded.directory),
        anatomy=[_anatomy(kind, number) for number, kind in enumerate(kinds[:MOST_KINDS])],
        further_kinds=len(kinds[MOST_KINDS:]),
        books=books(recorded.frame(Operation), workflows, recorded.frame(Effect), recorded.frames(Fact)),
        disagreements=disagreements(recorded.read(Discrepancy)),
        judgements=judgements,
        faults=windows,
        chaos=chaos_section(recorded),
        samples=_samples(recorded.read(Measurement)),
        slowest=slowest(loaded, activities, ui),
        ui=ui,
        fingerprint=fingerprint,
    )


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
    return LatencySection(
        latency=latency,
        over_time=Plot(
            wide=response_times(latency, windows, width=WIDE),
            narrow=response_times(latency, windows, width=NARROW),
        ),
        curve=Plot(wide=percentile_curve(latency, width=WIDE), narrow=percentile_curve(latency, width=NARROW)),
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
    return Plot(wide=attempts(found, span, windows, width=WIDE), narrow=attempts(found, span, windows, width=NARROW))


def _anatomy(kind: KindAnatomy, number: int) -> AnatomySection:
    if len(kind.runs) < FEWEST_STACKED:
        return AnatomySection(kind=kind, stacks=None)
    wide, narrow = (stacks(kind, number, width=width) for width in (WIDE, NARROW))
    return AnatomySection(kind=kind, stacks=Plot(wide=wide, narrow=narrow))


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
