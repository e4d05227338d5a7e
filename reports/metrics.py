"""The metrics of a run: only what was measured; what was not is absent."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

import polars as pl

from harness.checking.bootstrap import percentile_interval
from harness.checking.capacity import capacity_of
from harness.checking.drift import Drift, drifting
from harness.checking.load import lags
from harness.checking.objectives import Metric, of_day, shown
from harness.checking.percentiles import median, percentile
from harness.checking.recovery import Recovered, Untold
from harness.checking.recovery_by_class import by_class, not_known
from harness.checking.responses import answered_times, unanswered, under_load
from harness.records.checks import Check
from harness.records.experiment import ExperimentInfo
from harness.records.faults import FaultWindow
from harness.records.measurements import Measurement
from harness.records.operations import Ack, Kind, Operation, substream
from harness.records.run import NotARun, Recorded
from harness.records.samples import MEMORY, MEMORY_PEAK, Sample
from harness.records.steps import Step
from harness.records.verdicts import Judgement, Verdict
from reports.aftermath import aftermath_of
from reports.drift import drift_of
from reports.figures import things
from reports.latency import responses_of

UNITS = {
    "worker_startup_max": "s",
    "worker_startup_ratio": "",
    "workflow_overhead_p95": "ms",
    "platform_overhead_median": "ms",
    "pipeline_throughput_ratio": "",
    "lost": "",
    "doubled": "",
    "invariants_not_valid": "",
    "faults_that_did_not_bite": "",
    "response_p50": "ms",
    "response_p95": "ms",
    "response_p99": "ms",
    "response_max": "ms",
    "lag_p99": "ms",
    "unserved": "",
    "unanswered": "",
    "drifting": "",
    "knee": "",
    "recovery_max": "s",
    "recovery_over_budget": "",
    "worker_memory_max": "MB",
    "type_errors": "",
    "unexplained_ignores": "",
    "tests_failed": "",
    "tests_run": "",
    "tests_missing": "",
    "branch_coverage": "%",
    "flakes": "",
    "mutation_score": "%",
    "vulnerabilities_dependencies": "",
    "vulnerabilities_code": "",
    "secrets": "",
    "visibility": "%",
    "deployment_lost": "",
}
"""Every metric there is, and its unit."""

PERCENTILES = {"response_p50": 50, "response_p95": 95, "response_p99": 99, "response_max": 100}
WORKER = "worker-"
"""How the names of workers begin, as sources of samples."""
MEGABYTE = 1e6
SCALES = {("s", "s"): 1.0, ("ms", "s"): 1e-3, ("s", "ms"): 1e3, ("ms", "ms"): 1.0, ("rows/s", "rows/s"): 1.0}


@lru_cache(maxsize=1)
def metrics(recorded: Recorded) -> dict[str, Metric]:
    """Every metric this run has measured, in the unit of UNITS. Raises NotARun if its files cannot be read.

    Kept for whoever asks next of the same run: the gate does, and the top of its page.
    """
    answers = responses_of(recorded)
    found = (
        *_measured(recorded.read(Measurement)),
        *_judged(recorded.read(Judgement)),
        *_faults(recorded.read(FaultWindow)),
        *_latency(answers),
        *_load(under_load(recorded.info, recorded.frame(Operation)), answers),
        *_drift(drift_of(recorded)),
        *_capacity(recorded.read(Step)),
        *_recovery(recovered := aftermath_of(recorded).recovered),
        *_recovery_by_class(recovered, recorded.experiment()),
        *_memory(recorded.read(Sample)),
        *_checked(recorded.read(Check)),
    )
    return {name: metric for name, metric in found if metric is not None}


Found = tuple[str, Metric | None]


def _measured(measurements: Iterable[Measurement]) -> Iterable[Found]:
    samples: dict[str, list[Measurement]] = defaultdict(list)
    for measurement in measurements:
        samples[measurement.name].append(measurement)

    def of(name: str, unit: str) -> list[float]:
        return [value for taken in samples[name] for value in _in(taken, unit)]

    startup, overhead = of("worker_startup", "s"), of("workflow_overhead", "ms")
    platform = of("platform_overhead", "ms")
    yield "worker_startup_max", _metric(percentile(startup, 100), _spread(startup, "s"))
    yield "worker_startup_ratio", _ratio(startup, of("bare_worker_startup", "s"), "s")
    yield "workflow_overhead_p95", _metric(percentile(overhead, 95), _spread(overhead, "ms"))
    yield "platform_overhead_median", _metric(median(platform), _interval(platform))
    throughput, copied = of("pipeline_throughput", "rows/s"), of("copy_throughput", "rows/s")
    yield "pipeline_throughput_ratio", _ratio(throughput, copied, "rows/s")


def _judged(judgements: Sequence[Judgement]) -> Iterable[Found]:
    for name, invariant in (("lost", "nothing lost"), ("doubled", "nothing doubled")):
        told = [judgement for judgement in judgements if judgement.invariant == invariant]
        if told and all(judgement.verdict is not Verdict.UNKNOWN for judgement in told):
            checked = sum(judgement.checked for judgement in told)
            findings = sum(len(judgement.findings) for judgement in told)
            yield name, Metric(value=findings, detail=f"{checked:,} looked at")
    if judgements:
        verdicts = Counter(judgement.verdict for judgement in judgements)
        told_of = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in Verdict if verdicts[verdict])
        not_valid = Metric(value=len(judgements) - verdicts[Verdict.VALID], detail=told_of)
        # An unknown one alone is not a failure: nobody knows.
        yield "invariants_not_valid", None if _only_unknown(verdicts) else not_valid


def _faults(windows: Sequence[FaultWindow]) -> Iterable[Found]:
    if windows:
        # A fault that did not bite has proven nothing, and refuted nothing either.
        bitten = all(window.bit for window in windows)
        yield "faults_that_did_not_bite", Metric(value=0, detail=f"of {len(windows)}") if bitten else None


def _only_unknown(verdicts: Counter[Verdict]) -> bool:
    """Whether some verdicts are unknown and none is invalid."""
    return bool(verdicts[Verdict.UNKNOWN]) and not verdicts[Verdict.INVALID]


def _latency(found: pl.DataFrame) -> Iterable[Found]:
    times, missing = answered_times(found).sort() * 1e3, unanswered(found)
    for name, percent in PERCENTILES.items():
        yield name, _metric(percentile(times, percent, missing=missing), f"n={len(times) + missing:,}")


def _load(operations: pl.DataFrame, found: pl.DataFrame) -> Iterable[Found]:
    if operations.is_empty():
        return
    late = lags(operations)
    yield "lag_p99", _metric(percentile(late * 1e3, 99), f"n={len(late):,}")
    served = (pl.col("kind") == Kind.START) & (pl.col("ack") == Ack.OK)
    asked = operations.group_by("scenario", "iteration").agg(served=served.any())["served"]
    yield "unserved", Metric(value=len(asked) - int(asked.sum()), detail=f"of {len(asked):,} iterations")
    detail = "none waits for an answer" if found.is_empty() else f"of {len(found):,} iterations"
    yield "unanswered", Metric(value=unanswered(found), detail=detail)


def _drift(found: Sequence[Drift]) -> Iterable[Found]:
    growing = drifting(found)
    if growing is not None:
        yield "drifting", Metric(value=growing, detail=f"of {len(found)} figures over time")


def _capacity(steps: Sequence[Step]) -> Iterable[Found]:
    found = capacity_of(steps) if steps else None
    if found is not None and found.knee is not None:
        beyond = "no rate was found at which they do not" if found.beyond is None else f"not at {found.beyond:g}"
        yield "knee", Metric(value=found.knee, detail=f"objectives hold at so many iterations a second, {beyond}")


def _recovery(found: Sequence[Recovered]) -> Iterable[Found]:
    told = [(each.seconds, each.window) for each in found if each.seconds is not None]
    if told and not any(each.untold is Untold.NEVER_STEADY for each in found):
        slowest, window = max(told, key=lambda each: each[0])
        detail = f"from heal to steady, after {window.name} on {window.on}; {len(told)} of {len(found)} told"
        yield "recovery_max", Metric(value=slowest, detail=detail)


def _recovery_by_class(found: Sequence[Recovered], experiment: ExperimentInfo | None) -> Iterable[Found]:
    if experiment is None:
        return
    within = experiment.recovery.within
    classes = by_class(found, within)
    if classes:
        worst, over = classes[0], sum(each.over(within) for each in classes)
        took = "never steady" if math.isinf(worst.p95) else shown(worst.p95, "s")
        detail = (
            f"of {len(classes)}; slowest: {worst.fault}, p95 {took}, n={worst.faults}; {shown(within, 's')} allowed"
        )
        untold = [f"of {name} nothing is known: {why}" for name, why in not_known(found, within).items()]
        yield "recovery_over_budget", Metric(value=over, detail="; ".join((detail, *untold)))


def _memory(samples: Iterable[Sample]) -> Iterable[Found]:
    names = {MEMORY, MEMORY_PEAK}
    taken = [each for each in samples if each.name in names and each.source.startswith(WORKER)]
    if taken:
        most = max(taken, key=lambda each: each.value)
        workers = len({each.source for each in taken})
        looks = sum(each.name == MEMORY for each in taken)
        detail = f"{most.source} of {things(workers, 'worker')}, n={looks:,}"
        yield "worker_memory_max", Metric(value=most.value / MEGABYTE, detail=detail)


def _checked(checks: Iterable[Check]) -> Iterable[Found]:
    for check in checks:
        if check.metric in UNITS and check.value is not None:
            data = "" if check.data is None else f"by data {of_day(check.data)}"
            detail = "; ".join(filter(None, (check.detail, check.tool, data)))
            yield check.metric, Metric(value=check.value, detail=detail, measured=check.measured)


def _in(measurement: Measurement, unit: str) -> list[float]:
    scale = SCALES.get((measurement.unit, unit))
    if scale is None:
        message = f"measurement {measurement.name!r} is in {measurement.unit!r}; it must be in {unit!r}"
        raise NotARun(message)
    return [sample * scale for sample in measurement.samples]


def _metric(value: float | None, detail: str) -> Metric | None:
    return None if value is None else Metric(value=value, detail=detail)


def _spread(samples: Sequence[float], unit: str) -> str:
    middle = median(samples)
    return "" if middle is None else f"median {shown(middle, unit)}, n={len(samples)}"


def _interval(differences: Sequence[float]) -> str:
    """How many paired differences there are, and between what their median lies, in milliseconds."""
    if not differences:
        return ""
    told = percentile_interval(differences, 50, substream(0, "bootstrap"))
    return f"{told.low:+.2g} to {told.high:+.2g} ms with 95 % confidence, of {len(differences)} paired differences"


def _ratio(samples: Sequence[float], peer: Sequence[float], unit: str) -> Metric | None:
    ours, theirs = median(samples), median(peer)
    if ours is None or not theirs:
        return None
    return Metric(value=ours / theirs, detail=f"{shown(ours, unit)} over {shown(theirs, unit)}")
