"""Metrics hold what was measured; what was not is absent."""

from pathlib import Path

import pytest
from handwritten_runs import cut, iteration, judged, measured, result, start, whole_run, write_run
from handwritten_samples import counted
from handwritten_stories import AROUND, EXPERIMENT, served, window
from handwritten_stories import LOAD as LOAD_OF_EXPERIMENT
from msgspec import Struct
from msgspec.structs import replace

from harness.checking.objectives import Metric
from harness.records.checks import Check
from harness.records.faults import FaultWindow
from harness.records.operations import Ack
from harness.records.run import NotARun, Recorded, Run
from harness.records.samples import FILES, MEMORY, MEMORY_PEAK
from harness.records.verdicts import Verdict
from reports.gate import gate_of, to_json
from reports.junit import junit
from reports.markdown import markdown
from reports.metrics import UNITS, metrics
from reports.terminal import text

LOAD = {"slice": (2.0, 10.0)}
OF_SOURCES = {
    *("type_errors", "unexplained_ignores", "tests_failed", "tests_run", "tests_missing", "branch_coverage", "flakes"),
    *("mutation_score", "vulnerabilities_dependencies", "vulnerabilities_code", "secrets"),
    *("visibility", "deployment_lost"),
}
"""What a run of kind `quality` measures, or nothing yet."""


def of(tmp_path: Path, *records: Struct, load: dict[str, tuple[float, float]] | None = None) -> dict[str, Metric]:
    return metrics(Recorded(write_run(tmp_path, records, load=load)))


def test_an_empty_run_has_no_metric_at_all(tmp_path: Path) -> None:
    """Nothing is made up for a run that recorded nothing."""
    assert of(tmp_path) == {}


def test_a_whole_run_has_every_metric(tmp_path: Path) -> None:
    """A demo that measured everything has each metric of UNITS, and no other."""
    assert (
        metrics(Recorded(whole_run(tmp_path))).keys()
        == UNITS.keys() - {"drifting", "knee", "recovery_over_budget"} - OF_SOURCES
    )


def test_startup_is_the_slowest_and_its_ratio_that_of_medians(tmp_path: Path) -> None:
    """The maximum is gated with median and n beside it; the ratio compares medians."""
    own, bare = measured("worker_startup", *[1.0] * 29, 3.0), measured("bare_worker_startup", 0.4, 0.5, 9.0)
    found = of(tmp_path, own, bare)
    assert found["worker_startup_max"] == Metric(value=3.0, detail="median 1 s, n=30")
    assert found["worker_startup_ratio"].value == 2.0


def test_a_ratio_without_its_peer_is_absent(tmp_path: Path) -> None:
    """Neither a missing peer nor one of zero makes a ratio."""
    assert "worker_startup_ratio" not in of(tmp_path, measured("worker_startup", 1.0))
    assert "worker_startup_ratio" not in of(
        tmp_path, measured("worker_startup", 1.0), measured("bare_worker_startup", 0.0)
    )


def test_overheads_are_in_milliseconds_whatever_the_unit_of_the_samples(tmp_path: Path) -> None:
    """Samples in seconds are converted to the metric's unit."""
    found = of(tmp_path, measured("workflow_overhead", *(n / 1000 for n in range(1, 101))))
    assert found["workflow_overhead_p95"].value == pytest.approx(95.0)
    assert "n=100" in found["workflow_overhead_p95"].detail


def test_platform_overhead_is_the_median_of_differences(tmp_path: Path) -> None:
    """Paired differences may be negative; their median is the metric."""
    found = of(tmp_path, measured("platform_overhead", -4.0, 1.5, 8.0, unit="ms"))
    assert found["platform_overhead_median"].value == 1.5


def test_throughput_is_compared_with_copy(tmp_path: Path) -> None:
    """The ratio is of medians, both told in rows a second."""
    found = of(
        tmp_path,
        measured("pipeline_throughput", 300.0, unit="rows/s"),
        measured("copy_throughput", 400.0, unit="rows/s"),
    )
    assert found["pipeline_throughput_ratio"] == Metric(value=0.75, detail="300 rows/s over 400 rows/s")


def test_samples_written_in_parts_belong_together(tmp_path: Path) -> None:
    """Two measurements of one name are one set of samples."""
    found = of(tmp_path, measured("worker_startup", 1.0), measured("worker_startup", 1.5))
    assert found["worker_startup_max"] == Metric(value=1.5, detail="median 1 s, n=2")


def test_a_measurement_in_a_unit_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    """It is an error that names the measurement and both units, not a wrong figure."""
    with pytest.raises(NotARun, match="'worker_startup' is in 'furlongs'; it must be in 's'"):
        of(tmp_path, measured("worker_startup", 1.0, unit="furlongs"))


def test_lost_and_doubled_count_findings(tmp_path: Path) -> None:
    """The metric is the number of findings; none is a measured zero."""
    found = of(tmp_path, judged("nothing lost", Verdict.INVALID, 3), judged("nothing doubled"))
    assert (found["lost"].value, found["doubled"].value) == (3, 0)


def test_lost_is_absent_where_nobody_could_judge(tmp_path: Path) -> None:
    """An unknown judgement is no zero."""
    found = of(tmp_path, judged("nothing lost", Verdict.UNKNOWN), judged("nothing doubled"))
    assert "lost" not in found
    assert found["doubled"].value == 0


def test_invariants_not_valid_counts_unknown_ones_too(tmp_path: Path) -> None:
    """Invalid and unknown both are not valid, and the detail tells them apart."""
    found = of(tmp_path, judged("a"), judged("b", Verdict.UNKNOWN), judged("c", Verdict.INVALID, 1))
    assert found["invariants_not_valid"] == Metric(value=2, detail="1 valid, 1 unknown, 1 invalid")


def test_invariants_that_are_only_unknown_leave_the_metric_out(tmp_path: Path) -> None:
    """Where nothing is invalid and something unknown, nobody knows whether all are valid."""
    assert "invariants_not_valid" not in of(tmp_path, judged("a"), judged("b", Verdict.UNKNOWN))


def test_faults_that_bit_are_counted(tmp_path: Path) -> None:
    """Where every fault bit, none did not."""
    assert of(tmp_path, cut(1, 2), cut(3, 4))["faults_that_did_not_bite"] == Metric(value=0, detail="of 2")


@pytest.mark.parametrize("dull", [cut(3, 4, in_force=False), cut(5, 6, felt=0)])
def test_a_fault_that_did_not_bite_leaves_the_metric_out(tmp_path: Path, dull: FaultWindow) -> None:
    """Not in force, or felt by nobody: it has proven nothing and refuted nothing."""
    assert "faults_that_did_not_bite" not in of(tmp_path, cut(1, 2), dull)


def test_without_faults_there_is_no_metric_of_them(tmp_path: Path) -> None:
    """Where none was planned there is nothing to say of them."""
    assert "faults_that_did_not_bite" not in of(tmp_path)


def test_response_is_measured_from_the_intended_start_of_load_alone(tmp_path: Path) -> None:
    """A late caller's wait counts; what ran beside the load does not."""
    beside = [start(0, 0, scenario="whole"), result(0, 0, 60.0, scenario="whole")]
    found = of(tmp_path, *beside, *iteration(0, 0.0, 0.5, late=0.4), *iteration(1, 1.0, 0.1), load=LOAD)
    assert found["response_max"].value == pytest.approx(500)
    assert found["response_p50"].value == pytest.approx(100)
    assert found["lag_p99"].value == pytest.approx(400)


def test_an_unanswered_iteration_leaves_the_slowest_percentiles_unknown(tmp_path: Path) -> None:
    """Nobody knows how long the unanswered would have taken: the maximum is absent, and the median is not."""
    operations = [op for n in range(9) for op in iteration(n, n, 0.1)]
    found = of(tmp_path, *operations, *iteration(9, 9.0, None), load=LOAD)
    assert found["response_p50"].value == pytest.approx(100)
    assert "response_max" not in found
    assert "response_p99" not in found


def test_a_failed_iteration_does_not_flatter_the_percentiles(tmp_path: Path) -> None:
    """A workflow that failed fast is no fast answer."""
    failed = [start(1, 1.0), result(1, 1.0, 0.001, status="failed")]
    found = of(tmp_path, *iteration(0, 0.0, 0.5), *failed, load=LOAD)
    assert found["response_p50"].value == pytest.approx(500)


def test_unserved_are_iterations_without_an_acknowledged_start(tmp_path: Path) -> None:
    """Refused and unanswered starts are unserved."""
    found = of(
        tmp_path, start(0, 0.0), start(1, 1.0, ack=Ack.FAIL), start(2, 2.0, ack=Ack.INFO), start(2, 2.0), load=LOAD
    )
    assert found["unserved"] == Metric(value=1, detail="of 3 iterations")


def test_unanswered_are_iterations_whose_result_did_not_come(tmp_path: Path) -> None:
    """One that failed was answered; where none waits for a result, none is missed."""
    failed = [start(2, 2.0), result(2, 2.0, 0.001, status="failed")]
    found = of(tmp_path, *iteration(0, 0.0, 0.5), *iteration(1, 1.0, None), *failed, load=LOAD)
    assert found["unanswered"] == Metric(value=1, detail="of 3 iterations")
    assert of(tmp_path, start(0, 0.0), load=LOAD)["unanswered"] == Metric(value=0, detail="none waits for an answer")


def test_without_load_there_is_no_latency(tmp_path: Path) -> None:
    """Iterations that were not under load say nothing about it."""
    assert of(tmp_path, *iteration(0, 0.0, 0.5)) == {}


def test_the_memory_of_a_worker_is_the_most_that_any_had_at_once(tmp_path: Path) -> None:
    """In megabytes, between looks too; neither what else it used, nor what others did."""
    found = of(
        tmp_path,
        *counted("worker-1", MEMORY, 90e6, 140e6, 80e6),
        *counted("worker-2", MEMORY, 120e6),
        *counted("worker-1", MEMORY_PEAK, 90e6, 150e6),
        *counted("worker-1", FILES, 9e9),
        *counted("temporal", MEMORY, 900e6),
        *counted("bare-1", MEMORY, 900e6),
    )
    assert found["worker_memory_max"] == Metric(value=150.0, detail="worker-1 of 2 workers, n=4")
    assert "worker_memory_max" not in of(tmp_path, *counted("temporal", MEMORY, 900e6))


def of_experiment(
    tmp_path: Path, *windows: FaultWindow, within: float = 6.0, late: float | None = 24.0
) -> Metric | None:
    """Recovery of an experiment that allows so many seconds; whoever began at 12 was late until then."""
    experiment = replace(EXPERIMENT, recovery=replace(EXPERIMENT.recovery, within=within))
    with Run.create(tmp_path, kind="chaos", title="", target="system", seed=7, command="temper") as run:
        run.under_load(LOAD_OF_EXPERIMENT)
        run.write_experiment(experiment)
        run.write_all([*AROUND, *served(0, 12.0, late), *windows])
    return metrics(Recorded(run.directory)).get("recovery_over_budget")


def test_recovery_is_held_to_its_budget_class_by_class(tmp_path: Path) -> None:
    """Eleven seconds are too many where six are allowed, and few enough where eleven are."""
    slow = of_experiment(tmp_path, window())
    assert slow == Metric(value=1, detail="of 1; slowest: link_down, p95 11 s, n=1; 6 s allowed")
    assert of_experiment(tmp_path, window(), within=11) == Metric(
        value=0, detail="of 1; slowest: link_down, p95 11 s, n=1; 11 s allowed"
    )


def test_a_class_that_recovered_is_not_told_by_one_that_did_not(tmp_path: Path) -> None:
    """One of two classes is over, and named."""
    early = replace(window(2.0, 3.0), name="worker_killed")
    found = of_experiment(tmp_path, early, window())
    assert found == Metric(value=1, detail="of 2; slowest: link_down, p95 11 s, n=1; 6 s allowed")


def test_a_class_of_which_nothing_is_known_is_told(tmp_path: Path) -> None:
    """It is not counted, for the next fault came before the time allowed was up; that it was there is said, and why."""
    soon = window(20.0, 21.0)
    found = of_experiment(tmp_path, replace(window(), name="worker_killed"), soon, within=20)
    untold = "of worker_killed nothing is known: the next fault came before it was steady"
    detail = f"of 1; slowest: link_down, p95 3 s, n=1; 20 s allowed; {untold}"
    assert found == Metric(value=0, detail=detail)
    assert "nothing is known" not in str(of_experiment(tmp_path, window(), soon, within=20))


def test_one_that_is_never_steady_again_is_over(tmp_path: Path) -> None:
    """However long was allowed."""
    found = of_experiment(tmp_path, window(), late=None, within=20)
    assert found is not None
    assert (found.value, "p95 never steady" in found.detail) == (1, True)


def test_where_no_recovery_can_be_told_none_is_in_its_budget(tmp_path: Path) -> None:
    """A fault that was never in force tells nothing; nor does a run without an experiment."""
    assert of_experiment(tmp_path, window(in_force=False)) is None
    assert "recovery_over_budget" not in of(tmp_path, *AROUND, window())


def test_what_tools_found_of_the_sources_are_metrics(tmp_path: Path) -> None:
    """With what stands behind each; what a tool could not look at is absent, as is a metric nobody knows."""
    found = of(
        tmp_path,
        Check(metric="type_errors", value=2, detail="of 7 source files", measured=1.0),
        Check(metric="secrets", value=None, reason="no repository", measured=1.0),
        Check(metric="smells", value=3, measured=1.0),
    )
    assert found == {"type_errors": Metric(value=2, detail="of 7 source files", measured=1.0)}


def test_what_measured_the_sources_is_told_and_of_when_its_data_is(tmp_path: Path) -> None:
    """Behind the figure, where every face of the gate has it."""
    audited = Check(
        metric="vulnerabilities_dependencies",
        value=0,
        detail="in 9",
        tool="pip-audit 2.10",
        measured=1.0,
        data=86_400.0,
    )
    with Run.create(tmp_path, kind="quality", title="", target="system", seed=0, command="temper quality") as run:
        run.write(audited)
        run.end()
    for face in (text, markdown, junit, to_json):
        assert "0 (in 9; pip-audit 2.10; by data of 2 January 1970" in face(gate_of([run.directory]))
