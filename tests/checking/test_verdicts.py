"""Verdicts: the worst wins; objectives hold, fail or are unknown; the gate is all of them."""

from itertools import permutations

import msgspec
import pytest

from harness.checking.objectives import Metric, Objective, evaluate, gate, result_of, shown
from harness.records.verdicts import ObjectiveResult, ObjectiveVerdict, Verdict

HOLDS, FAILS, UNKNOWN = ObjectiveVerdict.HOLDS, ObjectiveVerdict.FAILS, ObjectiveVerdict.UNKNOWN


@pytest.mark.parametrize("order", list(permutations(Verdict)))
def test_the_worst_verdict_wins_in_any_order(order: tuple[Verdict, ...]) -> None:
    """Invalid before unknown before valid."""
    assert Verdict.worst(order) is Verdict.INVALID
    assert Verdict.worst(v for v in order if v is not Verdict.INVALID) is Verdict.UNKNOWN
    assert Verdict.worst(v for v in order if v is Verdict.VALID) is Verdict.VALID


def test_of_no_verdicts_the_worst_is_unknown() -> None:
    """Nothing was checked."""
    assert Verdict.worst([]) is Verdict.UNKNOWN


def objective(limits: dict[str, float]) -> Objective:
    given = {"metric": "m", "title": "M", "unit": "s", "hard": True, "kinds": ["demo"], **limits}
    return msgspec.convert(given, Objective)


@pytest.mark.parametrize(
    ("limit", "below", "at", "above", "threshold"),
    [
        ("at_most", True, True, False, "≤ 2 s"),
        ("below", True, False, False, "< 2 s"),
        ("at_least", False, True, True, "≥ 2 s"),
        ("above", False, False, True, "> 2 s"),
        ("equals", False, True, False, "= 2 s"),
    ],
)
def test_each_limit_holds_where_it_says(limit: str, below: bool, at: bool, above: bool, threshold: str) -> None:
    """Just below, at, and just above the threshold."""
    judged = objective({limit: 2.0})
    assert [judged.holds(value) for value in (1.999, 2.0, 2.001)] == [below, at, above]
    assert judged.threshold == threshold


@pytest.mark.parametrize("limits", [{}, {"below": 1.0, "above": 0.0}])
def test_an_objective_has_exactly_one_limit(limits: dict[str, float]) -> None:
    """None, or two, is an error that names them all."""
    with pytest.raises(ValueError, match="needs exactly one of at_most, below, at_least, above, equals"):
        objective(limits)


def test_a_limit_of_zero_is_a_limit() -> None:
    """Nothing lost is a threshold like any other."""
    assert objective({"equals": 0.0}).holds(0.0)
    assert not objective({"at_most": 0.0}).holds(0.1)


def test_a_metric_is_told_beside_its_objective() -> None:
    """Value, unit and what stands behind it."""
    (result,) = evaluate([objective({"below": 2.0})], {"m": Metric(value=1.214, detail="n=30")}, "demo")
    assert (result.measured, result.value, result.verdict) == ("1.21 s (n=30)", 1.214, HOLDS)
    assert (result.name, result.title, result.hard, result.threshold) == ("m", "M", True, "< 2 s")


def test_a_missing_metric_is_unknown() -> None:
    """It is neither zero nor a failure."""
    (result,) = evaluate([objective({"below": 2.0})], {"other": Metric(value=1.0)}, "demo")
    assert (result.measured, result.value, result.verdict) == ("not measured", None, UNKNOWN)


def test_a_missed_threshold_fails() -> None:
    """Without a detail there are no empty brackets."""
    (result,) = evaluate([objective({"below": 2.0})], {"m": Metric(value=3.0)}, "demo")
    assert (result.measured, result.verdict) == ("3 s", FAILS)


def test_an_objective_of_another_kind_of_run_is_not_asked() -> None:
    """Only those for this kind are judged."""
    assert evaluate([objective({"below": 2.0})], {"m": Metric(value=1.0)}, "load") == []


def result(verdict: ObjectiveVerdict, *, hard: bool = True) -> ObjectiveResult:
    return ObjectiveResult(name="m", title="M", hard=hard, threshold="< 2", measured="", value=None, verdict=verdict)


@pytest.mark.parametrize(
    ("results", "plain", "strict"),
    [
        ([result(HOLDS)], Verdict.VALID, Verdict.VALID),
        ([result(HOLDS), result(FAILS)], Verdict.INVALID, Verdict.INVALID),
        ([result(HOLDS), result(UNKNOWN)], Verdict.UNKNOWN, Verdict.UNKNOWN),
        ([result(FAILS), result(UNKNOWN)], Verdict.INVALID, Verdict.INVALID),
        ([result(HOLDS), result(FAILS, hard=False)], Verdict.VALID, Verdict.VALID),
        ([result(HOLDS), result(UNKNOWN, hard=False)], Verdict.VALID, Verdict.UNKNOWN),
        ([result(HOLDS, hard=False)], Verdict.UNKNOWN, Verdict.UNKNOWN),
        ([], Verdict.UNKNOWN, Verdict.UNKNOWN),
    ],
)
def test_the_gate_opens_only_if_every_hard_objective_holds(
    results: list[ObjectiveResult], plain: Verdict, strict: Verdict
) -> None:
    """Unknown is no pass, an aim never decides, and a strict gate wants aims measured too."""
    assert gate(results) is plain
    assert gate(results, strict=True) is strict


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0.0, "", "0"),
        (1.214, "s", "1.21 s"),
        (2.0, "s", "2 s"),
        (26.5432, "ms", "26.5 ms"),
        (100.4, "ms", "100 ms"),
        (1_234_567.8, "rows/s", "1,234,568 rows/s"),
        (-0.5, "ms", "-0.5 ms"),
    ],
)
def test_figures_are_shown_as_a_person_reads_them(value: float, unit: str, told: str) -> None:
    """Three significant digits, grouped, no trailing zeros, with the unit."""
    assert shown(value, unit) == told


@pytest.mark.parametrize(
    ("value", "unit", "told"), [(0.004, "s", "0.004 s"), (-0.0251, "", "-0.0251"), (1e-7, "s", "0.0000001 s")]
)
def test_a_small_figure_is_not_shown_as_none(value: float, unit: str, told: str) -> None:
    """Three significant digits, however small it is."""
    assert shown(value, unit) == told


def test_a_figure_that_misses_by_a_hair_is_not_shown_as_the_threshold() -> None:
    """Rounded, 1.9996 s would read as the 2 s it stays below."""
    below = Objective(metric="m", title="m", unit="s", below=2, hard=True, kinds=("demo",))
    (result,) = evaluate([below], {"m": Metric(value=1.9996)}, "demo")
    assert (result.measured, result.threshold) == ("1.9996 s", "< 2 s")
    (result,) = evaluate([below], {"m": Metric(value=1.999680227251068)}, "demo")
    assert result.measured == "1.9997 s"


@pytest.mark.parametrize(
    ("value", "told"), [(100.4, "100.4 ms"), (100.04, "100.04 ms"), (100 + 2**-40, "100.000000000001 ms")]
)
def test_a_figure_has_as_many_digits_as_tell_it_from_its_threshold(value: float, told: str) -> None:
    """And no more, however near it is."""
    most = Objective(metric="m", title="m", unit="ms", at_most=100, hard=True, kinds=("demo",))
    (result,) = evaluate([most], {"m": Metric(value=value)}, "demo")
    assert (result.measured, result.verdict) == (told, FAILS)


@pytest.mark.parametrize(
    ("taken", "told"),
    [
        (None, "3"),
        (900_000.0, "3"),
        (10_000.0, "3 (n=2; of 1 January 1970)"),
        (1e308, "3 (n=2; of no day that a calendar has)"),
    ],
)
def test_a_figure_that_was_kept_says_of_which_day_it_is(taken: float | None, told: str) -> None:
    """Where it is another than that of its run; of its own date in any case."""
    most = Objective(metric="m", title="m", at_most=2, hard=True, kinds=("demo",))
    metric = Metric(value=3, detail="n=2" if "n=2" in told else "", measured=taken)
    (result,) = evaluate([most], {"m": metric}, "demo", run="r", measured=950_000.0)
    assert (result.measured, result.measured_at, result.run) == (told, taken or 950_000.0, "r")


@pytest.mark.parametrize(
    ("metric", "command"),
    [
        (Metric(value=1), "temper demo --seed 7"),
        (Metric(value=1, measured=5.0), "nox -s flakes"),
        (None, "nox -s flakes"),
    ],
)
def test_what_measures_it_again_is_told(metric: Metric | None, command: str) -> None:
    """The run's own command; the objective's, where that run did not measure it, or has it from a record."""
    objective = Objective(metric="flakes", title="", equals=0, hard=True, kinds=("demo",), command="nox -s flakes")
    assert result_of(objective, metric, command="temper demo --seed 7").command == command
