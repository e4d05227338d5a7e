"""What test runners leave is read: how each test ended, which are gone, and how much of the code they ran."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from quality_projects import project_of

from harness.errors import CannotRun
from harness.quality.coverage_report import branch_coverage, ranges
from harness.quality.junit import NotJUnit, read_junit
from harness.quality.section import QualitySection
from harness.quality.tests import run_tests
from harness.records.checks import Check, FileCoverage, Outcome, TestCase

JUNIT = """<?xml version="1.0"?>
<testsuites><testsuite name="pytest">
<testcase classname="tests.test_a" name="test_good" time="0.25"/>
<testcase classname="tests.test_a" name="test_bad[1]" time="1,001.5"><failure message="1 == 2">at</failure></testcase>
<testcase classname="tests.test_a" name="test_lost"><error>no message
second line</error></testcase>
<testcase classname="tests.test_a" name="test_out"><skipped message="no engine"/></testcase>
</testsuite></testsuites>
"""


def test_each_test_is_told_by_how_it_ended(tmp_path: Path) -> None:
    """A failure and an error are failures, with what is said of them; without a time it took none."""
    (tmp_path / "a.xml").write_text(JUNIT)
    assert read_junit(tmp_path / "a.xml") == [
        TestCase(name="tests.test_a::test_good", seconds=0.25, outcome=Outcome.PASSED),
        TestCase(name="tests.test_a::test_bad[1]", seconds=1001.5, outcome=Outcome.FAILED, message="1 == 2"),
        TestCase(name="tests.test_a::test_lost", seconds=0, outcome=Outcome.FAILED, message="no message\nsecond line"),
        TestCase(name="tests.test_a::test_out", seconds=0, outcome=Outcome.SKIPPED, message="no engine"),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "was not written"),
        ("", "cannot be read as XML"),
        (JUNIT[:-40], "cannot be read as XML"),
        ("<html/>", "is no JUnit XML: it begins with <html>"),
        (JUNIT.replace('"0.25"', '"soon"'), "cannot be read"),
    ],
)
def test_what_is_no_junit_is_refused(tmp_path: Path, text: str | None, why: str) -> None:
    """Not there, empty, cut off, something else, or with a time that is none."""
    if text is not None:
        (tmp_path / "a.xml").write_text(text)
    with pytest.raises(NotJUnit, match=why):
        read_junit(tmp_path / "a.xml")


def running(xml: str | None, code: int) -> list[str]:
    """A command that plays a test runner: writes this as JUnit XML, and ends with this code."""
    write = "" if xml is None else f"open(sys.argv[1], 'w').write({xml!r});"
    return [sys.executable, "-c", f"import sys; {write} sys.exit({code})", "{junit}"]


async def outcomes(directory: Path, *commands: list[str], known: dict[str, int] | None = None) -> dict[str, Check]:
    section = QualitySection(tests=list(commands), known_tests="known.json")
    if known is not None:
        (directory / "known.json").write_text(json.dumps(known))
    records = await run_tests(project_of(directory, section))
    return {record.metric: record for record in records if isinstance(record, Check)}


PASSED = '<testsuite><testcase classname="t" name="a[1]"/><testcase classname="t" name="a[2]"/></testsuite>'
OTHERS = '<testsuite><testcase classname="t" name="b"/></testsuite>'
FAILED = '<testsuite><testcase classname="t" name="c"><failure message="no"/></testcase></testsuite>'


async def test_tests_of_several_commands_are_counted_together(tmp_path: Path) -> None:
    """Each that is known is there; what is new is no matter."""
    told = await outcomes(tmp_path, running(PASSED, 0), running(OTHERS, 0), known={"t::a": 2})
    assert (told["tests_failed"].value, told["tests_failed"].detail) == (0, "of 3 that ran")
    assert (told["tests_run"].value, told["tests_missing"].value) == (3, 0)


async def test_one_that_failed_does_not_keep_the_next_command_from_being_run(tmp_path: Path) -> None:
    """All that failed is told, with the first line of what it failed with."""
    told = await outcomes(tmp_path, running(FAILED, 1), running(PASSED, 0))
    assert (told["tests_failed"].value, told["tests_run"].value) == (1, 3)
    assert told["tests_failed"].findings == ("t::c: no",)


@pytest.mark.parametrize(
    ("commands", "why"),
    [
        ([running(None, 2)], "ended with exit code 2, and tests-1.xml was not written"),
        ([running(PASSED, 0), running(PASSED[:-5], 0)], "tests-2.xml cannot be read as XML"),
        ([running(PASSED, 3)], "tests-1 ended with exit code 3, and told of no test that failed"),
        ([running("<testsuite/>", 0)], "no test ran"),
        ([[sys.executable, "-c", "import sys; sys.exit('no compiler')"], running(PASSED, 0)], "no compiler"),
    ],
)
async def test_where_a_runner_breaks_off_nothing_is_known(tmp_path: Path, commands: list[list[str]], why: str) -> None:
    """Neither that none failed, nor how many there are, nor that none is gone."""
    told = await outcomes(tmp_path, *commands, known={"t::a": 2})
    assert {name: check.value for name, check in told.items()} == dict.fromkeys(
        ("tests_failed", "tests_run", "tests_missing")
    )
    assert all(why in check.reason for check in told.values())


async def test_one_that_failed_has_failed_wherever_the_runner_broke_off(tmp_path: Path) -> None:
    """That the rest is not known does not hide it."""
    told = await outcomes(tmp_path, running(FAILED, 1), running(None, 2))
    assert told["tests_failed"].value == 1
    assert told["tests_run"].value is None


async def test_a_test_that_is_gone_is_noticed_whatever_is_new(tmp_path: Path) -> None:
    """Also a case of several; a test that is only skipped is there."""
    skipped = OTHERS.replace("/></testsuite>", "><skipped/></testcase></testsuite>")
    told = await outcomes(tmp_path, running(PASSED, 0), running(skipped, 0), known={"t::a": 3, "t::b": 1, "t::x": 2})
    assert told["tests_failed"].detail == "of 2 that ran, 1 skipped"
    check = told["tests_missing"]
    assert (check.value, check.detail) == (3, "of 6 that are known")
    assert check.findings == ("t::a: 1 of 3 cases", "t::x")


async def test_without_a_list_nothing_is_known_of_tests_that_are_gone(tmp_path: Path) -> None:
    """How to write one is said; one that cannot be read is told before the tests take their time."""
    told = await outcomes(tmp_path, running(PASSED, 0))
    assert told["tests_missing"].value is None
    assert "`temper quality tests --record` writes the one" in told["tests_missing"].reason
    (tmp_path / "known.json").write_text("[]")
    (tmp_path / "logs" / "tests-1.xml").unlink()
    with pytest.raises(CannotRun, match=r"known\.json cannot be read"):
        await outcomes(tmp_path, running(PASSED, 0))
    assert not (tmp_path / "logs" / "tests-1.xml").exists()


def report(*, branch: bool = True, **files: dict[str, Any]) -> str:
    return json.dumps({"meta": {"branch_coverage": branch}, "files": files})


def file(
    statements: int, covered: int, branches: int = 0, taken: int = 0, missing: tuple[int, ...] = ()
) -> dict[str, Any]:
    summary = {
        "num_statements": statements,
        "covered_lines": covered,
        "num_branches": branches,
        "covered_branches": taken,
    }
    return {"summary": summary, "executed_lines": [], "missing_lines": missing}


async def coverage(directory: Path, text: str | None, code: int = 0) -> list[Check | FileCoverage]:
    write = "" if text is None else f"open(sys.argv[1], 'w').write({text!r});"
    command = [sys.executable, "-c", f"import sys; {write} sys.exit({code})", "{coverage}"]
    return await branch_coverage(project_of(directory, QualitySection(coverage=[command])))


async def test_the_lesser_share_counts_of_branches_and_lines(tmp_path: Path) -> None:
    """Of all files, which both are told; where there is no branch, that of the lines."""
    *files, check = await coverage(tmp_path, report(a=file(10, 8, 4, 1, (3, 4)), b=file(6, 6)))
    assert isinstance(check, Check)
    assert (check.value, check.detail) == (25, "25.0 % of 4 branches, 87.5 % of 16 lines")
    for fewer_lines in (file(10, 5, 4, 3), file(10, 5)):
        *_, check = await coverage(tmp_path, report(a=fewer_lines))
        assert isinstance(check, Check)
        assert check.value == 50
    *files, _ = await coverage(tmp_path, report(a=file(10, 8, 4, 1, (3, 4)), b=file(6, 6)))
    assert files == [
        FileCoverage(path="a", statements=10, covered=8, branches=4, covered_branches=1, missing=((3, 4),)),
        FileCoverage(path="b", statements=6, covered=6, branches=0, covered_branches=0),
    ]


@pytest.mark.parametrize(
    ("text", "code", "why"),
    [
        (report(branch=False, a=file(1, 1)), 0, "without branch coverage"),
        (report(a=file(0, 0)), 0, "no file with a statement"),
        (report(), 0, "no file with a statement"),
        ("{}", 0, "coverage.json cannot be read"),
        (None, 0, "coverage.json cannot be read"),
        (report(a=file(1, 1)), 1, "ended with exit code 1"),
    ],
)
async def test_coverage_that_was_not_measured_is_not_known(
    tmp_path: Path, text: str | None, code: int, why: str
) -> None:
    """Of nothing at all, nothing is covered, and nothing is not."""
    (check,) = await coverage(tmp_path, text, code)
    assert isinstance(check, Check)
    assert check.value is None
    assert why in check.reason


def test_lines_in_a_row_are_one_range_unless_one_between_was_run() -> None:
    """Lines that hold no code are in neither."""
    assert list(ranges([3, 4, 8, 20], [1, 2, 9])) == [(3, 8), (20, 20)]
    assert list(ranges([], [1])) == []
