"""Records that are kept with the sources tell when they were taken, and of what they are."""

import json
from pathlib import Path
from typing import Any

import pytest
from quality_projects import project_of
from small_project import commit

from harness.quality.flakes import ENOUGH, digest, flakes
from harness.quality.mutation import mutated, mutation_score
from harness.quality.section import QualitySection
from harness.records.checks import Check

SECTION = QualitySection(flakes="flakes.json", mutation="mutation.json")
NOON = 1_767_960_000.0
"""2026-01-09T12:00:00Z."""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With two modules that are committed."""
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n")
    commit(tmp_path)
    return tmp_path


async def flakes_of(
    repository: Path, sources: str | None = None, failed: tuple[str, ...] = (), times: int = ENOUGH
) -> Check:
    each = {"seed": 1, "ended": "2026-01-09T12:00:00Z", "seconds": 1.0, "passed": 7, "failed": []}
    repetitions = [{**each, "failed": [name]} for name in failed] + [each] * (times - len(failed))
    own = digest(repository) if sources is None else sources
    record = {"command": "pytest", "sources": own, "machine": "2 cores", "repetitions": repetitions}
    (repository / "flakes.json").write_text(json.dumps(record))
    (check,) = await flakes(project_of(repository, SECTION))
    return check


async def test_flakes_are_tests_that_failed_in_any_repetition(repository: Path) -> None:
    """Each counts once; the date is that of the record."""
    check = await flakes_of(repository, failed=("t::b", "t::a", "t::b"))
    assert (check.value, check.findings) == (2, ("t::a", "t::b"))
    assert (check.detail, check.measured) == ("in 20 repetitions of 7 tests on 2 cores", NOON)
    assert (await flakes_of(repository)).value == 0


async def test_repetitions_of_other_sources_say_nothing_of_these(repository: Path) -> None:
    """A change that is not committed makes them others; what failed then is still told."""
    check = await flakes_of(repository, sources="0123", failed=("t::a",))
    assert (check.value, check.reason) == (None, "the record is of other sources than these")
    assert check.findings == ("t::a",)
    before = digest(repository)
    (repository / "b.py").write_text("x = 2\n")
    assert (await flakes_of(repository, sources=before)).value is None
    commit(repository)
    assert digest(repository) != before


async def test_too_few_repetitions_say_little(repository: Path) -> None:
    """Nor do none at all."""
    check = await flakes_of(repository, times=19)
    assert (check.value, check.reason) == (None, "the tests were repeated 19 times, and 20 are wanted")
    assert (await flakes_of(repository, times=0)).reason == "the record has no repetition"


async def test_a_repetition_that_ended_on_no_day_is_none(repository: Path) -> None:
    """Nothing is known then, and what else is measured goes on."""
    await flakes_of(repository)
    path = repository / "flakes.json"
    path.write_text(path.read_text().replace("2026-01-09T12:00:00Z", "yesterday", 1))
    (check,) = await flakes(project_of(repository, SECTION))
    assert (check.value, check.reason.partition(":")[0]) == (None, "the record cannot be used")


RECORD: dict[str, Any] = {
    "command": "nox -s mutation",
    "date": "2026-01-09T12:00:00+00:00",
    "commit": "f" * 40,
    "total": {"score": 91.5, "mutants": 200},
    "modules": {"a.py": {"score": 95.0, "mutants": 150}, "b.py": {"score": 81.0, "mutants": 50}},
}


async def mutation_of(repository: Path, record: dict[str, Any]) -> Check:
    (repository / "mutation.json").write_text(json.dumps(record))
    (check,) = await mutation_score(project_of(repository, SECTION))
    return check


def with_settings(repository: Path, *patterns: str) -> dict[str, str]:
    """Have mutmut mutate files of these patterns; what it would mutate."""
    settings = f'[tool.mutmut]\nsource_paths = ["."]\nonly_mutate = {list(patterns)}\ndo_not_mutate = ["*_test.py"]\n'
    (repository / "pyproject.toml").write_text(settings)
    return mutated(repository)


async def test_a_score_is_told_with_its_date(repository: Path) -> None:
    """The modules of which most went unnoticed come first."""
    covers = with_settings(repository, "a.py", "b.py")
    check = await mutation_of(repository, {**RECORD, "covers": covers})
    assert (check.value, check.measured, check.reason) == (91.5, NOON, "")
    assert check.detail == "of 200 mutants in 2 files, at ffffffffffff"
    assert check.findings == ("b.py: 81 % of 50", "a.py: 95 % of 150")


async def test_a_score_of_other_files_than_are_mutated_now_is_none(repository: Path) -> None:
    """One has changed, is new, is gone, or is chosen only now; and a record that does not tell is of none."""
    covers = with_settings(repository, "*.py")
    assert list(covers) == ["a.py", "b.py"]
    (repository / "deep").mkdir()
    (repository / "deep" / "a_test.py").write_text("x = 4\n")
    assert mutated(repository) == covers
    with_settings(repository, "a.py", "b.py", "deep/*")
    assert (await mutation_of(repository, {**RECORD, "covers": covers})).value == 91.5
    (repository / "deep" / "c.py").write_text("x = 3\n")
    check = await mutation_of(repository, {**RECORD, "covers": covers})
    told = "at ffffffffffff, 91.5 % of 200 mutants were noticed"
    assert (check.value, check.reason) == (None, f"not mutated as they are now: deep/c.py; {told}")
    with_settings(repository, "a.py", "b.py")
    (repository / "b.py").write_text("x = 2\n")
    check = await mutation_of(repository, {**RECORD, "covers": covers})
    assert (check.value, check.reason) == (None, f"not mutated as they are now: b.py; {told}")
    with_settings(repository, "a.py")
    assert (await mutation_of(repository, {**RECORD, "covers": covers})).value is None
    check = await mutation_of(repository, RECORD)
    assert (check.value, check.reason) == (None, f"the record does not tell which files were mutated; {told}")


async def test_without_settings_of_mutmut_a_score_is_of_the_files_in_the_record(repository: Path) -> None:
    """Another tool may have written it."""
    covers = with_settings(repository, "a.py", "b.py")
    (repository / "pyproject.toml").unlink()
    assert (await mutation_of(repository, {**RECORD, "covers": covers})).value == 91.5
    (repository / "b.py").unlink()
    assert (await mutation_of(repository, {**RECORD, "covers": covers})).value is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"total": {"score": 0.0, "mutants": 0}}, "of no mutant"),
        ({"date": "yesterday"}, "cannot be used"),
        ({"total": None}, "cannot be used"),
    ],
)
async def test_a_record_that_cannot_be_used_is_no_score(repository: Path, change: dict[str, Any], why: str) -> None:
    """Why is said."""
    check = await mutation_of(repository, {**RECORD, **change})
    assert check.value is None
    assert why in check.reason


async def test_without_a_record_nothing_is_known(repository: Path) -> None:
    """Nor outside a repository, of flakes."""
    for measure in (flakes, mutation_score):
        (check,) = await measure(project_of(repository, SECTION))
        assert check.value is None
        assert "there is no such record" in check.reason
    (repository / "flakes.json").write_text("[]")
    (check,) = await flakes(project_of(repository, SECTION))
    assert "cannot be used" in check.reason
