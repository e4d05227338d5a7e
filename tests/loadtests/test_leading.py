"""Locust's master begins a load with the processes that can drive it, and ends where none can."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.records.run import Recorded, Run
from loadtests.hosted import Plan, Wish

TESTS = Path(__file__).parent.parent
OPTIONS = ["--rate", "20", "--warm-up", "0.5", "--tenants", "gold=3,free", "--in-flight", "7", "--lag-budget", "40"]
NONE_READY = "No process was ready within 0.5 s."


@pytest.mark.parametrize(
    ("ready", "told", "says"),
    [
        ("a", ["shares ['a']", "a was told ['temper-share']", "b was told ['quit']", "to exit with None"], ""),
        ("", ["shares []", "a was told ['quit']", "b was told ['quit']", "to exit with 2"], NONE_READY),
    ],
    ids=["one", "none"],
)
def test_who_is_not_ready_has_no_share(tmp_path: Path, ready: str, told: list[str], says: str) -> None:
    """It is sent away, and the others drive all of the load; where there are none, Locust ends and says so.

    The load is what was planned, with what Locust's command line or form has changed of it.
    """
    run = Run.create(tmp_path, kind="load", title="t", target="small", seed=7, command="pytest")
    plan = Plan(
        run=run.info.id, directory=str(run.directory), seed=7, target=str(TESTS / "small.toml"), task_queue="q",
        addresses={}, workspace="/", wish=Wish(mix=["small-echo"], rate=10, duration=2),
    )  # fmt: skip
    run.close()
    ended = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("led.py")), ready, *OPTIONS],
        env=plan.environment, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert ended.stdout.splitlines() == told, ended.stderr
    assert says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 0
    hosted = Recorded(run.directory).hosted()
    assert (hosted is not None) == bool(ready)
    if hosted is not None:
        load = hosted.load
        assert (load.rate, load.warm_up, load.tenants, load.lag_budget) == (20, 0.5, {"gold": 0.75, "free": 0.25}, 0.04)
