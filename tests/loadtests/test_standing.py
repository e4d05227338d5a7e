"""A load for which `locust` itself was called is planned from what its command line says."""

import argparse
import secrets
import sys
from pathlib import Path

import pytest

from harness.records.run import Recorded, latest
from loadtests.hosted import ANY_WISH
from loadtests.standing import plan_standing

SMALL = Path(__file__).parent.parent / "small.toml"


def test_what_is_recorded_of_its_command_has_no_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run says how to do the same again, with addresses and without what opens them; the plan has both."""
    password = secrets.token_urlsafe()
    target, external = tmp_path / "temper.toml", f"postgres=postgresql://me:{password}@127.0.0.1/x"
    target.write_text(SMALL.read_text().replace('services = ["temporal"]', 'services = ["temporal", "postgres"]'))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["locust", "--external", external])
    told = argparse.Namespace(
        **{**ANY_WISH.typed, "mix": "small-echo"}, external=external, rate_cap=1.0, yes=True, seed=1
    )
    plan = plan_standing(target, "127.0.0.1:7233", told)
    assert plan.external["postgres"] == f"postgresql://me:{password}@127.0.0.1/x"
    assert Recorded(latest(Path("results"))).info.command == (
        "locust --external 'postgres=postgresql://me:…@127.0.0.1/x'"
    )
    assert not [file for file in Path("results").rglob("*") if file.is_file() and password in file.read_text()]
