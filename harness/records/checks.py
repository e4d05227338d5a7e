"""What tools found of the sources: types, tests, coverage, vulnerabilities: what is checked without a target."""

from enum import StrEnum

from msgspec import Struct


class Check(Struct, frozen=True, kw_only=True):
    """One figure that a tool gave of the sources; or none, and why there is none."""

    metric: str
    """Its name among the metrics, as objectives have it: type_errors, tests_failed, branch_coverage, …"""
    value: float | None
    """In the unit of its metric; None where it could not be measured: never a zero in its place."""
    detail: str = ""
    """What stands behind it: "of 412 files", "n=4,033"."""
    reason: str = ""
    """Why there is no value; empty otherwise."""
    findings: tuple[str, ...] = ()
    """What was found, one line each, the worst first: where to look."""
    command: str = ""
    """What measures it again."""
    tool: str = ""
    """What measured it, with its version."""
    measured: float
    """When, in seconds since the Unix epoch; of a record that was kept, when that was taken."""
    data: float | None = None
    """Of when the data is by which the tool judged, such as a list of vulnerabilities; None where it needs none."""
    artefact: str = ""
    """The file that says more, from the directory of the run or of the project; empty where there is none."""


class Outcome(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class TestCase(Struct, frozen=True, kw_only=True):
    """One test, run once."""

    __test__ = False

    name: str
    """As its runner tells it: "tests.reports.test_gate::test_worst_wins"."""
    seconds: float
    outcome: Outcome
    message: str = ""
    """The first lines of what it failed with."""


class FileCoverage(Struct, frozen=True, kw_only=True):
    """How much of one file the tests ran."""

    path: str
    """From the directory of the project, with slashes."""
    statements: int
    covered: int
    branches: int
    covered_branches: int
    missing: tuple[tuple[int, int], ...] = ()
    """Lines that were never run, as ranges with both ends."""

    @property
    def package(self) -> str:
        """The first directory of its path."""
        return self.path.partition("/")[0]

    @property
    def share(self) -> float:
        """Lines and branches together that were run, from 0 to 1; 1 where there is nothing to run."""
        whole = self.statements + self.branches
        return (self.covered + self.covered_branches) / whole if whole else 1.0
