"""How the harness reaches `system`: its client, its ledger, and what the outside world counted of its calls."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
from temporalio.client import Client

from harness.records.calls import Call
from harness.records.effects import Effect, EffectKind, Source
from harness.scenario import Stores
from scenarios.outside.client import Outside
from scenarios.outside.wire import Action
from system import connection
from system.orders.models import ARRANGE_SHIPMENT, AUTHORISE_PAYMENT, CAPTURE_PAYMENT
from system.plugin import SystemPlugin
from system.settings import Settings
from system.storage.effects import ledger

CALLERS = {
    Action.AUTHORIZE: AUTHORISE_PAYMENT,
    Action.CAPTURE: CAPTURE_PAYMENT,
    Action.SHIP: ARRANGE_SHIPMENT,
}
"""The activity that makes such calls; what is taken back at a provider, several activities may call for."""


async def connect(environment: Mapping[str, str]) -> Client:
    """The system's own client, as its workers have it."""
    return await connection.connect(Settings.from_environment(environment))


def replay() -> Mapping[str, Any]:
    """The system's workflows, as its workers have them; payloads that travelled by reference cannot be replayed."""
    return {"plugins": [SystemPlugin()]}


async def effects(stores: Stores, prefix: str) -> Sequence[Effect]:
    """Every effect in the ledger of the workflows whose ids begin with `prefix`."""
    assert isinstance(stores.postgres, asyncpg.Pool)
    async with stores.postgres.acquire() as connection:
        recorded = await ledger(connection, prefix)
    return [
        Effect(
            workflow_id=effect.workflow_id,
            step=effect.step,
            item=effect.item,
            kind=EffectKind(effect.kind),
            run_id=effect.run_id,
            attempt=effect.attempt,
            transaction=effect.transaction,
            committed_at=effect.committed_at.timestamp(),
            source=Source.LEDGER,
        )
        for effect in recorded
    ]


async def calls(stores: Stores, prefix: str) -> Sequence[Call]:
    """What the providers counted of the orders' steps whose workflow ids begin with `prefix`."""
    counts = await Outside(stores.addresses["outside.url"]).counts(prefix)
    return [
        Call(
            workflow_id=count.reference,
            activity=CALLERS[count.action],
            key=count.key,
            calls=count.calls,
            effects=count.effects,
        )
        for count in counts
        if count.action in CALLERS
    ]
