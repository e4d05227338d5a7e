"""`system` under faults within its worker and around it: an order comes to its end, once, and every fault was met."""

from pathlib import Path

import pytest
from running_system import ROOT
from system_bed import system_bed

from chaos.faults.own import OwnPlan
from chaos.faults.points import PointPlan
from harness.records.verdicts import Verdict
from harness.stack import Stack
from system.orders.models import AUTHORISE_PAYMENT


@pytest.mark.timeout(240)
async def test_an_order_whose_payment_is_committed_unheard_and_whose_provider_fails(
    stack: Stack, migrated: str, tmp_path: Path
) -> None:
    """As temper.toml has it: its worker looks for fault points where it is asked to, and its own faults are known."""
    plans = (
        PointPlan(activity=AUTHORISE_PAYMENT, act="after_commit", at=1, duration=1),
        OwnPlan(name="outside.failing", parameters={"times": 1, "actions": ["capture"]}, at=1, duration=1),
    )
    async with system_bed(ROOT / "temper.toml", stack, migrated, tmp_path) as bed:
        for plan in plans:
            await plan.prepare(bed, 1)
        async with bed.workers(1):
            order = bed.target.scenario("orders-place")
            order.warm_up()
            faults = [plan.fault(bed) for plan in plans]
            for fault in faults:
                await fault.inject()
                assert (await fault.bite()).in_force
            await bed.once(order)
            for fault in faults:
                await fault.heal()
                assert await fault.met(), fault.name
        judgements = await bed.conclude()
    assert [each for each in judgements if each.verdict is not Verdict.VALID] == []
