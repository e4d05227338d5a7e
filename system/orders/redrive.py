"""Makes something of the dead letter of an order that ended in doubt: its providers are asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from system.dead_letters.models import Letter
from system.dead_letters.redrive import Inputs, Redriver, Restart
from system.orders import store
from system.orders.models import DOUBT, InDoubt, OrderRequest

if TYPE_CHECKING:
    from system.storage.pool import Pool


def asking_again(database: Pool) -> Redriver:
    """Return what has the providers of a closed order asked until they know of every call.

    An order that is not closed yet is left alone: it would be closed as one in doubt after the doubt was gone.
    """

    async def restart(letter: Letter, inputs: Inputs) -> Restart | None:
        order = await inputs.of_workflow(OrderRequest)
        async with database.acquire() as connection:
            closed = await store.is_closed(connection, letter.workflow_id)
        if order is None or not closed:
            return None
        doubt = InDoubt(order_id=letter.workflow_id, pause_seconds=order.policy.settle_seconds)
        return Restart(DOUBT, doubt)

    return restart
