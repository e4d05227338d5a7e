"""What is kept of experiments that were run with several seeds: read from runs written by hand."""

import sys
from collections.abc import Sequence
from pathlib import Path

import chaos_long
import msgspec
import pytest
from chaos_long import Record, attempt, fresh, kept
from chaos_outcomes import Outcome, outcome_of, totals
from evidence import write
from handwritten_stories import AROUND, EXPERIMENT, LOAD, served, window
from msgspec import Struct

from chaos.experiment import find, shipped
from harness.records.run import Run
from harness.records.verdicts import Finding, Judgement, Verdict

LATE = [*AROUND, *served(0, 12.0, 18.0), window()]
SOUND = [
    Judgement(invariant="nothing lost", verdict=Verdict.VALID, checked=50),
    Judgement(invariant="nothing doubled", verdict=Verdict.VALID, checked=50),
]
LOST = Judgement(
    invariant="nothing lost", verdict=Verdict.INVALID, checked=50, findings=(Finding(problem="lost", message="gone"),)
)
UNKNOWN = Judgement(invariant="nothing lost", verdict=Verdict.UNKNOWN, checked=0, reason="nobody was asked")


def outcome(results: Path, records: Sequence[Struct], *, code: int = 0, ended: bool = True) -> Outcome:
    """What came of a chaos run with these records, the third seed of an experiment."""
    with Run.create(results, kind="chaos", title="By hand", target="system", seed=3, command="temper") as run:
        run.under_load(LOAD)
        run.write_experiment(EXPERIMENT)
        run.write_all(records)
        if ended:
            run.end()
    return outcome_of(run.directory, "cut", 3, code, 30.0)


def test_a_run_that_holds_tells_its_recovery(tmp_path: Path) -> None:
    """How long each fault took to be recovered from, beside what the experiment allows."""
    told = outcome(tmp_path, [*LATE, *SOUND])
    assert told.holds
    assert (told.verdict, told.problems, told.lost, told.doubled, told.within) == (Verdict.VALID, [], 0, 0, 6.0)
    assert [(fault.name, fault.on, fault.bit, fault.recovered) for fault in told.faults] == [
        ("link_down", "worker-1.postgres", True, 5.0)
    ]
    assert str(told).startswith("cut, seed 3: holds; 1 of 1 faults bit; steady again after: 5 s (30 s, chaos-")


def test_a_failure_says_what_was_found(tmp_path: Path) -> None:
    """The first finding of each invariant that does not hold."""
    told = outcome(tmp_path, [*LATE, *SOUND[1:], LOST], code=1)
    assert (told.holds, told.verdict, told.lost) == (False, Verdict.INVALID, 1)
    assert told.problems == ["nothing lost: invalid: gone"]


def test_a_failure_that_no_invariant_explains_is_none_the_less_told(tmp_path: Path) -> None:
    """An objective may fail where every invariant holds."""
    told = outcome(tmp_path, [*LATE, *SOUND], code=1)
    assert (told.holds, told.verdict, told.problems) == (False, Verdict.VALID, ["the command ended with 1"])


def test_a_run_that_was_cut_off_shows_nothing(tmp_path: Path) -> None:
    """What was not judged is not known: neither valid nor a zero."""
    told = outcome(tmp_path, [*AROUND, window(in_force=False)], code=1, ended=False)
    assert (told.verdict, told.lost, told.doubled) == (Verdict.UNKNOWN, None, None)
    assert told.problems == ["the run was cut off"]
    assert [(fault.bit, fault.recovered, fault.untold) for fault in told.faults] == [
        (False, None, "it was never in force")
    ]


def test_outcomes_are_added_up(tmp_path: Path) -> None:
    """All that was planned is told beside what was run, and how long each kind of fault took at most."""
    slower = [*AROUND, *served(0, 12.0, 19.0), window()]
    total = totals([outcome(tmp_path, [*LATE, *SOUND]), outcome(tmp_path, [*slower, *SOUND], code=1)], planned=4)
    assert (total.planned, total.runs, total.hold, total.lost, total.doubled) == (4, 2, 1, 0, 0)
    assert (total.faults, total.bit) == (2, 2)
    recovery = total.recovery["link_down"]
    assert (recovery.faults, recovery.told, recovery.p95, recovery.max) == (2, 2, 6.0, 6.0)


def test_what_one_run_does_not_know_nobody_knows(tmp_path: Path) -> None:
    """A sum of what is known would read as if nothing else were lost."""
    outcomes = [outcome(tmp_path, [*LATE, *SOUND]), outcome(tmp_path, [*LATE, SOUND[1], UNKNOWN], code=1)]
    total = totals(outcomes, planned=2)
    assert (total.lost, total.doubled) == (None, 0)


def test_a_recording_goes_on_where_the_sources_are_the_same(tmp_path: Path) -> None:
    """Outcomes of other sources are no evidence of these."""
    path, record = tmp_path / "chaos.json", fresh()
    record.outcomes.append(outcome(tmp_path, [*LATE, *SOUND]))
    write(path, record)
    assert kept(path) == record
    write(path, msgspec.structs.replace(record, sources="others"))
    assert kept(path).outcomes == []


def test_a_file_that_is_no_record_is_left_as_it_is(tmp_path: Path) -> None:
    """It may be what a later version recorded in an hour."""
    path = tmp_path / "chaos.json"
    path.write_text("{}")
    with pytest.raises(SystemExit, match="is no record of experiments"):
        kept(path)
    assert path.read_text() == "{}"


def test_what_could_not_be_run_is_no_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    """It shows nothing of the system: what the command said is told, and it is tried again another time."""
    unknown = msgspec.structs.replace(find("worker-killed"), name="no-such-experiment")
    assert attempt(unknown, 1) is None
    assert "'no-such-experiment'" in capsys.readouterr().out


def test_a_command_that_leaves_no_run_is_an_outcome(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It failed, and is not tried again until it passes."""

    def crashed(command: list[str], output: Path, patience: float | None = None) -> int:
        output.write_text("it crashed")
        return 1

    monkeypatch.setattr(chaos_long, "run", crashed)
    told = attempt(find("worker-killed"), 2)
    assert told is not None
    assert (told.experiment, told.seed, told.holds, told.verdict) == ("worker-killed", 2, False, Verdict.UNKNOWN)
    assert (told.problems, told.lost) == (["the command ended with 1, and left no run"], None)
    assert "it crashed" in capsys.readouterr().out


def test_each_that_was_planned_is_counted_once_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a further seed nor a file of somebody's own stands in for one that is missing."""
    path, record = tmp_path / "chaos.json", fresh()
    one = outcome(tmp_path, [*LATE, *SOUND])
    first, *others = [(name, seed) for seed in (1, 2, 3) for name in shipped()]
    others[-1:] = [(first[0], 4), ("mine", 1)]
    record.outcomes = [msgspec.structs.replace(one, experiment=name, seed=seed) for name, seed in others]
    write(path, record)
    monkeypatch.setattr(sys, "argv", ["chaos_long.py", str(path), first[0], "--seeds", "1"])
    monkeypatch.setattr(
        chaos_long, "attempt", lambda each, seed: msgspec.structs.replace(one, experiment=each.name, seed=seed)
    )
    assert chaos_long.main() == 0
    after = kept(path)
    assert after.total is not None
    assert len(after.outcomes) == after.total.planned + 1 == 3 * len(shipped()) + 1
    assert after.total.runs == after.total.hold == after.total.planned - 1


@pytest.mark.parametrize("code", [0, 1])
def test_what_is_recorded_is_not_run_again(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even what failed: trying until it passes would show nothing."""
    path, record = tmp_path / "chaos.json", recorded_in_full(tmp_path, code)
    write(path, record)
    monkeypatch.setattr(sys, "argv", ["chaos_long.py", str(path), "--seeds", "1"])
    assert chaos_long.main() == code
    number = len(shipped())
    assert capsys.readouterr().out == f"{number - code} of {number} hold; 0 could not be run\n"


def recorded_in_full(results: Path, code: int) -> Record:
    """A record with every experiment, of which the first ended with this code."""
    record = fresh()
    one = msgspec.structs.replace(outcome(results, [*LATE, *SOUND]), seed=1)
    record.outcomes = [msgspec.structs.replace(one, experiment=name) for name in shipped()]
    record.outcomes[0] = msgspec.structs.replace(record.outcomes[0], holds=code == 0)
    return record
