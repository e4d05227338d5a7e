"""Makes something of the dead letter of an order that ended in doubt: its providers are asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from system.dead_letters.models import Letter
from system.dead_letters.redrive import Inputs, Nothing, Redriver, Restart
from system.orders import store
from system.orders.models import DOUBT, InDoubt, OrderRequest, Policy

if TYPE_CHECKING:
    from system.storage.pool import Pool


def asking_again(database: Pool, task_queue: str) -> Redriver:
    """Return what has the providers of a closed order asked until they know of every call.

    An order that is not closed yet is left alone: it would be closed as one in doubt after the doubt was gone. One that
    Temporal has forgotten is asked about all the same, at the pace of an order that names none.
    """

    async def restart(letter: Letter, inputs: Inputs) -> Restart | Nothing:
        async with database.acquire() as connection:
            in_doubt = await store.is_in_doubt(connection, letter.workflow_id)
        if in_doubt is None:
            return Nothing(
                reason="the order is not closed: wait until it is, or redrive the letter of its workflow", settled=False
            )
        if not in_doubt:
            return Nothing(reason="the order is in doubt no more", settled=True)
        order = await inputs.of_workflow(OrderRequest)
        policy = Policy() if order is None else order.policy
        doubt = InDoubt(order_id=letter.workflow_id, pause_seconds=policy.settle_seconds)
        return Restart(DOUBT, doubt, task_queue)

    return restart
