"""Latency per scenario: from the intended start, around each fault, with what was never answered."""

from pathlib import Path

import msgspec
import pytest
from handwritten_runs import BEGIN, cut, iteration, loaded, result, start, write_run

from harness.checking.responses import Ends, Outcome, responses, under_load
from harness.records.columns import frame_of
from harness.records.faults import FaultWindow
from harness.records.operations import Ack, Operation
from harness.records.run import Run, RunInfo
from reports.html import write_report
from reports.latency import ScenarioLatency, latencies


def info(tmp_path: Path, **load: tuple[float, float]) -> RunInfo:
    run = Run.create(tmp_path, kind="load", title="", target="system", seed=1, command="")
    if load:
        run.under_load(loaded(load))
    return run.info


def of(tmp_path: Path, operations: list[Operation], *windows: FaultWindow) -> ScenarioLatency:
    (found,) = of_load(info(tmp_path, slice=(1.0, 10.0)), operations, *windows)
    return found


def of_load(info: RunInfo, operations: list[Operation], *windows: FaultWindow) -> list[ScenarioLatency]:
    calls = under_load(info, frame_of(Operation, operations))
    return latencies(info, responses(calls, info.ends), windows)


def outcomes(operations: list[Operation], ends: Ends) -> list[str]:
    return responses(frame_of(Operation, operations), ends)["outcome"].to_list()


def test_the_caller_being_late_is_part_of_the_response_and_not_of_the_service(tmp_path: Path) -> None:
    """A call meant for second 0, sent at 0.4 and answered at 0.5 took the user 0.5 s and the system 0.1 s."""
    whole = of(tmp_path, iteration(0, 0.0, 0.5, late=0.4)).whole
    assert whole.response.max == pytest.approx(0.5)
    assert whole.service.max == pytest.approx(0.1)


def test_percentiles_count_what_was_answered(tmp_path: Path) -> None:
    """A hundred iterations of 1 to 100 ms have the percentiles one expects."""
    whole = of(tmp_path, [op for n in range(100) for op in iteration(n, n / 10, (n + 1) / 1000)]).whole
    told = whole.response
    assert [told.p50, told.p90, told.p95, told.p99, told.p999, told.max] == pytest.approx(
        [0.050, 0.090, 0.095, 0.099, 0.100, 0.100]
    )


def test_an_iteration_is_answered_when_its_last_result_is(tmp_path: Path) -> None:
    """Of two results the later one counts."""
    whole = of(tmp_path, [start(0, 0.0), result(0, 0.0, 0.2), result(0, 0.0, 0.7)]).whole
    assert whole.iterations == 1
    assert whole.response.max == pytest.approx(0.7)


def test_an_iteration_with_a_result_still_out_is_not_answered(tmp_path: Path) -> None:
    """One of its two results came: nobody knows how long the whole of it takes."""
    found = of(tmp_path, [start(0, 0.0), result(0, 0.0, 0.2), result(0, 0.0, None)])
    assert found.responses.select("answered", "service").row(0) == (None, None)


@pytest.mark.parametrize(
    ("operations", "outcome"),
    [
        ([start(0, 0), result(0, 0, 1.0)], Outcome.ANSWERED),
        ([start(0, 0), result(0, 0, 1.0, status="canceled")], Outcome.ANSWERED),
        ([start(0, 0), result(0, 0, 1.0, status="failed")], Outcome.FAILED),
        ([start(0, 0), result(0, 0, 1.0, status="timed_out")], Outcome.FAILED),
        ([start(0, 0), result(0, 0, 1.0, status="terminated")], Outcome.FAILED),
        ([start(0, 0, ack=Ack.FAIL)], Outcome.FAILED),
        ([start(0, 0, ack=Ack.INFO), result(0, 0, 1.0)], Outcome.ANSWERED),
        ([start(0, 0), result(0, 0, None)], Outcome.UNANSWERED),
        ([start(0, 0), result(0, 0, 1.0), result(0, 0, None)], Outcome.UNANSWERED),
        ([start(0, 0)], Outcome.UNANSWERED),
    ],
)
def test_the_outcome_of_an_iteration_is_that_of_its_worst_call(operations: list[Operation], outcome: Outcome) -> None:
    """Refused or failed is failed; without a result, beside others that have one, it is unanswered."""
    other = [start(1, 1), result(1, 1, 0.1)]
    assert outcomes([*operations, *other], {})[0] == outcome


def test_an_end_that_the_scenario_allows_is_an_answer() -> None:
    """Who asks for what cannot be, and is told so in time, was served."""
    failed = [start(0, 0), result(0, 0, 1.0, status="failed")]
    for ends, outcome in ((("completed", "failed"), Outcome.ANSWERED), (("completed",), Outcome.FAILED)):
        assert outcomes(failed, {"slice": ends}) == [outcome]


def test_a_scenario_that_never_waits_for_results_has_no_responses() -> None:
    """Fire and forget is not unanswered."""
    assert outcomes([start(0, 0), start(1, 1)], {}) == []


def test_shares_of_failed_and_unanswered_are_counted(tmp_path: Path) -> None:
    """Each is counted apart, and the rest is answered."""
    failed = [start(1, 1), result(1, 1, 0.1, status="failed")]
    whole = of(tmp_path, [*iteration(0, 0, 0.1), *failed, *iteration(2, 2, None)]).whole
    assert (whole.iterations, whole.answered, whole.failed, whole.unanswered) == (3, 1, 1, 1)


def test_failed_iterations_have_no_latency(tmp_path: Path) -> None:
    """How long a failure took is not how long an answer takes."""
    failed = [start(1, 1), result(1, 1, 9.0, status="failed")]
    whole = of(tmp_path, [*iteration(0, 0, 0.1), *failed]).whole
    assert whole.response.max == pytest.approx(0.1)


def test_the_rate_achieved_counts_answers_until_the_last_one(tmp_path: Path) -> None:
    """Ten answers by second 20, though asked for within 10: half the rate intended."""
    found = of(tmp_path, [op for n in range(10) for op in iteration(n, n, 20.0 - n)])
    assert found.intended_rate == 1.0
    assert found.achieved_rate == pytest.approx(0.5)


def test_a_load_answered_early_still_lasted_as_long_as_it_was_asked_for(tmp_path: Path) -> None:
    """Five answers within a load of ten seconds are half an answer a second, however soon they came."""
    found = of(tmp_path, [op for n in range(5) for op in iteration(n, n, 0.1)])
    assert found.achieved_rate == pytest.approx(0.5)


def test_over_time_has_a_bucket_a_second(tmp_path: Path) -> None:
    """Each bucket holds the iterations meant for it, by intended start and not by answer."""
    operations = [op for n in range(6) for op in iteration(n, n / 2, 1.0 if n < 2 else 0.1)]
    found = of(tmp_path, operations)
    assert [(m.since, m.until, m.iterations) for m in found.over_time] == [(0, 1, 2), (1, 2, 2), (2, 3, 2)]
    assert [m.p50 for m in found.over_time] == pytest.approx([1.0, 0.1, 0.1])


def test_a_long_load_is_told_in_few_buckets(tmp_path: Path) -> None:
    """An hour of load has no more than 120 buckets or so, and still every iteration."""
    found = of(tmp_path, [op for n in range(3600) for op in iteration(n, n, 0.1)])
    assert len(found.over_time) <= 121
    assert sum(moment.iterations for moment in found.over_time) == 3600


def test_iterations_are_split_by_whether_their_life_overlaps_the_fault(tmp_path: Path) -> None:
    """Answered before inject is before; meant for after heal is after; everything else met it, the unanswered too."""
    operations = [
        *iteration(0, 0.0, 0.5),  # over before the cut
        *iteration(1, 2.5, 1.0),  # begun before, answered within
        *iteration(2, 3.5, 0.1),  # within
        *iteration(3, 2.0, 9.0),  # begun before, answered after
        *iteration(4, 1.0, None),  # begun before, never answered
        *iteration(5, 4.0, 0.1),  # begun when it was healed
    ]
    (split,) = of(tmp_path, operations, cut(3, 4)).splits
    assert [(group.name, group.iterations) for group in split.groups] == [("before", 1), ("during", 4), ("after", 1)]


def test_scenarios_are_told_apart_and_only_those_under_load(tmp_path: Path) -> None:
    """One entry a scenario under load, by name; a run without load has none."""
    operations = [*iteration(0, 0, 0.1), start(0, 0, scenario="b"), result(0, 0, 0.1, scenario="b")]
    assert [f.scenario for f in of_load(info(tmp_path, slice=(1, 1), b=(1, 1)), operations)] == ["b", "slice"]
    assert [f.scenario for f in of_load(info(tmp_path, b=(1, 1)), operations)] == ["b"]
    assert of_load(info(tmp_path), operations) == []
    assert of_load(info(tmp_path, slice=(1, 1)), []) == []


def test_a_load_of_no_duration_has_no_rate(tmp_path: Path) -> None:
    """Nothing is divided by zero."""
    (found,) = of_load(info(tmp_path, slice=(1.0, 0.0)), [start(0, 0), result(0, 0, None)])
    assert (found.began, found.achieved_rate) == (BEGIN, 0.0)


def test_answers_by_the_servers_clock_are_told(tmp_path: Path) -> None:
    """How many of the good ones: their times hold what the two clocks differ by."""
    by_server = [msgspec.structs.replace(result(n, n, 0.1), by_server=True) for n in range(3)]
    failed = msgspec.structs.replace(by_server[2], status="failed")
    operations = [*(start(n, n) for n in range(4)), *by_server[:2], failed, result(3, 3, 0.1)]
    told = of(tmp_path, operations).whole
    assert (told.answered, told.by_server) == (3, 2)
    page = page_of(tmp_path / "by-server", operations)
    assert "2 of 3 answers came by the server's clock" in page
    assert "server's clock" not in page_of(tmp_path / "by-caller", iteration(0, 0.0, 0.1))


def page_of(results: Path, operations: list[Operation]) -> str:
    """The report of a load that made these calls."""
    return write_report(write_run(results, operations, load={"slice": (1.0, 10.0)}, kind="load")).read_text()
