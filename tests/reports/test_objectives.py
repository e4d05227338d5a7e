"""objectives.toml says what must hold; wrong entries are refused with what is wrong."""

from pathlib import Path

import pytest
from evidence import ROOT
from handwritten_runs import judged, whole_run, write_run

from harness.checking.objectives import Objective
from harness.records.checks import Check
from harness.records.run import Recorded
from harness.records.verdicts import ObjectiveVerdict, Verdict
from reports.objectives import BadObjectives, load, policy, results_of

GOOD = '[[objective]]\nmetric = "lost"\ntitle = "Lost"\nequals = 0\nhard = true\nkinds = ["demo"]\n'


def test_the_objectives_of_the_project_are_those_of_its_promise() -> None:
    """Metric, threshold and weight of each objective are as promised."""
    assert [(o.metric, o.threshold, o.hard) for o in load()] == [
        ("worker_startup_max", "< 2 s", True),
        ("worker_startup_ratio", "≤ 2", False),
        ("workflow_overhead_p95", "< 100 ms", True),
        ("platform_overhead_median", "≤ 2 ms", False),
        ("pipeline_throughput_ratio", "≥ 0.7", False),
        ("worker_memory_max", "< 500 MB", True),
        ("worker_memory_max", "< 200 MB", False),
        ("lost", "= 0", True),
        ("doubled", "= 0", True),
        ("invariants_not_valid", "= 0", True),
        ("unserved", "= 0", True),
        ("unanswered", "= 0", True),
        ("faults_that_did_not_bite", "= 0", True),
        ("drifting", "= 0", True),
        ("recovery_over_budget", "= 0", True),
        ("recovery_max", "≤ 7 s", False),
        ("type_errors", "= 0", True),
        ("unexplained_ignores", "= 0", True),
        ("tests_failed", "= 0", True),
        ("tests_missing", "= 0", True),
        ("branch_coverage", "> 80 %", True),
        ("branch_coverage", "≥ 95 %", False),
        ("flakes", "= 0", True),
        ("mutation_score", "≥ 80 %", True),
        ("mutation_score", "≥ 90 %", False),
        ("vulnerabilities_dependencies", "= 0", True),
        ("vulnerabilities_code", "= 0", True),
        ("secrets", "= 0", True),
        ("visibility", "= 100 %", True),
        ("deployment_lost", "= 0", True),
    ]
    own = policy(ROOT / "objectives.toml").objectives
    assert [(o.metric, o.threshold, o.hard) for o in own if o not in load()] == [
        ("response_p95", "< 5,000 ms", True),
        ("response_p95", "< 1,000 ms", False),
    ]


@pytest.mark.parametrize(
    ("kind", "count"),
    [("demo", 11), ("chaos", 6), ("load", 5), ("scenario", 3), ("quality", 14), ("something else", 0)],
)
def test_each_kind_of_run_has_its_objectives(tmp_path: Path, kind: str, count: int) -> None:
    """Measurements belong to a demo, faults to chaos and demo, nothing lost to every run."""
    assert len(results_of(Recorded(write_run(tmp_path, kind=kind)))) == count


def test_everything_holds_in_a_whole_run(tmp_path: Path) -> None:
    """In a run in which all is well every objective holds."""
    results = results_of(Recorded(whole_run(tmp_path)))
    assert {result.verdict for result in results} == {ObjectiveVerdict.HOLDS}


def test_what_was_not_measured_is_unknown(tmp_path: Path) -> None:
    """A missing metric reads "not measured", and has no value."""
    results = {r.name: r for r in results_of(Recorded(write_run(tmp_path, [judged(verdict=Verdict.UNKNOWN)])))}
    lost = results["lost"]
    assert (lost.verdict, lost.measured, lost.value) == (ObjectiveVerdict.UNKNOWN, "not measured", None)


def test_why_a_tool_could_not_measure_it_is_told(tmp_path: Path) -> None:
    """What it could not look at is unknown, with its reason, whatever else it found."""
    check = Check(metric="secrets", value=None, reason="git knows no file", findings=("a.py:1",), measured=1.0)
    results = {r.name: r for r in results_of(Recorded(write_run(tmp_path, [check], kind="quality")))}
    assert results["secrets"].verdict is ObjectiveVerdict.UNKNOWN
    assert results["secrets"].measured == "not known (git knows no file)"
    assert results["flakes"].measured == "not measured"


def test_objectives_can_be_given(tmp_path: Path) -> None:
    """A file of one's own is judged by instead."""
    path = tmp_path / "objectives.toml"
    path.write_text(GOOD)
    results = results_of(Recorded(whole_run(tmp_path)), load(path))
    assert [result.name for result in results] == ["lost"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + "at_mots = 3\n", "objective 1: Object contains unknown field `at_mots`"),
        (GOOD + GOOD.replace('title = "Lost"\n', ""), "objective 2: Object missing required field `title`"),
        (GOOD + "below = 3\n", "needs exactly one of"),
        (GOOD.replace("equals = 0\n", ""), "needs exactly one of"),
        (GOOD.replace('"demo"', '"dmeo"'), "Invalid enum value 'dmeo'"),
        (GOOD.replace('"lost"', '"losd"'), "no metric is called 'losd'; there are worker_startup_max"),
        (GOOD + 'unit = "ms"\n', "lost is measured in '', not 'ms'"),
        ("equals = 0\n", "expected .* tables and nothing else; found beside them: equals"),
        ("[wavier]\n" + GOOD, "found beside them: wavier"),
        ("objective = 3\n", "expected \\[\\[objective\\]\\] and"),
        ("", "expected \\[\\[objective\\]\\] and"),
        ("= nonsense", "Invalid"),
        (GOOD + GOOD, "objectives 1 and 2 are both hard for lost, of one kind of run"),
        (GOOD.replace("equals = 0", "equals = nan"), "has the threshold nan, beside which nothing can be held"),
        (GOOD.replace('["demo"]', "[]"), "has no kinds, so that it applies to no run"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """The error names the file, the entry and what is wrong with it."""
    path = tmp_path / "objectives.toml"
    path.write_text(text)
    with pytest.raises(BadObjectives, match=told) as refused:
        load(path)
    assert str(path) in str(refused.value)


def test_an_unknown_key_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    """Whoever mistyped a key learns what there is."""
    path = tmp_path / "objectives.toml"
    path.write_text(GOOD + "at_mots = 3\n")
    with pytest.raises(BadObjectives, match="known keys: metric, title, unit, at_most"):
        load(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    """The error is ours, not the file system's."""
    with pytest.raises(BadObjectives, match="there is no such file"):
        load(tmp_path / "none.toml")


def test_must_and_aim_of_one_metric_are_two(tmp_path: Path) -> None:
    """As are two of one weight, for other kinds of run."""
    path = tmp_path / "objectives.toml"
    path.write_text(GOOD + GOOD.replace("hard = true", "hard = false") + GOOD.replace('"demo"', '"load"'))
    assert [(each.hard, each.kinds) for each in load(path)] == [
        (True, ("demo",)),
        (False, ("demo",)),
        (True, ("load",)),
    ]


def test_a_file_may_extend_ours(tmp_path: Path) -> None:
    """What it has for a metric takes the place of ours of the same weight; its waivers may be for what is ours."""
    path = tmp_path / "objectives.toml"
    path.write_text("extends = true\n" + GOOD + '[[waiver]]\nmetric = "doubled"\nreason = "why"\nuntil = 2026-12-31\n')
    extended = policy(path)
    assert len(extended.objectives) == len(load())
    assert [each.title for each in extended.objectives if each.metric == "lost"] == ["Lost"]
    assert [each.metric for each in extended.waivers] == ["doubled"]


def test_a_file_may_have_nothing_but_waivers_for_ours(tmp_path: Path) -> None:
    """It extends ours, or there would be no objectives at all."""
    path = tmp_path / "objectives.toml"
    path.write_text("extends = true\n")
    assert policy(path).objectives == load()


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    """A directory is none."""
    with pytest.raises(BadObjectives, match="cannot be read: Is a directory"):
        load(tmp_path)


@pytest.mark.parametrize("objective", load(), ids=lambda each: f"{each.metric}, {'hard' if each.hard else 'aim'}")
def test_each_objective_says_what_measures_it(objective: Objective) -> None:
    """Whoever finds it unknown knows what to run; of these two, that nothing does yet."""
    assert bool(objective.command) is (objective.metric not in {"visibility", "deployment_lost"})


def test_the_example_of_the_page_is_good(tmp_path: Path) -> None:
    """Whoever copies it has objectives that can be read."""
    page = (Path(__file__).parents[2] / "docs/gate.md").read_text()
    path = tmp_path / "objectives.toml"
    path.write_text("extends = true" + page.partition("```\nextends = true")[2].partition("```")[0])
    copied = policy(path)
    assert (copied.objectives[-1].metric, copied.waivers[0].metric) == ("response_p99", "worker_memory_max")
