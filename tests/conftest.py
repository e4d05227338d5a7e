"""Real servers for every test: one stack for the session, a database of its own for each test."""

import gc
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from harness.links import Links
from harness.services.postgres import create_database, drop_database
from harness.services.process import Process
from harness.stack import Stack
from harness.target import Target
from scenarios.outside.client import Outside

ROOT = Path(__file__).parent.parent
# Each process of the suite has servers of its own: one that thinks it has all cores spends a quarter of its time on
# looking for work on them.
os.environ.setdefault("GOMAXPROCS", "1")

pytest_plugins = ["pytester", "system_fixtures", "commands", "small_project"]

# How long an example takes says how busy the machine is.
settings.register_profile("tests", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


# Finalisers warn, a warning imports modules, and within an import of the workflow sandbox's that is one import too many
# for Python 3.11 (a KeyError in importlib). So garbage is collected between modules of tests, and never within one.
gc.disable()


LONGEST = (
    "broken/test_bugs.py",
    "harness/test_faultpoints.py",
    "test_temper.py",
    "harness/plugin/test_environments.py",
    "test_docs.py",
    "system/control/test_bulk.py",
    "system/orders/test_order.py",
    "system/tasks/test_batch_control.py",
    "harness/replay/test_seeds.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest: begun last, one would have the other processes wait for its own."""
    tests = ROOT / "tests"
    longest = {tests / name for name in LONGEST}
    items.sort(key=lambda item: item.path not in longest)


def pytest_collection_finish() -> None:
    """What is there before the first test stays, and need not be looked at again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def garbage() -> Iterator[None]:
    """Collected when a module's tests are over."""
    yield
    gc.collect()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--provider``."""
    parser.addoption("--provider", default="embedded", help="where the servers come from: embedded, or container")


@pytest.fixture(scope="session")
def provider(request: pytest.FixtureRequest) -> str:
    """Where the servers come from that tests run on."""
    chosen: str = request.config.getoption("--provider")
    return chosen


@pytest.fixture(scope="session")
async def stack(provider: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Temporal, PostgreSQL, Redis and Toxiproxy, for the whole session."""
    names, logs = ["temporal", "postgres", "redis", "toxiproxy"], tmp_path_factory.mktemp("logs")
    async with Stack.of(names, provider=provider, log_directory=logs) as started:
        yield started


@pytest.fixture(scope="session")
def temporal_address(stack: Stack) -> str:
    """host:port of the Temporal server."""
    return stack.addresses["temporal.address"]


@pytest.fixture(scope="session")
def temporal_dev_server(temporal_address: str) -> str:
    """The plugin's tests of ours share the session's server too."""
    return temporal_address


@pytest.fixture
async def links(stack: Stack) -> AsyncIterator[Links]:
    """Links that this test may break."""
    made = Links(stack["toxiproxy"], stack.services)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def redis_url(stack: Stack) -> str:
    """URL of the Redis server."""
    return stack["redis"].url


@pytest.fixture(scope="session")
async def outside(target: Target, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Outside]:
    """The outside world, as temper.toml has it run; tests share it, so each tells it apart by references of its own."""
    spec = {"outside": target.processes["outside"]}
    async with Stack.of([], processes=spec, log_directory=tmp_path_factory.mktemp("outside")) as started:
        yield Outside(started["outside"].url)


@pytest.fixture(scope="session")
async def migrated(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a database that the system's own migration has brought up to date; each test gets a copy."""
    url = await create_database(stack["postgres"].url, "migrated")
    migrate = Process(
        "migrate",
        [sys.executable, "-m", "system", "migrate"],
        log_path=tmp_path_factory.mktemp("migrate") / "log",
        env={"DATABASE_URL": url, "TEMPORAL_ADDRESS": stack.addresses["temporal.address"]},
        cwd=ROOT,
    )
    migrate.start()
    try:
        assert await migrate.wait() == 0, migrate.last_lines()
    finally:
        await migrate.kill()
    return "migrated"


@pytest.fixture
async def postgres_url(stack: Stack, migrated: str) -> AsyncIterator[str]:
    """URL of a migrated, empty database that is this test's alone."""
    name = f"test_{secrets.token_hex(6)}"
    yield await create_database(stack["postgres"].url, name, template=migrated)
    await drop_database(stack["postgres"].url, name)


@pytest.fixture
def work_directory(tmp_path: Path) -> Path:
    """Where workers of this test put decoded files."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def target() -> Target:
    """The system, as temper.toml describes it."""
    return Target.read(ROOT / "temper.toml")


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """A shell that runs the tests in the background has them, and all they start, ignore Ctrl-C; not these."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
