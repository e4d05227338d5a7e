"""The page tells what tools found of the sources: where least is covered, which tests fail, and what is not known."""

from pathlib import Path

from handwritten_runs import EVIL, judged, write_run

from harness.records.checks import Check, FileCoverage, Outcome, TestCase
from harness.records.run import Recorded
from harness.records.verdicts import ObjectiveVerdict
from reports.gate import gate_of
from reports.html import render
from reports.quality import least_covered, packages, quality_section, ranges


def covered(path: str, statements: int, ran: int, *missing: tuple[int, int]) -> FileCoverage:
    return FileCoverage(
        path=path, statements=statements, covered=ran, branches=0, covered_branches=0, missing=tuple(missing)
    )


def case(name: str, seconds: float = 0.1, outcome: Outcome = Outcome.PASSED, message: str = "") -> TestCase:
    return TestCase(name=name, seconds=seconds, outcome=outcome, message=message)


FILES = [
    covered("a/small.py", 2, 0, (1, 2)),
    covered("a/large.py", 98, 90, (5, 9), (12, 12)),
    covered("b/x.py", 10, 10),
]


def test_packages_are_told_least_covered_first() -> None:
    """By all their files together; an empty package is covered."""
    told = [(each.name, each.files, each.share) for each in packages([*FILES, covered("c/__init__.py", 0, 0)])]
    assert told == [("a", 2, 0.9), ("b", 1, 1.0), ("c", 1, 1.0)]


def test_files_are_told_by_how_much_of_them_was_never_run() -> None:
    """A large file of which eight lines were not comes before a small one of which none was; the rest has no place."""
    told = [(each.path, each.missed, each.where) for each in least_covered(FILES)]
    assert told == [("a/large.py", 8, "5-9, 12"), ("a/small.py", 2, "1-2")]


def test_very_many_ranges_are_counted() -> None:
    """A page must end."""
    assert ranges([(n, n) for n in range(20)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more"


def test_the_slowest_tests_are_told_and_those_that_failed(tmp_path: Path) -> None:
    """One that was skipped took no time; flaky ones are known where tests were repeated."""
    cases = [case(f"t::{n}", n / 10) for n in range(12)]
    cases += [case("t::bad", 9, Outcome.FAILED, "no"), case("t::out", 99, Outcome.SKIPPED)]
    section = quality_section(Recorded(write_run(tmp_path, cases, kind="quality")))
    assert section is not None
    assert section.tests is not None
    assert (section.tests.passed, section.tests.skipped, len(section.tests.failed)) == (12, 1, 1)
    assert [each.name for each in section.tests.slowest[:2]] == ["t::bad", "t::11"]
    assert len(section.tests.slowest) == 10
    assert not section.tests.repeated
    unknown = Check(metric="flakes", value=None, reason="of other sources", measured=1.0)
    section = quality_section(Recorded(write_run(tmp_path, [*cases, unknown], kind="quality")))
    assert section is not None
    assert section.tests is not None
    assert not section.tests.repeated
    flakes = Check(metric="flakes", value=1, findings=("t::3",), measured=1.0)
    section = quality_section(Recorded(write_run(tmp_path, [*cases, flakes], kind="quality")))
    assert section is not None
    assert section.tests is not None
    assert section.tests.repeated
    assert section.tests.flaky == ("t::3",)


def test_the_page_has_it_all_and_escapes_it(tmp_path: Path) -> None:
    """What could not be measured is not known, with its reason; the date of the data and the command are there."""
    records = [
        *FILES,
        case("t::bad", 9, Outcome.FAILED, EVIL),
        Check(metric="secrets", value=2, findings=(EVIL, "b"), command=f"scan {EVIL}", tool="scanner 1", measured=1.0),
        Check(metric="vulnerabilities_code", value=0, measured=1.0, data=86_400.0),
        Check(metric="vulnerabilities_dependencies", value=None, reason=f"unreachable {EVIL}", measured=1.0),
    ]
    page = render(Recorded(write_run(tmp_path, records, kind="quality")))
    assert EVIL not in page
    assert 'id="quality"' in page
    for words in (
        "a/large.py",
        "2 findings",
        "scanner 1",
        "not known",
        "unreachable",
        "by data of 2 January 1970",
        "flaky",
    ):
        assert words in page


def test_a_run_that_looked_at_no_sources_has_no_such_section(tmp_path: Path) -> None:
    """Nor a way there."""
    recorded = Recorded(write_run(tmp_path, [judged()]))
    assert quality_section(recorded) is None
    assert "#quality" not in render(recorded)


def test_the_sources_may_be_measured_by_several_runs(tmp_path: Path) -> None:
    """As when the audit is a lane of its own: what one has measured is known, whatever others were not asked."""
    audit = write_run(tmp_path, [Check(metric="secrets", value=0, measured=1.0)], kind="quality")
    types = write_run(tmp_path, [Check(metric="type_errors", value=0, measured=1.0)], kind="quality")
    told = {result.name: result.verdict for result in gate_of([audit, types]).objectives}
    assert (told["secrets"], told["type_errors"]) == (ObjectiveVerdict.HOLDS, ObjectiveVerdict.HOLDS)
    assert told["flakes"] is ObjectiveVerdict.UNKNOWN
