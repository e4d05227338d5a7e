"""Only repetitions of every test are recorded: fewer prove nothing of the others."""

from pathlib import Path

import flakes
import pytest
from evidence import write

from harness.quality.flakes import Record, Repetition

ONE = "tests/checking/test_verdicts.py"


@pytest.fixture
def unfinished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where what is recorded is kept aside meanwhile."""
    monkeypatch.setattr(flakes, "UNFINISHED", tmp_path / "unfinished.json")
    return tmp_path / "unfinished.json"


def test_of_tests_that_are_named_nothing_is_recorded(unfinished: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """They are repeated, and what failed is told."""
    assert flakes.main(["--repetitions", "1", ONE, "--collect-only"]) == 0
    assert "1 repetitions, in which failed: none" in capfd.readouterr().out
    assert not unfinished.exists()


def test_a_record_of_some_tests_is_refused(unfinished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is run."""
    record = unfinished.with_name("flakes.json")
    with pytest.raises(SystemExit, match="2"):
        flakes.main(["--record", str(record), "-n", "4", "-k", "one", ONE])
    assert "leave out --record, or -k one" in capsys.readouterr().err
    assert not list(record.parent.iterdir())


def test_only_the_same_repetitions_are_gone_on_with(unfinished: Path) -> None:
    """Not those of another command, which may have been of fewer tests."""
    record = unfinished.with_name("flakes.json")
    own = flakes.begun(record, ("-n", "4"))
    once = Repetition(seed=1, ended="2026-01-09T12:00:00Z", seconds=1.0, passed=7, failed=[])
    write(unfinished, Record(command=own.command, sources=own.sources, machine=own.machine, repetitions=[once]))
    assert flakes.begun(record, ("-n", "4")).repetitions == [once]
    assert flakes.begun(record, ("-n", "4", ONE)).repetitions == []
    assert flakes.begun(None, ("-n", "4")).repetitions == []
