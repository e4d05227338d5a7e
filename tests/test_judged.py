"""A run is planned before anything is started."""

from pathlib import Path

import pytest
from small_target import small_target

from harness.target import Target
from temper.judged import Plan, directory_of


@pytest.mark.parametrize(
    ("kind", "with_ledger", "without"),
    [
        ("chaos", True, True),
        ("scenario", False, True),
        ("load", False, True),
        ("demo", False, True),
        ("capacity", False, False),
        ("soak", False, False),
    ],
)
def test_the_journal_is_read_where_it_is_worth_it(target: Target, kind: str, with_ledger: bool, without: bool) -> None:
    """Under faults; else only of a target that keeps no ledger, and never for hours."""
    assert Plan(target=target, kind=kind, title="", seed=1).journal is with_ledger
    assert Plan(target=small_target(), kind=kind, title="", seed=1).journal is without


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ("load-1", "results/load-1"),
        ("nowhere", "results/nowhere"),
        ("deeper/load-2", "results/deeper/load-2"),
        ("results/load-1", "results/load-1"),
        ("results/empty/", "results/empty"),
        ("results/nowhere", "results/nowhere"),
        ("kept", "kept"),
        ("kept/file", "kept/file"),
    ],
)
def test_a_run_is_told_by_its_path_or_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, found: str
) -> None:
    """A path stays one where there is no run, so that what is said of it names what was asked for."""
    for name in ("results/load-1", "results/deeper/load-2", "results/empty", "kept"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "kept" / "file").touch()
    monkeypatch.chdir(tmp_path)
    assert directory_of(told) == Path(found)
