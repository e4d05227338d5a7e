"""A small project with everything that `temper quality` measures, for tests: nothing is wrong in it."""

import subprocess
from pathlib import Path

import pytest

TOML = """
name = "shop"
task_queue = "shop"
services = ["temporal"]
scenarios = "nowhere:SCENARIOS"

[worker]
command = ["nobody"]

[quality]
sources = ["shop", "tests"]
types = ["{python}", "-m", "mypy", "--strict", "shop"]
tests = [["{python}", "-m", "coverage", "run", "-m", "pytest", "-q", "-p", "no:temper", "-p", "no:xdist",
          "-p", "no:asyncio", "-p", "no:randomly", "-p", "no:cacheprovider", "--junitxml={junit}", "tests"]]
coverage = [["{python}", "-m", "coverage", "json", "--quiet", "-o", "{coverage}"]]
known_tests = "evidence/tests.json"
code = ["{python}", "-m", "bandit", "--quiet", "--format", "json", "--recursive", "shop"]
secrets = ["{python}", "-m", "detect_secrets", "scan", "--no-verify"]
"""
SETTINGS = """
[tool.coverage.run]
branch = true
source = ["shop"]
"""
PRICES = '''
"""What things cost."""


def price(pieces: int, each: int) -> int:
    if pieces >= 10:
        return pieces * each * 9 // 10
    return pieces * each
'''
TESTS = """
import pytest

from shop.prices import price


@pytest.mark.parametrize("pieces", [1, 2, 3])
def test_few_cost_what_they_cost(pieces):
    assert price(pieces, 7) == 7 * pieces


def test_many_cost_less():
    assert price(10, 10) == 90


def test_none_cost_nothing():
    assert price(0, 7) == 0
"""
KNOWN = """{
 "tests.test_prices::test_few_cost_what_they_cost": 3,
 "tests.test_prices::test_many_cost_less": 1,
 "tests.test_prices::test_none_cost_nothing": 1
}
"""
FILES = {
    "temper.toml": TOML,
    "pyproject.toml": SETTINGS,
    "shop/__init__.py": "",
    "shop/prices.py": PRICES,
    "tests/test_prices.py": TESTS,
    "evidence/tests.json": KNOWN,
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's directory, which git knows; the coverage of these very tests does not reach into its tests."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    commit(tmp_path)
    for variable in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    # It knows the standard library's types by then.
    monkeypatch.setenv("MYPY_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "mypy"))
    return tmp_path


def commit(directory: Path) -> str:
    """Commit whatever is there, and tell the commit."""
    someone = ["-c", "user.name=someone", "-c", "user.email=someone@example.org"]
    for command in (["init", "--quiet"], ["add", "--all"], [*someone, "commit", "--quiet", "--message", "as it is"]):
        subprocess.run(["git", *command], cwd=directory, check=True)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=directory, check=True, capture_output=True, text=True
    ).stdout.strip()
