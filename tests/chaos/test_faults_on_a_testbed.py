"""Faults of links and workers are made for what a testbed has, and leave it able to end."""

from pathlib import Path

import pytest
from small_target import small_target, standing

from chaos.faults.links import LinkDownPlan
from chaos.faults.toxics import LatencyPlan
from chaos.faults.workers import RollingRestartPlan, WorkerDrainedPlan, WorkerKilledPlan, WorkerPausedPlan
from harness.errors import UnknownName
from harness.records.operations import Ack, Operation
from harness.records.run import Recorded
from harness.stack import Stack


async def test_faults_are_made_for_a_testbed(stack: Stack, tmp_path: Path) -> None:
    """All links of the workers are one fault; a dead worker's work is done by the other, and the testbed ends well."""
    target = small_target()
    async with standing(target, stack, tmp_path, links=True) as bed:
        async with bed.workers(2, linked=True) as workers:
            slow = LatencyPlan(owner="workers", service="temporal", latency=0.05, duration=1).fault(bed)
            await slow.inject()
            bite = await slow.bite()
            assert (slow.on, slow.slows, bite.in_force) == ("workers.temporal", 0.05, True), bite
            assert "worker-1.temporal: the proxy shows latency" in bite.evidence
            assert "worker-2.temporal: the proxy shows latency" in bite.evidence
            await slow.heal()

            drained = WorkerDrainedPlan(worker="workers", duration=1).fault(bed)
            assert (drained.name, drained.on) == ("worker_drained", "workers")
            assert RollingRestartPlan(duration=1).fault(bed).workers == tuple(workers)
            with pytest.raises(UnknownName, match=r"no worker 'worker-3'[\s\S]*worker-1, worker-2"):
                WorkerPausedPlan(worker="worker-3", duration=1).fault(bed)
            with pytest.raises(UnknownName, match=r"no link 'worker-1\.redis'"):
                LinkDownPlan(owner="workers", service="redis", duration=1).fault(bed)

            killed = WorkerKilledPlan(worker="worker-1", restart=False, duration=1).fault(bed)
            await killed.inject()
            assert "it has no health URL" in (await killed.bite()).evidence
            await killed.heal()
            await bed.once(target.scenario("small-echo"))
        assert not workers[0].alive
    operations = list(Recorded(bed.run.directory).read(Operation))
    assert operations
    assert all(operation.ack is Ack.OK for operation in operations)
