"""What changed since the last good run: which run that is, and what is told of it."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from compared_runs import GOOD, SAME, load_run, times
from handwritten_runs import BEGIN, EVIL, judged, start, write_run
from msgspec.structs import replace
from pages import Page
from test_html import page

from harness.records.run import Recorded
from harness.records.samples import MEMORY, Sample
from harness.records.verdicts import ObjectiveVerdict, Verdict
from reports import changes as module
from reports.changes import Changes, NoGoodRun, changes
from reports.compare import Told
from reports.gate import RunGate, run_gate
from reports.metrics import metrics
from reports.objectives import Policy, load

LOST = [judged("nothing lost", Verdict.INVALID, 2), judged("nothing doubled")]


def changed(directory: Path) -> Changes | NoGoodRun:
    recorded = Recorded(directory)
    return changes(recorded, run_gate(recorded))


def since(directory: Path) -> Changes:
    found = changed(directory)
    assert isinstance(found, Changes), found
    return found


def scenario(results: Path, *, good: bool = True, fields: Mapping[str, object] | None = None) -> Path:
    """A run of a scenario, which is quickly written; of the same title and conditions."""
    directory = write_run(results, [start(0, 0), *(GOOD if good else LOST)], kind="scenario", fingerprint=SAME)
    info = json.loads((directory / "run.json").read_text()) | dict(fields or {})
    (directory / "run.json").write_text(json.dumps(info))
    return directory


def test_without_a_run_before_it_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    """The page says so plainly."""
    directory = scenario(tmp_path)
    assert isinstance(changed(directory), NoGoodRun)
    assert page(directory).says("No earlier good run to compare with: there is no whole run of the same kind and title")


def test_the_newest_good_run_before_it_is_taken(tmp_path: Path) -> None:
    """Not one that failed, nor one that came after, nor an older one."""
    scenario(tmp_path)
    newest = scenario(tmp_path)
    scenario(tmp_path, good=False)
    this = scenario(tmp_path)
    scenario(tmp_path)
    assert since(this).base.id == newest.name


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "demo"},
        {"title": "another"},
        {"target": "another"},
        {"ended": None},
        {"seed": 8},
        {"format": 1},
    ],
)
def test_a_run_of_something_else_is_not_taken(tmp_path: Path, fields: dict[str, object]) -> None:
    """Of another kind, title, target or seed, cut off, or not readable."""
    scenario(tmp_path, fields=fields)
    found = changed(scenario(tmp_path))
    assert isinstance(found, NoGoodRun)
    assert found.reason.startswith("1 run before it had another" if "seed" in fields else "there is no whole run")


def test_a_run_on_another_machine_is_not_taken(tmp_path: Path) -> None:
    """It is told that there was one."""
    write_run(tmp_path, [start(0, 0), *GOOD], kind="scenario", fingerprint=replace(SAME, cores=64))
    found = changed(scenario(tmp_path))
    assert found == NoGoodRun(reason="1 run before it had another load, seed or machine")


def test_runs_that_cannot_be_judged_are_passed_over(tmp_path: Path) -> None:
    """One whose records were cut afterwards is none to compare with; the one before it is."""
    good, damaged = scenario(tmp_path), scenario(tmp_path)
    (damaged / "judgements.jsonl").write_text("")
    assert since(scenario(tmp_path)).base.id == good.name


def test_only_so_many_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has hundreds of bad runs does not wait for all of them."""
    monkeypatch.setattr(module, "MOST_JUDGED", 2)
    scenario(tmp_path)
    scenario(tmp_path, good=False)
    assert since(scenario(tmp_path, good=False)).objectives
    found = changed(scenario(tmp_path))
    assert found == NoGoodRun(reason="of 3 runs before it, 3 under the same conditions, none of the last 2 passed")


MEMORY_ALONE = Policy(objectives=tuple(each for each in load() if each.metric == "worker_memory_max"))
"""Less than 500 MB is hard, less than 200 MB an aim."""


def demo(results: Path, megabytes: float) -> Recorded:
    """One whose workers held so much."""
    held = Sample(time=BEGIN, source="worker-1", name=MEMORY, value=megabytes * 1e6, unit="bytes")
    return Recorded(write_run(results, [start(0, 0), held, *GOOD], fingerprint=SAME))


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [(300, 310, []), (100, 300, [False]), (300, 600, [True]), (100, 600, [True, False])],
)
def test_what_must_be_and_the_aim_of_one_metric_are_told_apart(
    tmp_path: Path, before: float, now: float, told: list[bool]
) -> None:
    """Each is set beside what it was itself: the hard one, and the aim."""
    demo(tmp_path, before)
    this = demo(tmp_path, now)
    found = changes(this, run_gate(this, by=MEMORY_ALONE), MEMORY_ALONE)
    assert isinstance(found, Changes)
    assert [each.now.hard for each in found.objectives] == told


def test_an_objective_of_another_verdict_is_told(tmp_path: Path) -> None:
    """With what was measured then and now."""
    scenario(tmp_path)
    this = scenario(tmp_path, good=False)
    found = since(this)
    lost, invariants = found.objectives
    assert lost.before is not None
    assert (lost.before.verdict, lost.now.verdict) == (ObjectiveVerdict.HOLDS, ObjectiveVerdict.FAILS)
    assert invariants.now.name == "invariants_not_valid"
    assert found.sentence == "2 objectives have another verdict."
    shown = page(this)
    assert shown.says("Operations and rows lost ✓ holds 0 10 looked at ✗ fails 2 10 looked at")


def test_a_figure_that_changed_is_told(tmp_path: Path) -> None:
    """And only those that did."""
    base = load_run(tmp_path, times(1))
    this = load_run(tmp_path, times(2, slower=1.4))
    found = since(this)
    assert {row.told for row in found.rows} == {Told.SLOWER}
    assert "slice: response time, mean" in [row.title for row in found.rows]
    assert found.clear >= len(found.rows) + 2
    assert found.sentence == f"{len(found.rows)} figures got worse."
    shown = page(this)
    assert shown.says("slice: response time, mean")
    assert shown.says(f"temper compare {base.name} {this.name}")


def test_where_nothing_changed_that_is_told(tmp_path: Path) -> None:
    """No objective, and no figure of which there is evidence."""
    load_run(tmp_path, times(1))
    found = since(load_run(tmp_path, times(2)))
    assert (found.rows, found.objectives) == ((), ())
    assert found.sentence == "No objective has another verdict, and there is no evidence that any figure changed."


def test_versions_and_commits_are_told(tmp_path: Path) -> None:
    """Versions may differ here: that is what one wants to know of. The command tells the commits between."""
    load_run(tmp_path, times(1), fingerprint=replace(SAME, python="3.11.7", commit="aaaa"))
    this = load_run(tmp_path, times(2), fingerprint=replace(SAME, commit="bbbb+"))
    found = since(this)
    assert [str(each) for each in found.versions] == ["Python, version: 3.11.7 | 3.11.9"]
    assert found.log == "git log --oneline aaaa..bbbb"
    shown = page(this)
    assert shown.says("Python, version 3.11.7 → 3.11.9")
    assert shown.says("--anyway git log --oneline aaaa..bbbb")


@pytest.mark.parametrize(("before", "now"), [("aaaa", "aaaa+"), ("", "aaaa"), ("aaaa", "")])
def test_without_two_commits_there_is_none_between(tmp_path: Path, before: str, now: str) -> None:
    """The same one, or one that nobody knows."""
    load_run(tmp_path, times(1), fingerprint=replace(SAME, commit=before))
    assert since(load_run(tmp_path, times(2), fingerprint=replace(SAME, commit=now))).log == ""


def test_the_figures_of_a_void_load_are_not_compared(tmp_path: Path) -> None:
    """Its objectives are, and it is told why."""
    load_run(tmp_path, times(1))
    void = judged("sent on time", Verdict.UNKNOWN, reason="the load is void: it was late")
    this = load_run(tmp_path, times(2), judgements=[*GOOD, void])
    found = since(this)
    assert found.rows == ()
    assert [each.now.name for each in found.objectives] == ["invariants_not_valid"]
    assert page(this).says("Its figures were not compared: the load is void: it was late.")


def test_the_figures_of_a_run_that_was_cut_off_are_not_compared(tmp_path: Path) -> None:
    """It is cut off wherever it was."""
    load_run(tmp_path, times(1))
    found = since(load_run(tmp_path, times(2), ended=False))
    assert found.untold == "this run was cut off before its end"


def test_a_page_does_not_wait_for_a_second_large_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many operations it is not even judged; the command is named that compares them."""
    monkeypatch.setattr(module, "MOST_OPERATIONS", 1_999)
    base, this = load_run(tmp_path, times(1)), load_run(tmp_path, times(2))
    (base / "operations.jsonl").unlink()  # whoever reads it would say so
    found = changed(this)
    assert isinstance(found, NoGoodRun)
    assert f"`temper compare {base.name} {this.name}` tells what changed" in found.reason
    assert page(this).says("runs of more than 1,999 operations are not judged beside another")


def test_of_earlier_runs_no_more_than_one_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read of a run that did not pass goes before the next but one is read."""
    held = WeakSet[Recorded]()

    def judge(recorded: Recorded, **beside: Any) -> RunGate:
        held.add(recorded)
        assert len(held) <= 2
        return run_gate(recorded, **beside)

    for _ in range(5):
        scenario(tmp_path, good=False)
    monkeypatch.setattr(module, "run_gate", judge)
    assert isinstance(changed(scenario(tmp_path)), NoGoodRun)
    assert held


def test_the_metrics_of_a_run_are_computed_once_beside_an_earlier_one(tmp_path: Path) -> None:
    """Whoever reads another run forgets what was kept of this one, so that comes last."""
    load_run(tmp_path, times(1))
    this = load_run(tmp_path, times(2))
    metrics.cache_clear()
    page(this)
    assert metrics.cache_info().misses == 2


def test_what_was_recorded_is_shown_as_words(tmp_path: Path) -> None:
    """Names of runs, versions and commits are no markup."""
    evil = replace(SAME, python=EVIL, commit=EVIL, packages={**SAME.packages, f"{EVIL}-package": "1"})
    base = load_run(tmp_path, times(1), fingerprint=evil, title=EVIL)
    info = json.loads((base / "run.json").read_text()) | {"id": EVIL}
    (base / "run.json").write_text(json.dumps(info))
    shutil.move(base, tmp_path / "before")
    this = load_run(tmp_path, times(1), title=EVIL)
    shown: Page = page(this)
    assert shown.says(f"Beside {EVIL} of")
    assert shown.says(f"{EVIL}-package, version 1 → —")
    assert shown.tags.count("script") == 1
