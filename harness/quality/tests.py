"""Which tests fail, and which are gone that there were: from the JUnit XML that their runner writes."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path

import msgspec

from harness.errors import CannotRun
from harness.quality.junit import NotJUnit, read_junit
from harness.quality.tool import Project, Tool
from harness.records.checks import Check, Outcome, TestCase


async def run_tests(project: Project) -> list[Check | TestCase]:
    """Run them, and tell how each ended; nothing is known of them where a runner broke off."""
    cases: list[TestCase] = []
    problem = ""
    for number, command in enumerate(project.section.tests, start=1):
        runs = any("{junit}" in word for word in command)
        junit = project.logs / f"tests-{number}.xml"
        tool = Tool(name=f"tests-{number}", command=command, known={"junit": str(junit)})
        ended = await tool.run(project)
        try:
            found = read_junit(junit) if runs else []
        except NotJUnit as error:
            problem = f"{ended.why()}, and {error}"
            break
        cases += found
        if ended.code and not any(case.outcome is Outcome.FAILED for case in found):
            problem = f"{tool.name} {ended.why()}, and told of no test that failed"
            break
    runner = Tool(name="tests", command=_runner(project.section.tests), known={"junit": "junit.xml"})
    return told(project, cases, problem, runner)


def given_tests(project: Project, files: Sequence[Path]) -> list[Check | TestCase]:
    """The same from JUnit XML that a run of the tests has left. Raises CannotRun where it cannot be read."""
    try:
        cases = list(chain.from_iterable(map(read_junit, files)))
    except NotJUnit as error:
        raise CannotRun(str(error), remedy="--from tests=FILE names JUnit XML: pytest --junitxml=FILE.") from error
    runner = Tool(name="tests", command=_runner(project.section.tests), known={"junit": "junit.xml"})
    return told(project, cases, "", runner, measured=min(file.stat().st_mtime for file in files))


def told(
    project: Project, cases: Sequence[TestCase], problem: str, runner: Tool, measured: float | None = None
) -> list[Check | TestCase]:
    """What these tests come to; `problem` is why it is not known."""
    at = time.time() if measured is None else measured
    ran = [case for case in cases if case.outcome is not Outcome.SKIPPED]
    failed = [case for case in cases if case.outcome is Outcome.FAILED]
    skipped = len(cases) - len(ran)
    problem = problem or ("" if ran else "no test ran")
    detail = f"of {len(ran):,} that ran" + (f", {skipped:,} skipped" if skipped else "")
    findings = tuple(f"{case.name}: {case.message.partition(chr(10))[0]}" for case in failed)
    # One that failed has failed, also where the rest is not known.
    known = bool(failed) or not problem
    return [
        *cases,
        runner.check("tests_failed", len(failed) if known else None, reason="" if known else problem,
                     detail=detail if known else "", findings=findings, measured=at),
        runner.check("tests_run", None if problem else len(ran), reason=problem, measured=at),
        missing(project, cases, problem, runner, at),
    ]  # fmt: skip


def missing(project: Project, cases: Iterable[TestCase], problem: str, runner: Tool, at: float) -> Check:
    """How many tests of the known ones are gone; those of several cases count case by case."""
    if not project.section.known_tests:
        return runner.check("tests_missing", None, reason="temper.toml names no quality.known_tests", measured=at)
    path = project.directory / project.section.known_tests
    known = read_known(path)
    if problem or known is None:
        none = f"{project.section.known_tests} is not there: `temper quality tests --record` writes it"
        return runner.check("tests_missing", None, reason=problem or none, measured=at)
    gone = Counter(known) - counted(cases)
    findings = tuple(name if known[name] == count else f"{name}: {count} of {known[name]} cases" for name, count in
                     sorted(gone.items()))  # fmt: skip
    of = f"of {sum(known.values()):,} that are known"
    artefact = project.section.known_tests
    return runner.check("tests_missing", gone.total(), detail=of, findings=findings, measured=at, artefact=artefact)


def counted(cases: Iterable[TestCase]) -> Counter[str]:
    """How many cases each test has: its name is that without parameters, which may differ from run to run."""
    return Counter(case.name.partition("[")[0] for case in cases)


def read_known(path: Path) -> dict[str, int] | None:
    """The known tests, and how many cases each has; None where there is no such file. Raises CannotRun."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, int])
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise CannotRun(
            f"{path} cannot be read: {error}", remedy="`temper quality tests --record` writes it anew."
        ) from error


def write_known(path: Path, cases: Iterable[TestCase]) -> None:
    """Write down which tests there are, a line each. Raises CannotRun where the file cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            msgspec.json.format(msgspec.json.encode(dict(sorted(counted(cases).items()))), indent=1) + b"\n"
        )
    except OSError as error:
        raise CannotRun(f"{path} cannot be written: {error.strerror}", remedy="See to it, or name another.") from error


def _runner(commands: Sequence[Sequence[str]]) -> Sequence[str]:
    """The command that runs most tests: the first that tells of some."""
    return next((command for command in commands if any("{junit}" in word for word in command)), ["tests"])
