"""What is kept of a demo, and of benchmarks, says what was measured and nothing else."""

import json
from pathlib import Path

import kept_runs
import msgspec
import pytest
from claimed import read
from evidence import ROOT
from kept_runs import demo_of, keep

from benchmarks.__main__ import PAGE, RECORD, page
from benchmarks.result import Record
from harness.records.effects import Fact
from harness.records.fingerprint import Fingerprint
from harness.records.measurements import Measurement
from harness.records.run import Run
from harness.records.verdicts import Judgement, Verdict


def chunk(item: str, *, expected: int, found: int, scenario: str = "pipeline-whole") -> Fact:
    """What the stores hold of some rows, of which two were rejected."""
    return Fact(
        scenario=scenario,
        iteration=0,
        workflow_id=f"run.{scenario}.0.main",
        step="load_chunk",
        item=item,
        expected=expected,
        found=found,
        values={"loaded": found - 2, "rejected": 2},
    )


def a_demo(results: Path, *, kind: str = "demo", ended: bool = True) -> Path:
    """A run in which of ten rows of the whole file nine are there."""
    with Run.create(results, kind=kind, title="By hand", target="system", seed=1, command="temper demo") as run:
        run.write_fingerprint(msgspec.structs.replace(Fingerprint.of_machine(), commit="abc"))
        run.write_all(
            [
                chunk("0", expected=6, found=6),
                chunk("1", expected=4, found=3),
                chunk("0", expected=5, found=5, scenario="pipeline-slice"),
                Judgement(invariant="nothing lost", verdict=Verdict.INVALID, checked=10),
                Judgement(invariant="nothing doubled", verdict=Verdict.VALID, checked=10),
                Measurement(name="worker_startup", unit="s", samples=(0.5, 0.7004), how="by hand"),
            ]
        )
        if ended:
            run.end()
    return run.directory


def test_a_demo_is_kept_as_it_was(tmp_path: Path) -> None:
    """The rows of the whole file alone, what holds and what does not, and each metric that was measured."""
    demo = demo_of(a_demo(tmp_path))
    assert (demo.rows.expected, demo.rows.found, demo.rows.loaded, demo.rows.rejected) == (10, 9, 5, 4)
    assert (demo.commit, demo.invariants, demo.valid) == ("abc", 2, 1)
    assert (demo.metrics["worker_startup_max"], demo.metrics["doubled"]) == (0.7, 0)
    assert "workflow_overhead_p95" not in demo.metrics


@pytest.mark.parametrize(("kind", "ended"), [("scenario", True), ("demo", False)])
def test_nothing_else_is_kept_as_a_demo(kind: str, ended: bool, tmp_path: Path) -> None:
    """Neither another run, nor one that was cut off."""
    with pytest.raises(ValueError, match="is no run of the demo that came to its end"):
        demo_of(a_demo(tmp_path, kind=kind, ended=ended))


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Where the record of a demo would be, and that of the gate."""
    demo, gate = tmp_path / "demo.json", tmp_path / "gate.json"
    monkeypatch.setattr(kept_runs, "DEMO", demo)
    monkeypatch.setattr(kept_runs, "GATE", gate)
    return demo, gate


def test_the_gate_over_all_that_was_measured_is_kept(records: tuple[Path, Path], tmp_path: Path) -> None:
    """Whether it is passed or not; it says which runs it is of, and what none of them has measured."""
    demo, gate = records
    runs = [a_demo(tmp_path), a_demo(tmp_path, kind="quality")]
    keep(runs)
    assert demo.exists()
    kept = json.loads(gate.read_bytes())
    assert [run["run"] for run in kept["runs"]] == [run.name for run in runs]
    assert kept["complete"]


@pytest.mark.parametrize("artefact", [kept_runs.DEMO, kept_runs.GATE], ids=lambda path: path.name)
def test_the_commands_beside_a_claim_leave_its_record(artefact: Path) -> None:
    """What makes the run writes none: it is kept of the runs that are named."""
    evidence = {each.artefact: each for each in read().evidence.values()}
    assert "; nox -s claims -- RUN" in evidence[str(artefact.relative_to(ROOT))].command


def test_a_demo_alone_leaves_the_record_of_the_gate_as_it_is(records: tuple[Path, Path], tmp_path: Path) -> None:
    """Or coverage and types would be lost from it."""
    demo, gate = records
    keep([a_demo(tmp_path)])
    assert (demo.exists(), gate.exists()) == (True, False)
    with pytest.raises(ValueError, match="nothing of them is kept"):
        keep([a_demo(tmp_path, kind="chaos")])


def test_a_gate_that_says_nothing_is_not_kept(records: tuple[Path, Path], tmp_path: Path) -> None:
    """One that cannot judge a run says why, and that is told."""
    run = a_demo(tmp_path, kind="quality")
    (run / "judgements.jsonl").unlink()
    with pytest.raises(ValueError, match="and the run wrote 2"):
        keep([run])
    assert not records[1].exists()


def test_the_page_of_the_benchmarks_is_written_of_their_record() -> None:
    """So a claim that reads the record reads what the page says."""
    record = msgspec.json.decode((ROOT / RECORD).read_bytes(), type=Record)
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(record), "write both anew by `nox -s bench`"
