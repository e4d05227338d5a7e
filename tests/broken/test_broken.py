"""Targets with one planted bug each: the invariants find it.

That they find nothing without it is seen in tests/scenarios/test_on_servers.py.
"""

from pathlib import Path

import msgspec
import pytest
from system_bed import system_bed

from harness.records.verdicts import Judgement, Verdict
from harness.stack import Stack
from harness.target import Target

SYSTEM = Path(__file__).parent.parent.parent / "temper.toml"
TORN = Path(__file__).parent / "torn" / "temper.toml"


async def judged(path: Path, stack: Stack, template: str, results: Path) -> dict[str, Judgement]:
    """What is said of one iteration of the smallest scenario on this target."""
    async with system_bed(path, stack, template, results) as bed, bed.workers(1):
        await bed.prepare()
        await bed.once(bed.target.scenario("pipeline-few"))
        return {judgement.invariant: judgement for judgement in await bed.conclude()}


@pytest.mark.parametrize("broken", [TORN], ids=lambda path: path.parent.name)
def test_a_broken_target_differs_in_its_worker_alone(broken: Path) -> None:
    """What is found in it is the doing of its worker: all else is as temper.toml says."""
    system, other = Target.read(SYSTEM).file, Target.read(broken).file
    worker = msgspec.structs.replace(other.worker, command=system.worker.command)
    assert other.worker != system.worker
    assert msgspec.structs.replace(other, worker=worker) == system


async def test_a_ledger_row_in_a_transaction_of_its_own_is_found(stack: Stack, migrated: str, tmp_path: Path) -> None:
    """Every chunk whose effect was committed apart from its rows is torn, and nothing else is wrong."""
    found = await judged(TORN, stack, migrated, tmp_path)
    torn = found.pop("effects are atomic")
    assert torn.verdict is Verdict.INVALID
    assert {finding.problem for finding in torn.findings} == {"torn"}
    named = {finding.workflow_id or "" for finding in torn.findings}
    assert {name.partition(".")[2] for name in named} == {
        "pipeline-few.0.main",
        "pipeline-reference.0.airlines",
        "pipeline-reference.0.airports",
        "pipeline-reference.0.planes",
    }
    assert all(judgement.verdict is Verdict.VALID for judgement in found.values()), found
