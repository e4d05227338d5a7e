"""A stocktake: somebody has counted what is on hand of a sku."""

from __future__ import annotations

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from system.control.pausable import Pausable

with workflow.unsafe.imports_passed_through():
    from system import heartbeats
    from system.orders.activities import OrderActivities
    from system.orders.models import STOCKTAKE, Counted, StockCount

RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=5)
)


@workflow.defn(name=STOCKTAKE)
class Stocktake(Pausable):
    """Sets what is on hand of one sku, once, however often it is asked to under its id."""

    @workflow.run
    async def run(self, count: StockCount) -> Counted:
        """Write the count down."""
        await self.checkpoint()
        return await workflow.execute_activity_method(
            OrderActivities.set_stock,
            count,
            start_to_close_timeout=timedelta(seconds=30),
            heartbeat_timeout=heartbeats.TIMEOUT,
            schedule_to_close_timeout=timedelta(minutes=10),
            retry_policy=RETRY,
        )
