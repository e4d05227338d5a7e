"""Several runs at one gate have one table: each objective once, where it is worst."""

from pathlib import Path

import pytest
from handwritten_runs import cut, judged, measured, whole_run, write_run

from harness.checking.objectives import Metric, Objective, result_of
from harness.records.verdicts import ObjectiveResult, Verdict
from reports.gate import GateResult, gate_of
from reports.sentence import answer_of
from reports.together import together

JUDGED = [judged("nothing lost"), judged("nothing doubled")]
MOST = Objective(metric="m", title="M", at_most=2, hard=True, kinds=("demo", "load"), command="nox -s demo")
LEAST = Objective(metric="m", title="M", at_least=2, hard=True, kinds=("demo", "load"))
EXACT = Objective(metric="m", title="M", equals=2, hard=True, kinds=("demo", "load"))
ONCE = Objective(metric="m", title="M", at_most=2, hard=True, kinds=("demo", "load"), once=True)


def worst(objective: Objective, *values: float | None, waived: int = -1) -> str:
    """The name of the run that counts, of runs "0", "1", … with these values; one of them is waived."""
    results = [result_of(objective, None if v is None else Metric(value=v), run=str(n)) for n, v in enumerate(values)]
    if waived >= 0:
        results[waived] = _waived(results[waived])
    (one,) = together([objective], [("demo", [result]) for result in results])
    return one.run


def _waived(result: ObjectiveResult) -> ObjectiveResult:
    return ObjectiveResult(**{name: getattr(result, name) for name in result.__struct_fields__} | {"waived": "why"})


@pytest.mark.parametrize(
    ("objective", "values", "run"),
    [
        (MOST, (1, None, 3), "2"),
        (MOST, (1, None, 2), "1"),
        (MOST, (1, 2, 0), "1"),
        (MOST, (3, 5, 4), "1"),
        (LEAST, (3, 1, 0, 2), "2"),
        (LEAST, (3, 2, 4), "1"),
        (EXACT, (2, 3, -1), "2"),
        (ONCE, (None, 1, None), "1"),
        (ONCE, (None, 1, 3), "2"),
        (ONCE, (None, None), "0"),
    ],
)
def test_the_worst_measurement_counts(objective: Objective, values: tuple[float | None, ...], run: str) -> None:
    """What fails, then what is unknown, then what holds; among equals the worst value, whichever way is worse."""
    assert worst(objective, *values) == run


def test_what_is_waived_hides_nothing() -> None:
    """A failure that is let pass counts less than another that is not, or than what nobody knows."""
    assert worst(MOST, 9, 3, waived=0) == "1"
    assert worst(MOST, 9, None, waived=0) == "1"
    assert worst(MOST, 9, 1, waived=0) == "0"


def test_a_run_of_another_kind_has_no_say() -> None:
    """Nor does it take the place of one that has."""
    of_load = result_of(MOST, Metric(value=1.0), run="load")
    assert [each.run for each in together([MOST], [("chaos", []), ("load", [of_load])])] == ["load"]
    assert together([MOST], [("chaos", [])]) == []


def test_what_nobody_measured_stands_in_a_complete_table_with_its_command() -> None:
    """It is unknown, of no run."""
    (result,) = together([MOST], [("chaos", [])], complete=True)
    assert (result.verdict, result.run, result.command, result.measured_at) == ("unknown", "", "nox -s demo", None)


def named(result: GateResult, name: str) -> ObjectiveResult:
    return next(each for each in result.objectives if each.name == name)


def test_each_objective_is_told_once_with_the_run_it_comes_from(tmp_path: Path) -> None:
    """A demo and an experiment that lost something: the loss is the experiment's, the start-up the demo's."""
    demo = whole_run(tmp_path)
    chaos = write_run(tmp_path, [judged("nothing lost", Verdict.INVALID, 2), JUDGED[1], cut(1, 2)], kind="chaos")
    result = gate_of([demo, chaos])
    names = [(each.name, each.hard) for each in result.objectives]
    assert len(set(names)) == len(names)
    assert (named(result, "lost").run, named(result, "lost").value) == (chaos.name, 2)
    startup = named(result, "worker_startup_max")
    assert startup.run == demo.name
    assert startup.measured_at == result.runs[0].ended
    assert result.overall is Verdict.INVALID


def test_what_another_run_measured_need_not_be_measured_again(tmp_path: Path) -> None:
    """One of two demos has the start-up; what was lost must be known of each."""
    full, bare = whole_run(tmp_path), write_run(tmp_path, [*JUDGED, cut(1, 2)], kind="demo")
    assert gate_of([full, bare]).overall is Verdict.VALID
    assert [run.verdict for run in gate_of([full, bare]).runs] == [Verdict.VALID, Verdict.UNKNOWN]
    blind = write_run(tmp_path, [JUDGED[1], cut(1, 2)], kind="demo")
    assert gate_of([full, blind]).overall is Verdict.UNKNOWN
    assert named(gate_of([full, blind]), "lost").run == blind.name


def test_a_complete_gate_wants_everything_measured(tmp_path: Path) -> None:
    """A demo alone may ship; of all there is, it measures a part."""
    demo = whole_run(tmp_path)
    assert gate_of([demo]).overall is Verdict.VALID
    complete = gate_of([demo], complete=True)
    assert complete.overall is Verdict.UNKNOWN
    assert named(complete, "drifting").measured == "not measured"
    assert named(complete, "drifting").command
    assert "Figures that grow at a steady rate" in str(answer_of(complete))


def test_a_strict_gate_over_several_runs_wants_the_aims_of_each(tmp_path: Path) -> None:
    """One that is measured in one of them will do."""
    full, bare = whole_run(tmp_path), write_run(tmp_path, [*JUDGED, cut(1, 2)], kind="demo")
    assert gate_of([full, bare], strict=True).overall is Verdict.VALID
    startup = write_run(tmp_path, [*JUDGED, cut(1, 2), measured("worker_startup", 1.0)], kind="demo")
    assert gate_of([startup, bare], strict=True).overall is Verdict.UNKNOWN


def test_one_run_that_was_cut_off_keeps_all_from_passing(tmp_path: Path) -> None:
    """Though every objective holds."""
    whole, part = whole_run(tmp_path), whole_run(tmp_path, ended=False)
    result = gate_of([whole, part])
    assert result.overall is Verdict.UNKNOWN
    assert "1 of 2 runs cut off before the end" in str(answer_of(result))


def test_a_run_nobody_has_an_objective_for_keeps_all_from_passing(tmp_path: Path) -> None:
    """It was put to the gate, and nothing can be said of it."""
    result = gate_of([whole_run(tmp_path), write_run(tmp_path, JUDGED, kind="trial")])
    assert result.overall is Verdict.UNKNOWN
    assert "No hard objective applies to a trial run." in str(answer_of(result))
