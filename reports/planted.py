"""A run directory in which each metric has the value it is given, written as real runs are."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from harness.records.checks import Check
from harness.records.experiment import ExperimentInfo, Recovery, Steady
from harness.records.faults import FaultWindow
from harness.records.load import LoadInfo
from harness.records.measurements import Measurement
from harness.records.operations import Ack, Kind, Operation
from harness.records.run import Run
from harness.records.samples import MEMORY, Sample
from harness.records.steps import Standing, Step
from harness.records.verdicts import Finding, Judgement, Verdict

BEGAN = 1_000.0
"""Seconds since the Unix epoch."""
LASTS = 600.0
SCENARIO = "planted"
QUICK = 0.1
"""Seconds that an iteration takes where nothing else is asked for."""
RESPONSES = {"response_p50": 50, "response_p95": 45, "response_p99": 4, "response_max": 1}
"""Of a hundred iterations, how many take so long."""
OF_LOAD = {*RESPONSES, "lag_p99", "unserved", "unanswered"}
OF_FAULTS = {"recovery_max", "recovery_over_budget", "faults_that_did_not_bite"}
BY_OTHERS = {
    "worker_startup_max", "worker_startup_ratio", "workflow_overhead_p95", "platform_overhead_median",
    "pipeline_throughput_ratio", "lost", "doubled", "invariants_not_valid", "drifting", "knee", "worker_memory_max",
}  # fmt: skip
ENTAILED: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(("lost", "doubled"), frozenset({"invariants_not_valid"})),
    **dict.fromkeys(RESPONSES, frozenset(RESPONSES)),
    "unanswered": frozenset(RESPONSES),
}
"""What is bad wherever a metric is: what is lost is found by an invariant, which is not valid then."""
NEVER_FAILS = {"faults_that_did_not_bite"}
"""What is 0, or not known, and shuts the gate by that: a fault that did not bite has proven nothing either way."""

Wanted = Mapping[str, float]


def plant(directory: Path, kind: str, wanted: Wanted) -> Path:
    """Write a run of this kind in which these metrics have these values, each in its unit, and tell its directory."""
    with Run.create(directory, kind=kind, title="planted", target="planted", seed=0, command="temper gate") as run:
        run.under_load(LoadInfo(began=BEGAN, duration=LASTS, rate=1.0, arrivals="constant", shares={SCENARIO: 1.0}))
        if wanted.keys() & OF_FAULTS:
            run.write_experiment(_experiment(wanted))
        for records in (_measured, _judged, _driven, _broken, _sampled, _searched, _checked):
            run.write_all(records(wanted))
        run.end()
    return run.directory


def _measured(wanted: Wanted) -> Iterator[Struct]:
    startup = wanted.get("worker_startup_max", 1.0)
    if wanted.keys() & {"worker_startup_max", "worker_startup_ratio"}:
        yield _measurement("worker_startup", "s", startup)
    if "worker_startup_ratio" in wanted:
        yield _measurement("bare_worker_startup", "s", startup / wanted["worker_startup_ratio"])
    for name, metric in (
        ("workflow_overhead", "workflow_overhead_p95"),
        ("platform_overhead", "platform_overhead_median"),
    ):
        if metric in wanted:
            yield _measurement(name, "ms", wanted[metric])
    if "pipeline_throughput_ratio" in wanted:
        yield _measurement("copy_throughput", "rows/s", 1_000.0)
        yield _measurement("pipeline_throughput", "rows/s", 1_000.0 * wanted["pipeline_throughput_ratio"])


def _measurement(name: str, unit: str, value: float) -> Measurement:
    return Measurement(name=name, unit=unit, samples=(value,), how="planted")


def _judged(wanted: Wanted) -> Iterator[Struct]:
    for metric, invariant in (("lost", "nothing lost"), ("doubled", "nothing doubled")):
        if metric in wanted:
            yield _judgement(invariant, round(wanted[metric]))
    if "invariants_not_valid" in wanted:
        yield _judgement("planted, valid", 0)
        yield from (_judgement(f"planted, number {n}", 1) for n in range(round(wanted["invariants_not_valid"])))


def _judgement(invariant: str, findings: int) -> Judgement:
    found = tuple(Finding(problem="planted", message="planted") for _ in range(findings))
    verdict = Verdict.INVALID if findings else Verdict.VALID
    return Judgement(invariant=invariant, verdict=verdict, checked=max(1, findings), findings=found)


def _driven(wanted: Wanted) -> Iterator[Struct]:
    """A hundred iterations, and those that were refused or never answered."""
    if not wanted.keys() & OF_LOAD:
        return
    index, late = 0, wanted.get("lag_p99", 0.0) / 1e3
    longest = min([QUICK, *(wanted[metric] / 1e3 for metric in RESPONSES.keys() & wanted.keys())])
    for metric, number in RESPONSES.items():
        longest = max(longest, wanted.get(metric, 0.0) / 1e3)
        for _ in range(number):
            yield from _iteration(index, 0.1 * index, longest, late=late)
            index += 1
    for number in range(round(wanted.get("unserved", 0))):
        yield _call(index + number, Kind.START, 10.0, None, ack=Ack.FAIL, late=late)
    for number in range(round(wanted.get("unanswered", 0))):
        yield from _iteration(-1 - number, 10.0, None, late=late)


def _broken(wanted: Wanted) -> Iterator[Struct]:
    """As many classes of fault as are to be over budget, and one iteration each that waits for what was broken."""
    if not wanted.keys() & OF_FAULTS:
        return
    took, dull = _recovery(wanted), round(wanted.get("faults_that_did_not_bite", 0))
    for number in range(_faults(wanted)):
        since = 20.0 + number * (took + 20.0)
        heal = since + 3.0
        yield FaultWindow(
            name=f"planted-{number}",
            on="planted",
            injected=BEGAN + since,
            healed=BEGAN + heal,
            in_force=True,
            evidence="planted",
            felt=0 if number < dull else 1,
        )
        yield from _iteration(1_000 + 10 * number, since, 3.0 + took)
        for after in range(1, 5):
            yield from _iteration(1_000 + 10 * number + after, since + 3.0 + took + after, QUICK)
    for number in range(10):
        yield from _iteration(2_000 + number, number, QUICK)


def _faults(wanted: Wanted) -> int:
    return max(1, round(wanted.get("recovery_over_budget", 0)), round(wanted.get("faults_that_did_not_bite", 0)))


def _recovery(wanted: Wanted) -> float:
    """Seconds from each heal to steady."""
    return wanted.get("recovery_max", 2.0)


def _experiment(wanted: Wanted) -> ExperimentInfo:
    over = round(wanted.get("recovery_over_budget", 0)) > 0
    within = _recovery(wanted) * (0.5 if over else 2.0)
    return ExperimentInfo(
        name="planted", title="planted", expect="", steady=Steady(), recovery=Recovery(within=within), toml=""
    )


def _sampled(wanted: Wanted) -> Iterator[Struct]:
    if "worker_memory_max" in wanted:
        yield Sample(time=BEGAN, source="worker-1", name=MEMORY, value=wanted["worker_memory_max"] * 1e6, unit="bytes")
    if "drifting" in wanted:
        growing = round(wanted["drifting"])
        for number in range(growing + 1):
            for second in range(0, int(LASTS), 5):
                value = 1e8 * (1 + second / LASTS) if number < growing else 1e8
                yield Sample(time=BEGAN + second, source=f"planted-{number}", name=MEMORY, value=value, unit="bytes")


def _searched(wanted: Wanted) -> Iterator[Struct]:
    if "knee" in wanted:
        for rate, standing in ((wanted["knee"], Standing.HOLDS), (2 * wanted["knee"], Standing.BREAKS)):
            yield Step(
                rate=rate, began=BEGAN, ended=BEGAN + 10, repeats=1, iterations=10, unserved=0, achieved=rate,
                p50=QUICK, p99=QUICK, p99_low=QUICK, p99_high=QUICK, p99_limit=1.0, lag_p99=0.0, standing=standing,
                reason="planted",
            )  # fmt: skip


def _checked(wanted: Wanted) -> Iterator[Struct]:
    """Whatever tools find of the sources."""
    for metric in wanted.keys() - OF_LOAD - OF_FAULTS - BY_OTHERS:
        yield Check(metric=metric, value=wanted[metric], detail="planted", measured=BEGAN)


def _iteration(index: int, at: float, took: float | None, *, late: float = 0.0) -> Iterator[Operation]:
    yield _call(index, Kind.START, at, at + late, late=late)
    yield _call(index, Kind.RESULT, at, None if took is None else at + took, late=late)


def _call(
    index: int, kind: Kind, at: float, answered: float | None, *, ack: Ack | None = None, late: float = 0.0
) -> Operation:
    told = None if answered is None else BEGAN + answered
    return Operation(
        scenario=SCENARIO,
        iteration=index,
        kind=kind,
        name="Planted" if kind is Kind.START else "",
        workflow_id=f"planted.{SCENARIO}.{index}.main",
        run_id=None,
        intended=BEGAN + at,
        sent=BEGAN + at + late,
        acknowledged=told,
        ack=ack or (Ack.INFO if told is None else Ack.OK),
        status="completed" if kind is Kind.RESULT and told is not None else None,
    )
