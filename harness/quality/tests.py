"""Which tests fail, and which are gone that there were: from the JUnit XML that their runner writes."""

import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from msgspec import structs

from harness.errors import CannotRun
from harness.quality.junit import NotJUnit, read_junit
from harness.quality.known_tests import WRITES, gone, read_known
from harness.quality.tool import Project, Tool
from harness.records.checks import Check, Outcome, TestCase

Told = list[Check | TestCase]


async def run_tests(project: Project) -> Told:
    """Run them, and tell how each ended; nothing is known of them where a runner broke off. Raises CannotRun."""
    known = read_known(project)  # before they take their time
    cases: list[TestCase] = []
    problem = ""
    for number, command in enumerate(project.section.tests, start=1):
        junit = project.logs / f"tests-{number}.xml"
        tool = Tool(name=f"tests-{number}", command=command, known={"junit": str(junit)})
        ended = await tool.run(project)
        try:
            found = read_junit(junit) if _tells(command) else []
        except NotJUnit as error:
            problem = f"{ended.why()}, and {error}"
            break
        cases += found
        if ended.code and not _failed(found):
            problem = f"{tool.name} {ended.why()}, and told of no test that failed"
            break
    return _told(project, cases, known, problem, time.time())


def given_tests(project: Project, files: Sequence[Path]) -> Told:
    """The same from JUnit XML that a run of the tests has left. Raises CannotRun where it cannot be read."""
    try:
        cases = list(chain.from_iterable(map(read_junit, files)))
    except NotJUnit as error:
        raise CannotRun(str(error), remedy="--from tests=FILE names JUnit XML: pytest --junitxml=FILE.") from error
    return _told(project, cases, read_known(project), "", min(file.stat().st_mtime for file in files))


def _told(
    project: Project, cases: Sequence[TestCase], known: Mapping[str, int] | None, problem: str, measured: float
) -> Told:
    """What these tests come to; `problem` is why it is not known."""
    command = next(filter(_tells, project.section.tests), ["tests"])
    runner = Tool(name="tests", command=command, known={"junit": "junit.xml"})
    ran = [case for case in cases if case.outcome is not Outcome.SKIPPED]
    problem = problem or ("" if ran else "no test ran")
    checks = (_tests_failed(runner, cases, ran, problem), _tests_run(runner, ran, problem))
    missing = _tests_missing(runner, cases, known, problem, project.section.known_tests)
    return [*cases, *(structs.replace(check, measured=measured) for check in (*checks, missing))]


def _tests_failed(runner: Tool, cases: Sequence[TestCase], ran: Sequence[TestCase], problem: str) -> Check:
    failed = _failed(cases)
    # One that failed has failed, also where the rest is not known.
    if problem and not failed:
        return runner.check("tests_failed", None, reason=problem)
    skipped = len(cases) - len(ran)
    detail = f"of {len(ran):,} that ran" + (f", {skipped:,} skipped" if skipped else "")
    findings = tuple(f"{case.name}: {case.message.partition(chr(10))[0]}" for case in failed)
    return runner.check("tests_failed", len(failed), detail=detail, findings=findings)


def _tests_run(runner: Tool, ran: Sequence[TestCase], problem: str) -> Check:
    return runner.check("tests_run", None if problem else len(ran), reason=problem)


def _tests_missing(
    runner: Tool, cases: Sequence[TestCase], known: Mapping[str, int] | None, problem: str, name: str
) -> Check:
    reason = problem or ("" if known is not None else f"there is no list of known tests: {WRITES}")
    if reason or known is None:
        return runner.check("tests_missing", None, reason=reason)
    missing = sorted(gone(known, cases).items())
    findings = tuple(
        test if known[test] == count else f"{test}: {count} of {known[test]} cases" for test, count in missing
    )
    detail = f"of {sum(known.values()):,} that are known"
    value = sum(count for _, count in missing)
    return runner.check("tests_missing", value, detail=detail, findings=findings, artefact=name)


def _failed(cases: Sequence[TestCase]) -> list[TestCase]:
    return [case for case in cases if case.outcome is Outcome.FAILED]


def _tells(command: Sequence[str]) -> bool:
    """Whether it tells of tests."""
    return any("{junit}" in word for word in command)
