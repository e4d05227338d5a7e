"""An order in doubt: its providers are asked, ever more seldom, until they know what became of every call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import FailureError, is_cancelled_exception

from system.control.pausable import Pausable

with workflow.unsafe.imports_passed_through():
    from system import heartbeats
    from system.orders import rules
    from system.orders.activities import OrderActivities
    from system.orders.models import DOUBT, InDoubt, Settled

ATTEMPT = timedelta(seconds=30)
RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), backoff_coefficient=2, maximum_interval=timedelta(hours=1))
ASKED_A_RUN = 30
"""After so many questions, some weeks of them, the history is cut off by continue-as-new."""


@workflow.defn(name=DOUBT)
class Doubt(Pausable):
    """Runs for the dead letter of an order that ended in doubt, and settles it by its own end."""

    @workflow.run
    async def run(self, doubt: InDoubt) -> Settled:
        """Ask until the providers know of every call; whatever stood that must not was taken back then.

        Cancelled, it takes the word of whoever cancelled it that nothing will come: the order is in doubt no more.
        """
        try:
            return await self._until_known(doubt)
        except (asyncio.CancelledError, FailureError) as error:
            if is_cancelled_exception(error):
                await _execute(OrderActivities.believe, doubt)
            raise

    async def _until_known(self, doubt: InDoubt) -> Settled:
        pause = doubt.pause_seconds
        for _ in range(ASKED_A_RUN):
            await self.checkpoint()
            settled = await _execute(OrderActivities.ask_again, doubt)
            if not settled.in_doubt:
                return settled
            await workflow.sleep(pause)
            pause = rules.longer_pause(pause)
        await self.ready_to_continue()
        return workflow.continue_as_new(doubt.model_copy(update={"pause_seconds": pause}))


async def _execute(
    activity: Callable[[OrderActivities, InDoubt], Coroutine[Any, Any, Settled]], doubt: InDoubt
) -> Settled:
    return await workflow.execute_activity_method(
        activity,
        doubt,
        start_to_close_timeout=ATTEMPT,
        heartbeat_timeout=heartbeats.TIMEOUT,
        retry_policy=RETRY,
    )
