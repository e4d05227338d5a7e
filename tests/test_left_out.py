"""What another session runs is told as skipped, under the names that pytest gives to what it ran."""

from pathlib import Path

import left_out
import pytest

from harness.quality.junit import read_junit
from harness.records.checks import Outcome

TESTS = """
import pytest

@pytest.mark.parametrize("what", ["a::b", "c/d.py", "[e]"])
def test_one(what): ...

class TestMore:
    def test_two(self): ...
"""


def test_names_are_those_of_the_tests_that_ran(tmp_path: Path) -> None:
    """Of the same tests, run and left out, the names are alike: with classes, and whatever parameters hold."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "test_some.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    collected, ran, left = left_out.Collected(), tmp_path / "ran.xml", tmp_path / "left.xml"
    options = ["-qq", f"--rootdir={tmp_path}", "-p", "no:randomly", "-p", "no:cacheprovider", str(tmp_path)]
    assert pytest.main([*options, f"--junitxml={ran}"], [collected]) == pytest.ExitCode.OK
    left.write_text(left_out.as_skipped(collected.ids))
    names = [case.name for case in read_junit(ran)]
    assert len(names) == 4
    assert [case.name for case in read_junit(left)] == names
    assert {(case.outcome, case.message) for case in read_junit(left)} == {(Outcome.SKIPPED, left_out.REASON)}
