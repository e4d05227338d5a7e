"""Golden histories, replayed with the code as it is now."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from bench import Bench, Found
from broken_target import derived
from running_system import ROOT

from harness.replay import golden
from harness.replay.seeds import check, seed_dependent
from harness.replay.told import told

HISTORIES = ROOT / "tests" / "data" / "histories"
CHECK = "golden histories"


async def replayed_orders(bench: Bench) -> Found:
    """Every way in which an order went, as `temper replay check` does it with one hash seed."""
    replayer = bench.bed.target.replayer()
    problems = []
    for _, history in golden.read(HISTORIES / "orders.Order"):
        problems += ["\n".join(lines) for lines in [list(told(await replayer.replay(history)))] if lines]
    return Found.by(CHECK, problems)


async def a_batch_under_several_seeds(bench: Bench) -> Found:
    """A batch, as `temper replay check` does it: in processes of their own, each with another hash seed."""
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(Path(__file__).parent))
        target, folder = Path(directory, "temper.toml"), Path(directory, "histories")
        target.write_text(derived(bench.planted), encoding="utf-8")
        folder.mkdir()
        shutil.copy(HISTORIES / "tasks.Batch" / "completed-activity-02dc56.json", folder / "completed-activity.json")
        outcomes = [outcome async for outcome in check(target, folder, (0, 1))]
    return Found.by(CHECK, seed_dependent(outcomes) + [line for outcome in outcomes for line in outcome.differs])
