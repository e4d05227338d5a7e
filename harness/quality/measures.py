"""What can be measured of the sources, by name, each by itself."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from harness.errors import CannotRun, UnknownName
from harness.quality.bandit import vulnerabilities_code
from harness.quality.coverage_report import branch_coverage, given_coverage
from harness.quality.dependencies import vulnerabilities_dependencies
from harness.quality.flakes import flakes
from harness.quality.fresh import changed_since
from harness.quality.ignores import unexplained_ignores
from harness.quality.mutation import mutation_score
from harness.quality.secret_scan import secrets
from harness.quality.section import QualitySection
from harness.quality.tests import given_tests, run_tests
from harness.quality.tool import Project
from harness.quality.type_errors import type_errors
from harness.records.checks import Check

Given = Mapping[str, Sequence[Struct]]
"""Records that were read from what a run of the tests has left, by the name of the measure."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One of them."""

    metrics: tuple[str, ...]
    measure: Callable[[Project], Awaitable[Sequence[Struct]]]
    key: str
    """The key of [quality] without which there is nothing to measure."""


MEASURES = {
    "types": Measure(metrics=("type_errors",), measure=type_errors, key="types"),
    "ignores": Measure(metrics=("unexplained_ignores",), measure=unexplained_ignores, key="sources"),
    "dependencies": Measure(
        metrics=("vulnerabilities_dependencies",), measure=vulnerabilities_dependencies, key="dependencies"
    ),
    "code": Measure(metrics=("vulnerabilities_code",), measure=vulnerabilities_code, key="code"),
    "secrets": Measure(metrics=("secrets",), measure=secrets, key="secrets"),
    "flakes": Measure(metrics=("flakes",), measure=flakes, key="flakes"),
    "mutation": Measure(metrics=("mutation_score",), measure=mutation_score, key="mutation"),
    "tests": Measure(metrics=("tests_failed", "tests_run", "tests_missing"), measure=run_tests, key="tests"),
    "coverage": Measure(metrics=("branch_coverage",), measure=branch_coverage, key="coverage"),
}
"""In the order in which they are taken: what takes longest comes last, and coverage after the tests."""
GIVEN = ("tests", "coverage")


def chosen(section: QualitySection, names: Sequence[str], given: Given) -> list[str]:
    """What is to be measured: what is named, or else all that temper.toml says how to measure.

    Raises UnknownName, and CannotRun where it does not say how.
    """
    for name in names:
        if name not in MEASURES:
            raise UnknownName("measure of the sources", name, MEASURES)
        if name not in given and not getattr(section, MEASURES[name].key):
            key = MEASURES[name].key
            raise CannotRun(f"temper.toml has no quality.{key}, so {name} cannot be measured.", remedy=f"Add {key}.")
    wanted = names or [name for name, each in MEASURES.items() if name in given or getattr(section, each.key)]
    if not wanted:
        raise CannotRun("temper.toml has no [quality]: it says what is to be measured.", remedy="Add one of its keys.")
    if "coverage" in wanted and "coverage" not in given and ("tests" not in wanted or "tests" in given):
        problem = "Coverage is of the tests that were run just before."
        raise CannotRun(problem, remedy="Measure tests too, or hand their report over: --from coverage=FILE.")
    return [name for name in MEASURES if name in wanted]


async def taken(
    project: Project, wanted: Sequence[str], given: Given, notify: Callable[[str], None]
) -> AsyncIterator[Struct]:
    """Each record as soon as it is known; `notify` is told what is measured, and what came of it."""
    broken_off = ""
    for name in wanted:
        notify(f"{name}: " + ("read from what was given" if name in given else "measuring"))
        if name == "coverage" and broken_off:
            reason = f"the tests did not come to their end: {broken_off}"
            records: Sequence[Struct] = [
                Check(metric="branch_coverage", value=None, reason=reason, measured=time.time())
            ]
        elif name in given:
            records = given[name]
        else:
            records = await MEASURES[name].measure(project)
        for record in records:
            if isinstance(record, Check):
                notify(f"  {_said(record)}")
                broken_off = record.reason if record.metric == "tests_run" else broken_off
            yield record


def read_given(project: Project, name: str, files: Sequence[Path]) -> Sequence[Struct]:
    """What a run of the tests has left: JUnit XML for "tests", a report of coverage.py in JSON for "coverage".

    Raises UnknownName, and CannotRun where it cannot be read or is of other sources than these.
    """
    if name not in GIVEN:
        raise UnknownName("measure that is read from a file", name, GIVEN)
    for file in files:
        if not file.is_file():
            raise CannotRun(f"{file} is no file.", remedy=f"--from {name}=FILE names what a run of the tests has left.")
        if changed := changed_since(project, file.stat().st_mtime):
            raise CannotRun(
                f"{file} cannot be used: {changed} was changed after it was written.",
                remedy="Run the tests anew, or leave --from out.",
            )
    return given_tests(project, files) if name == "tests" else given_coverage(project, files[-1])


def _said(check: Check) -> str:
    told = f"not known, for {check.reason}" if check.value is None else f"{check.value:,g} {check.detail}"
    return f"{check.metric.replace('_', ' ')}: {told}".rstrip()
