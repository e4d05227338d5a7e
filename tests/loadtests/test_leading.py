"""Locust's master begins a load with the processes that can drive it, and ends where none can."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.records.run import Run
from loadtests.hosted import Plan, Wish

TESTS = Path(__file__).parent.parent
NONE_READY = "No process was ready within 0.5 s."


@pytest.mark.parametrize(
    ("ready", "told", "says"),
    [
        (["a"], ["shares ['a']", "a was told ['temper-share']", "b was told ['quit']", "to exit with None"], ""),
        ([], ["shares []", "a was told ['quit']", "b was told ['quit']", "to exit with 2"], NONE_READY),
    ],
    ids=["one", "none"],
)
def test_who_is_not_ready_has_no_share(tmp_path: Path, ready: list[str], told: list[str], says: str) -> None:
    """It is sent away, and the others drive all of the load; where there are none, Locust ends and says so."""
    run = Run.create(tmp_path, kind="load", title="t", target="small", seed=7, command="pytest")
    plan = Plan(
        run=run.info.id, directory=str(run.directory), seed=7, target=str(TESTS / "small.toml"), task_queue="q",
        addresses={}, workspace="/", wish=Wish(mix=["small-echo"], rate=10, duration=2),
    )  # fmt: skip
    run.close()
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("led.py")), *ready],
        env=plan.environment, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert ended.stdout.splitlines() == told, ended.stderr
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 0
