"""`temper compare`, as people run it: its exit codes, its faces, and what it refuses."""

import json
from pathlib import Path

import pytest
from commands import Here
from compared_runs import SAME, load_run, times
from msgspec.structs import replace

from temper.comparing import share_of


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def test_runs_are_compared_by_name_or_path(here: Here, results: Path) -> None:
    """0 where nothing is known to have got worse: below results/ a name will do."""
    base, same = load_run(results, times(1)), load_run(results, times(2))
    for names in ((base.name, same.name), (str(base), str(same))):
        ended = here("compare", *names)
        assert ended.code == 0, ended
        assert "no evidence that anything got better or worse" in ended.out


def test_what_got_worse_fails(here: Here, results: Path) -> None:
    """1; and 0 to whoever tolerates as much."""
    base, slow = load_run(results, times(1)).name, load_run(results, times(2, slower=1.3)).name
    ended = here("compare", base, slow)
    assert ended.code == 1, ended
    assert "✗  slice: response time, mean" in ended.out
    assert here("compare", base, slow, "--tolerate", "90%").code == 0
    assert here("compare", slow, base).code == 0


def test_what_cannot_be_compared_is_told_side_by_side(here: Here, results: Path) -> None:
    """2, and nothing is printed for who reads the figures; --anyway they are compared."""
    base, other = load_run(results, times(1)).name, load_run(results, times(2), fingerprint=replace(SAME, cores=8)).name
    ended = here("compare", base, other)
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err
    (line,) = [line for line in ended.err.splitlines() if line.strip().startswith("cores")]
    assert line.split() == ["cores", "2", "8"]
    assert here("compare", base, other, "--anyway").code == 0


def test_other_faces(here: Here, results: Path) -> None:
    """JSON for programs, Markdown for pull requests; the exit code is the same."""
    base, slow = load_run(results, times(1)).name, load_run(results, times(2, slower=1.3)).name
    told = here("compare", base, slow, "--json")
    assert (told.code, json.loads(told.out)["worse"]) == (1, True)
    shown = here("compare", base, slow, "--markdown")
    assert shown.code == 1
    assert shown.out.startswith("## Something got worse\n")


@pytest.mark.parametrize(("said", "share"), [("5%", 0.05), ("0", 0.0), ("2.5 %", 0.025), ("99%", 0.99)])
def test_a_margin_is_told_in_per_cent(said: str, share: float) -> None:
    """With or without the sign."""
    assert share_of(said) == pytest.approx(share)


@pytest.mark.parametrize("said", ["100%", "-1%", "nan", "a lot", ""])
def test_a_margin_beyond_reason_is_refused(here: Here, said: str) -> None:
    """Whoever tolerates twice the time need not compare."""
    ended = here("compare", "one", "two", f"--tolerate={said}")
    assert ended.code == 2
    assert "is no share that can be tolerated" in ended.err
