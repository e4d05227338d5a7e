"""`nox -s gates` puts all that was measured to the gate, and can come to a yes."""

import json
from pathlib import Path
from typing import Any

import pytest
from nox.command import CommandFailed

import noxfile


class Ended(Exception):
    """The session said what is wrong."""


class Stage:
    """Stands in for a session of nox, whose commands take hours: notes each, and fails some; a lane lists one run."""

    def __init__(self, directory: Path, failing: str) -> None:
        self.posargs: list[str] = []
        self.ran: list[str] = []
        self._directory = directory
        self._failing = failing

    def run(self, *words: str, env: dict[str, str], **_: Any) -> None:
        said = " ".join(words[2:])
        self.ran.append(said)
        if listed := env.get("TEMPER_RUNS"):
            with Path(listed).open("a") as file:
                file.write(f"{said.split()[1]}-run\n")
        if self._failing and said.startswith(self._failing):
            raise CommandFailed

    def create_tmp(self) -> str:
        return str(self._directory)

    def log(self, message: str) -> None:
        """Nobody listens."""

    warn = log

    def error(self, message: str) -> None:
        raise Ended(message)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In which it is run, with two soaks in results, of which the newer one was cut off."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(noxfile, "end_with_parent", lambda: None)
    for name, ended in (("soak-1", 2.0), ("soak-2", 3.0), ("soak-3", None), ("load-9", 9.0)):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "run.json").write_text(json.dumps({"ended": ended}))
    return tmp_path


def ran(directory: Path, failing: str, *lanes: str) -> list[str]:
    """What the session ran; it is to have failed where a command did."""
    stage: Any = Stage(directory, failing)
    stage.posargs = [*lanes]
    if failing:
        with pytest.raises((CommandFailed, Ended)):
            noxfile.gates(stage)
    else:
        noxfile.gates(stage)
    found: list[str] = stage.ran
    return found


def test_a_soak_that_was_made_before_is_put_to_the_gate(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No lane has the hours that one takes, and without it the gate never says yes. The newest whole one counts."""
    monkeypatch.setattr(noxfile, "check_floors", lambda _: None)
    gate = ran(directory, "")[-1]
    runs = f"quality-run load-run demo-run chaos-run {directory}/results/soak-2"
    assert gate == f"temper gate --complete --html results/gates.html {runs}"
    assert ran(directory, "", "demo")[-1] == "temper gate --html results/gates.html demo-run"


def test_the_floors_are_looked_at_before_the_gate(directory: Path) -> None:
    """And it is asked whatever they are; where too little was run, the session fails all the same."""
    looked = "coverage report --format=total --include=system/* --fail-under=95"
    assert ran(directory, "coverage report", "quality")[-2:] == [
        looked,
        "temper gate --html results/gates.html quality-run",
    ]
