"""Keeps what runs showed: of a demo docs/evidence/demo.json, and of all that was measured docs/evidence/gate.json."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from evidence import ROOT, write

from harness.records.effects import Fact
from harness.records.run import Recorded
from harness.records.verdicts import Judgement, Verdict
from reports.metrics import metrics

DEMO = ROOT / "docs" / "evidence" / "demo.json"
GATE = ROOT / "docs" / "evidence" / "gate.json"
JOB = "pipeline-whole"
"""The scenario that loads all there is."""


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """What the stores held of the whole file."""

    expected: int
    found: int
    loaded: int
    rejected: int


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the demo."""

    command: str = "make demo"
    date: str
    commit: str
    machine: str
    run: str
    seconds: float
    """From the first server to the verdict."""
    invariants: int
    valid: int
    """How many of them hold."""
    rows: Rows
    metrics: dict[str, float]
    """In the units of reports/metrics.py."""


def demo_of(directory: Path) -> Demo:
    """What a run of the demo showed. Raises NotARun; and ValueError where it is another run, or was cut off."""
    recorded = Recorded(directory)
    info, fingerprint = recorded.info, recorded.fingerprint()
    if info.kind != "demo" or info.ended is None or fingerprint is None:
        message = f"{directory} is no run of the demo that came to its end"
        raise ValueError(message)
    facts = [fact for fact in recorded.read(Fact) if fact.scenario == JOB]
    judgements = recorded.read(Judgement)
    return Demo(
        date=f"{datetime.fromtimestamp(info.started, tz=UTC):%Y-%m-%d}",
        commit=fingerprint.commit,
        machine=f"{fingerprint.cores} cores, Python {fingerprint.python}, {fingerprint.system} {fingerprint.machine}",
        run=info.id,
        seconds=round(info.ended - info.started, 1),
        invariants=len(judgements),
        valid=sum(judgement.verdict is Verdict.VALID for judgement in judgements),
        rows=Rows(
            expected=sum(fact.expected for fact in facts),
            found=sum(fact.found for fact in facts),
            loaded=sum(fact.values.get("loaded", 0) for fact in facts),
            rejected=sum(fact.values.get("rejected", 0) for fact in facts),
        ),
        metrics={name: round(metric.value, 3) for name, metric in metrics(recorded).items()},
    )


def gate_of(directories: Sequence[Path]) -> bytes:
    """What the gate says of runs, as JSON: as `nox -s gates` asks it. Raises ValueError where it says nothing."""
    runs = [str(each.resolve()) for each in directories]
    command = [sys.executable, "-m", "temper", "gate", "--json", "--complete", *runs]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    try:
        msgspec.json.decode(done.stdout)
    except msgspec.DecodeError as error:
        raise ValueError(f"the gate said nothing:\n{done.stderr.decode().strip()}") from error
    return done.stdout


def keep(directories: Sequence[Path]) -> None:
    """Keep what these runs showed: each demo, and the gate over all of them if what tools find of the sources is there.

    Raises NotARun; and ValueError where there is nothing to be kept.
    """
    kinds = {directory: Recorded(directory).info.kind for directory in directories}
    if not {"demo", "quality"} & {*kinds.values()}:
        message = "There is neither a demo nor a run of kind quality among these runs: nothing of them is kept."
        raise ValueError(message)
    for directory in (directory for directory, kind in kinds.items() if kind == "demo"):
        write(DEMO, demo_of(directory))
    if "quality" in kinds.values():
        GATE.write_bytes(gate_of(directories))
