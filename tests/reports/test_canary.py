"""The gate proves of each objective that it can fail, and says of which it cannot."""

from datetime import date

import msgspec
import pytest
from evidence import ROOT

from harness.checking.objectives import Objective
from harness.checking.waivers import Waiver
from harness.records.verdicts import ObjectiveVerdict
from reports import canary, planted
from reports.canary import bad_value, good_value, self_test
from reports.metrics import UNITS
from reports.objectives import Policy, policy
from reports.terminal import proofs_text

FAULTS = "faults_that_did_not_bite"


def objective(metric: str = "lost", kind: str = "scenario", *, hard: bool = True, **limit: float) -> Objective:
    entry = {"metric": metric, "title": metric, "unit": UNITS[metric], "hard": hard, "kinds": [kind]}
    return msgspec.convert(entry | (limit or {"equals": 0}), Objective)


def test_each_objective_of_the_project_fails_where_it_must() -> None:
    """In every kind of run, at a bad value, alone; and holds at a good one. The system's own are behind all others."""
    whole = policy(ROOT / "objectives.toml")
    proofs = self_test(whole)
    assert [(proof.objective.title, proof.kind, proof.problems) for proof in proofs if proof.problems] == []
    proven = {(proof.objective.metric, proof.objective.hard) for proof in proofs}
    assert proven == {(each.metric, each.hard) for each in whole.objectives}
    unknown = {proof.objective.metric for proof in proofs if proof.verdict is ObjectiveVerdict.UNKNOWN}
    assert unknown == {FAULTS}


def kind_of(metric: str) -> str:
    """Of a run that can measure it."""
    special = {"drifting": "soak", "recovery_max": "chaos", "recovery_over_budget": "chaos", FAULTS: "chaos"}
    return special.get(metric, "load")


@pytest.mark.parametrize("metric", UNITS)
def test_whatever_metric_there_is_can_be_made_bad(metric: str) -> None:
    """So that whoever adds an objective for it finds it proven; a new metric needs a run in which it is bad."""
    (proof,) = self_test(Policy(objectives=(objective(metric, kind_of(metric), at_most=2),)))
    assert proof.problems == ()


def test_an_objective_that_no_run_of_its_kind_can_measure_is_not_proven() -> None:
    """Only a soak tells what drifts: of a load it is never known."""
    (proof,) = self_test(Policy(objectives=(objective("drifting", "load"),)))
    assert "with 1 it unknown" in proof.problems
    told = proofs_text([proof])
    assert "✗" in told
    assert told.endswith("1 of 1 objectives are not proven to fail.\n")


def test_one_that_does_not_fail_at_a_bad_value_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the value is planted, it is lost on the way."""
    monkeypatch.setattr(canary, "plant", lambda directory, kind, _: planted.plant(directory, kind, {"lost": 0}))
    (proof,) = self_test(Policy(objectives=(objective(),)))
    assert "with 1 it holds" in proof.problems
    assert "it fails, and the gate stays open" in proof.problems
    assert "it holds where nothing was measured" in proof.problems


def test_another_that_turns_red_with_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it must: what is lost, an invariant has found, which is not valid then."""
    both = Policy(objectives=(objective(), objective("invariants_not_valid")))
    assert [proof.problems for proof in self_test(both)] == [(), ()]
    assert self_test(both)[0].also == ("invariants_not_valid",)
    monkeypatch.setattr(canary, "ENTAILED", {})
    assert self_test(both)[0].problems == ("others turn red with it: invariants_not_valid",)


def test_must_and_aim_of_one_metric_are_told_apart() -> None:
    """A value that misses the aim alone turns nothing else red; one beyond what must be turns both."""
    must = objective("worker_memory_max", "load", below=500)
    aim = objective("worker_memory_max", "load", hard=False, below=200)
    first, second = self_test(Policy(objectives=(must, aim)))
    assert (first.planted, first.also, first.problems) == (750, ("worker_memory_max",), ())
    assert (second.planted, second.also, second.problems) == (300, (), ())


def test_no_waiver_hides_anything_from_it() -> None:
    """It asks what would fail, and not what is let pass."""
    waiver = Waiver(metric="lost", reason="why", until=date(9999, 1, 1))
    (proof,) = self_test(Policy(objectives=(objective(),), waivers=(waiver,)))
    assert proof.problems == ()


@pytest.mark.parametrize(
    "limit",
    [{"at_most": 2}, {"below": 0.5}, {"at_least": 0.7}, {"above": 80}, {"equals": 0}, {"equals": 100}, {"above": 0}],
)
def test_a_bad_value_is_bad_and_a_good_one_good(limit: dict[str, float]) -> None:
    """Whatever the threshold; none is below zero where it need not be."""
    one = msgspec.convert({"metric": "lost", "title": "", "hard": True, "kinds": ["load"]} | limit, Objective)
    good, bad = good_value([one]), bad_value(one)
    assert good is not None
    assert one.holds(good)
    assert not one.holds(bad)
    assert min(good, bad) >= 0 or limit == {"above": 0}


def test_where_two_contradict_each_other_there_is_no_good_value() -> None:
    """Which is told as a problem of both, and not as a good run."""
    two = (objective("worker_memory_max", "load", below=1), objective("worker_memory_max", "load", hard=False, above=9))
    assert good_value(two) is None
    assert all("without a bad value there is one" in proof.problems[-1] for proof in self_test(Policy(objectives=two)))
