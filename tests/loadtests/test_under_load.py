"""A scenario is put under load on a testbed, and what was driven is judged like anything else."""

from pathlib import Path

import pytest
from small_target import small_target, standing

from harness.clock import now
from harness.records.operations import Ack, Kind, Operation
from harness.records.run import Recorded
from harness.records.verdicts import Verdict
from harness.stack import Stack
from loadtests.arrivals import parse
from loadtests.engine import Progress
from loadtests.run import under_load


async def test_a_load_is_driven_recorded_and_judged(stack: Stack, tmp_path: Path) -> None:
    """Every planned iteration is driven on time and judged; the run notes its rate, and numbers go on from before."""
    target = small_target()
    echo = target.scenario("small-echo")
    seen: list[Progress] = []
    async with standing(target, stack, tmp_path) as bed, bed.workers(1):
        await bed.once(echo)
        begin = now() + 0.3
        await under_load(bed, echo, parse("constant", 20, 0.5), begin=begin, on_progress=seen.append)
        judgements = await bed.conclude()
    assert [each.index for each in bed.iterations] == list(range(11))
    assert [each.intended - begin for each in bed.iterations[1:]] == pytest.approx(
        [each / 20 for each in range(10)], abs=0.001
    )
    recorded = Recorded(bed.run.directory)
    assert recorded.info.load == {"small-echo": (20, 0.5)}
    starts = [op for op in recorded.read(Operation) if op.kind is Kind.START]
    assert len(starts) == 11
    assert all(op.ack is Ack.OK for op in starts)
    assert (seen[-1].planned, seen[-1].started, seen[-1].ended, seen[-1].shed) == (10, 10, 10, 0)
    by_name = {judgement.invariant: judgement for judgement in judgements}
    assert by_name["small-echo: its own check"].checked == 11
    assert by_name["every workflow closed"].verdict is Verdict.VALID
    assert by_name["operations answered"].verdict is Verdict.VALID
