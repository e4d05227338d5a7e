"""What tools found of the sources: coverage by package, the tests, and each check with where to look."""

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from harness.checking.objectives import shown
from harness.records.checks import Check, FileCoverage, Outcome, TestCase
from harness.records.run import Recorded
from reports.metrics import UNITS

LEAST_COVERED = 10
SLOWEST = 10
MOST_RANGES = 12
"""Ranges of lines that were never run, of one file, before the rest is counted."""


class PackageCoverage(Struct, frozen=True, kw_only=True):
    """One package, all of its files together."""

    name: str
    files: int
    statements: int
    branches: int
    share: float
    """Lines and branches together that were run, from 0 to 1."""


class LeastCovered(Struct, frozen=True, kw_only=True):
    """A file of which much was never run, and where."""

    path: str
    share: float
    missed: int
    """Lines and branches that were never run."""
    where: str


class ToldTests(Struct, frozen=True, kw_only=True):
    """How the tests ended."""

    passed: int
    failed: Sequence[TestCase]
    skipped: int
    seconds: float
    """Of all of them together; side by side they take less."""
    slowest: Sequence[TestCase]
    repeated: bool
    """Whether it is known which are flaky."""
    flaky: Sequence[str]
    """Those that failed in some repetitions."""


class ToldCheck(Struct, frozen=True, kw_only=True):
    """One check, as the table shows it."""

    check: Check
    words: str
    figure: str
    """Empty where it could not be measured."""


class QualitySection(Struct, frozen=True, kw_only=True):
    """The section of the report."""

    packages: Sequence[PackageCoverage]
    least_covered: Sequence[LeastCovered]
    tests: ToldTests | None
    checks: Sequence[ToldCheck]


def quality_section(recorded: Recorded) -> QualitySection | None:
    """What was found of the sources; None of a run that looked at none."""
    checks, cases = recorded.read(Check), recorded.read(TestCase)
    files = recorded.read(FileCoverage)
    if not (checks or cases or files):
        return None
    return QualitySection(
        packages=packages(files), least_covered=least_covered(files), tests=_tests(cases, checks), checks=_told(checks)
    )


def packages(files: Sequence[FileCoverage]) -> list[PackageCoverage]:
    """Each package, the least covered first."""
    grouped: dict[str, list[FileCoverage]] = defaultdict(list)
    for file in files:
        grouped[file.package].append(file)
    return sorted((_package(name, members) for name, members in grouped.items()), key=lambda package: package.share)


def least_covered(files: Sequence[FileCoverage]) -> list[LeastCovered]:
    """The files with most that was never run: a small file may be covered least, and matter least."""
    missed = [(_missed(file), file) for file in files]
    worst = sorted((each for each in missed if each[0]), key=lambda each: (-each[0], each[1].path))[:LEAST_COVERED]
    return [
        LeastCovered(path=file.path, share=file.share, missed=count, where=ranges(file.missing))
        for count, file in worst
    ]


def ranges(missing: Sequence[tuple[int, int]]) -> str:
    """Ranges of lines as a person reads them: "3, 17-20 and 4 more"."""
    told = [f"{first}" if first == last else f"{first}-{last}" for first, last in missing[:MOST_RANGES]]
    rest = len(missing) - len(told)
    return ", ".join(told) + (f" and {rest} more" if rest else "")


def _package(name: str, files: Sequence[FileCoverage]) -> PackageCoverage:
    statements, branches = sum(file.statements for file in files), sum(file.branches for file in files)
    whole = statements + branches
    return PackageCoverage(
        name=name,
        files=len(files),
        statements=statements,
        branches=branches,
        share=1 - sum(map(_missed, files)) / whole if whole else 1.0,
    )


def _missed(file: FileCoverage) -> int:
    return file.statements + file.branches - file.covered - file.covered_branches


def _tests(cases: Sequence[TestCase], checks: Sequence[Check]) -> ToldTests | None:
    if not cases:
        return None
    flakes = next((check for check in checks if check.metric == "flakes"), None)
    ran = [case for case in cases if case.outcome is not Outcome.SKIPPED]
    failed = [case for case in ran if case.outcome is Outcome.FAILED]
    return ToldTests(
        passed=len(ran) - len(failed),
        failed=failed,
        skipped=len(cases) - len(ran),
        seconds=sum(case.seconds for case in ran),
        slowest=sorted(ran, key=lambda case: -case.seconds)[:SLOWEST],
        repeated=flakes is not None and flakes.value is not None,
        flaky=flakes.findings if flakes else (),
    )


def _told(checks: Sequence[Check]) -> list[ToldCheck]:
    return [
        ToldCheck(
            check=check,
            words=check.metric.replace("_", " "),
            figure="" if check.value is None else shown(check.value, UNITS.get(check.metric, "")),
        )
        for check in checks
    ]
