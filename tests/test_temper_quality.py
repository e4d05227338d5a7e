"""`temper quality`, on a small project: each thing that goes wrong in its sources turns its own objective red."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Here, below, spawn, until
from small_project import commit

from harness.eventually import eventually
from harness.records.checks import Check, Outcome, TestCase
from harness.records.run import Recorded, latest
from harness.records.verdicts import ObjectiveVerdict
from reports.objectives import results_of

BY_HAND = ("types", "tests", "coverage", "code", "secrets", "ignores")


def failing(project: Path) -> list[str]:
    """The metrics whose hard objectives failed in the newest run."""
    results = results_of(Recorded(latest(project / "results")))
    return [result.name for result in results if result.hard and result.verdict is ObjectiveVerdict.FAILS]


def test_in_a_sound_project_every_objective_holds(here: Here, project: Path) -> None:
    """What the tools found none of is none, in a run that says what was looked at and how to do it again."""
    ended = here("quality", *BY_HAND)
    assert ended.code == 0, ended
    recorded = Recorded(latest(project / "results"))
    assert recorded.info.kind == "quality"
    assert not recorded.info.partial
    checks = {check.metric: check for check in recorded.read(Check)}
    assert {name: check.value for name, check in checks.items()} == {
        "type_errors": 0,
        "unexplained_ignores": 0,
        "vulnerabilities_code": 0,
        "secrets": 0,
        "tests_failed": 0,
        "tests_run": 5,
        "tests_missing": 0,
        "branch_coverage": 100,
    }
    assert all(check.tool and check.command and check.measured for check in checks.values())
    assert {case.outcome for case in recorded.read(TestCase)} == {Outcome.PASSED}
    assert "quality: measuring" not in ended.err
    assert (recorded.directory / "report.html").exists()


def type_error(project: Path) -> None:
    _add(project, "shop/prices.py", 'WRONG: int = "7"\n')


def silenced(project: Path) -> None:
    _add(project, "shop/prices.py", "import os  # noqa" + ": F401\n")


def failing_test(project: Path) -> None:
    _add(project, "tests/test_prices.py", "def test_wrong(): assert price(1, 7) == 8\n")


def dropped_test(project: Path) -> None:
    path = project / "tests/test_prices.py"
    path.write_text(path.read_text().partition("\n\ndef test_none_cost")[0] + "\n")


def untested_code(project: Path) -> None:
    _add(
        project,
        "shop/prices.py",
        "def untested(x: int) -> int:\n" + "".join(f"    x += {n}\n" for n in range(9)) + "    return x\n",
    )


def vulnerable_code(project: Path) -> None:
    _add(
        project,
        "shop/__init__.py",
        "import subprocess\n\n\ndef run(what: str) -> None:\n    subprocess.call(what, shell=True)\n",
    )
    _add(project, "tests/test_prices.py", "def test_running():\n    import shop\n    shop.run('true')\n")


def leaked_key(project: Path) -> None:
    _add(project, "shop/keys.toml", f'key = "{"AKIA" + "QYLPMN5H" * 2}"\n')
    commit(project)


def _add(project: Path, name: str, text: str) -> None:
    with (project / name).open("a") as file:
        file.write(f"\n\n{text}")


PLANTED: dict[Callable[[Path], None], str] = {
    type_error: "type_errors",
    silenced: "unexplained_ignores",
    failing_test: "tests_failed",
    dropped_test: "tests_missing",
    untested_code: "branch_coverage",
    vulnerable_code: "vulnerabilities_code",
    leaked_key: "secrets",
}


@pytest.mark.thorough
@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.__name__)
def test_what_goes_wrong_turns_its_own_objective_red(
    here: Here, project: Path, planted: Callable[[Path], None]
) -> None:
    """And no other; the command exits with 1."""
    planted(project)
    ended = here("quality", *BY_HAND)
    assert ended.code == 1, ended
    assert failing(project) == [PLANTED[planted]]


def test_only_what_is_named_is_measured_and_judged(here: Here, project: Path) -> None:
    """A failing test closes no gate that was only asked about silenced checks; without names, all is asked about."""
    failing_test(project)
    assert here("quality", "ignores").code == 0
    checks = Recorded(latest(project / "results")).read(Check)
    assert [check.metric for check in checks] == ["unexplained_ignores"]


def test_what_a_run_of_the_tests_has_left_is_used(here: Here, project: Path) -> None:
    """Neither the tests nor coverage are run again; what is older than the sources is refused, with git or without."""
    junit, coverage = project / "junit.xml", project / "coverage.json"
    junit.write_text(
        '<testsuite><testcase classname="tests.test_prices" name="test_many_cost_less" time="0.5"/></testsuite>'
    )
    file = {"summary": {"num_statements": 4, "covered_lines": 3, "num_branches": 2, "covered_branches": 1},
            "executed_lines": [1, 2, 3], "missing_lines": [6]}  # fmt: skip
    coverage.write_text(json.dumps({"meta": {"branch_coverage": True}, "files": {"shop/prices.py": file}}))
    given = ("--from", f"tests={junit}", "--from", f"coverage={coverage}")
    assert here("quality", "tests", "coverage", *given).code == 1
    recorded = Recorded(latest(project / "results"))
    found = {check.metric: check.value for check in recorded.read(Check)}
    assert {check.measured for check in recorded.read(Check)} == {junit.stat().st_mtime, coverage.stat().st_mtime}
    assert found["tests_run"] == 1
    assert found["tests_missing"] == 4
    assert found["branch_coverage"] == 50
    assert not list(recorded.directory.glob("logs/*.out"))
    os.utime(project / "shop/prices.py", (junit.stat().st_mtime + 10,) * 2)
    refused = here("quality", "tests", "coverage", *given)
    shutil.rmtree(project / ".git")
    for ended in (refused, here("quality", "tests", "coverage", *given)):
        assert ended.code == 2, ended
        assert "junit.xml cannot be used: shop/prices.py was changed after it was written" in ended.err


def test_the_tests_there_are_can_be_written_down(here: Here, project: Path) -> None:
    """Those of a run in which none failed, without their parameters; where one failed, the list stays as it was."""
    known = project / "evidence/tests.json"
    before = known.read_text()
    known.unlink()
    junit = project / "junit.xml"
    cases = [f'<testcase classname="tests.test_prices" name="{name}"/>' for name in (
        "test_few_cost_what_they_cost[1]", "test_few_cost_what_they_cost[2]", "test_few_cost_what_they_cost[3]",
        "test_none_cost_nothing", "test_many_cost_less",
    )]  # fmt: skip
    junit.write_text(f"<testsuite>{''.join(cases)}</testsuite>")
    given = ("quality", "tests", "--record", "--from", f"tests={junit}")
    ended = here(*given)
    assert "recorded which tests there are" in ended.err
    assert known.read_text() == before
    failed = '<testcase classname="t" name="u"><failure message="no"/></testcase>'
    junit.write_text(f"<testsuite>{failed}</testsuite>")
    ended = here(*given)
    assert ended.code == 1
    assert "not recorded: one failed" in ended.err
    assert known.read_text() == before


def test_a_run_is_listed_where_temper_runs_says(here: Here, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lanes learn so which runs they made."""
    listed = project / "runs.txt"
    monkeypatch.setenv("TEMPER_RUNS", str(listed))
    for _ in range(2):
        assert here("quality", "ignores").code == 0
    made = sorted(str(path) for path in (project / "results").iterdir())
    assert sorted(listed.read_text().splitlines()) == made


WRONG = {
    "unknown measure": (("typos",), "Did you mean 'types'?"),
    "not in temper.toml": (("flakes",), "temper.toml has no quality.flakes, so flakes cannot be measured"),
    "coverage without tests": (("coverage",), "Coverage is of the tests that were run just before"),
    "no such file": (("--from", "tests=nowhere.xml"), "nowhere.xml is no file"),
    "given what is always measured": (("--from", "types=temper.toml"), "There is no measure that is read from a file"),
    "no pair": (("--from", "tests"), "'tests' is no pair"),
    "given no JUnit XML": (("--from", "tests=evidence/tests.json"), "cannot be read as XML"),
    "given no report": (("--from", "coverage=evidence/tests.json"), "tests.json cannot be read"),
    "nothing to record": (("types", "--record"), "There is nothing to record"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_use_is_told(here: Here, project: Path, case: str) -> None:
    """With what to do about it, before anything is run."""
    arguments, says = WRONG[case]
    ended = here("quality", *arguments)
    assert ended.code == 2, ended
    assert says in ended.err
    assert "Traceback" not in ended.err
    assert not (project / "results").exists()


CHANGED = [
    ('["{python}", "-m", "mypy", "--strict", "shop"]', "[]", "temper.toml has no quality.types"),
    ('"mypy"', '"{junit}"', "quality.types has {junit}; it may have {python}, {target.directory}"),
    ("--junitxml={junit}", "--verbose", "quality.tests never names {junit}"),
    ("types =", "typos =", "unknown field `typos`"),
    ("[quality]", '[quality]\ndependencies = ["audit", "{requirements}"]', "needs quality.requirements"),
    ("[quality]", "[quality]\ntests = [[]]\n[nothing]", "quality.tests has an empty command"),
    ("[quality]", "[demo]\njob = ''\nexperiment = ''\n[environment]", "Expected `str`, got `array`"),
]


@pytest.mark.parametrize(("old", "new", "says"), CHANGED)
def test_a_wrong_section_is_told(here: Here, project: Path, old: str, new: str, says: str) -> None:
    """Which key, and what it may be."""
    path = project / "temper.toml"
    path.write_text(path.read_text().replace(old, new))
    ended = here("quality", "types")
    assert ended.code == 2, ended
    assert says in ended.err


def test_without_a_section_there_is_nothing_to_measure(here: Here, project: Path) -> None:
    """What must be added is said."""
    path = project / "temper.toml"
    path.write_text(path.read_text().partition("[quality]")[0])
    ended = here("quality")
    assert ended.code == 2, ended
    assert "temper.toml has no [quality]" in ended.err


def test_of_tests_that_broke_off_coverage_is_not_known(here: Here, project: Path) -> None:
    """Whatever coverage has on disk is of another run."""
    (project / "tests/conftest.py").write_text("import nothing_of_this_name\n")
    assert here("quality", "tests", "coverage").code == 1
    (check,) = (c for c in Recorded(latest(project / "results")).read(Check) if c.metric == "branch_coverage")
    assert check.value is None
    assert check.reason.startswith("the tests did not come to their end: ended with exit code 4")


SLOW = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("started", "w").close()
try:
    time.sleep(600)
except KeyboardInterrupt:
    open("told", "w").close()
"""

OWN = """
[[objective]]
metric = "unexplained_ignores"
title = "Silences, as we say"
equals = 0
hard = true
kinds = ["quality"]
"""


@pytest.mark.usefixtures("heeds_ctrl_c")
async def test_one_that_is_interrupted_leaves_nothing(project: Path) -> None:
    """Ctrl-C while a tool runs: it is told, it goes with all it started; the run is readable, partial, and
    judged by the project's own objectives.
    """
    (project / "slow.py").write_text(SLOW)
    path = project / "temper.toml"
    path.write_text('objectives = "own.toml"\n' + path.read_text().replace('"-m", "bandit"', '"slow.py"'))
    (project / "own.toml").write_text(OWN)
    process = await spawn("quality", "ignores", "code", directory=project)
    try:
        assert process.stderr is not None
        await until(process.stderr, b"code: measuring")
        await eventually((project / "started").exists)
        children = below(process)
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 130, err
    assert b"the run was cut off" in err
    assert (project / "told").exists()
    recorded = Recorded(latest(project / "results"))
    assert recorded.info.partial
    assert "Silences, as we say" in (recorded.directory / "report.html").read_text()
    assert [check.metric for check in recorded.read(Check)] == ["unexplained_ignores"]
    await eventually(lambda: not [child for child in children if child.is_running()])
