"""The bugs in what activities do, each a small override of one function of `system`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, TypeVar

from temporalio import activity

from system.orders import activities as order_activities
from system.orders import outbox, rules
from system.orders.models import Step
from system.orders.providers import Provider, Reply
from system.errors import ProviderUnanswered
from system.records import Record
from system.storage import claims
from system.storage.effects import Effect
from system.storage.pool import Connection, Pool

Patch = Callable[[object, str, Any], None]
"""setattr; or pytest's, which puts back what was there."""
ResultT = TypeVar("ResultT", bound=Record)

TRIES = 3


def drop_a_compensation(patch: Patch) -> None:
    """A captured payment is never refunded."""
    compensations = rules.compensations

    def but_one(begun: Collection[Step], *, earlier: bool) -> list[Step]:
        return [step for step in compensations(begun, earlier=earlier) if step != "capture_payment"]

    patch(rules, "compensations", but_one)


def forget_the_idempotency_key(patch: Patch) -> None:
    """Providers are called without a key, so that each call has its effect."""

    async def without_key(self: Provider, path: str, body: Mapping[str, Any], *, key: str, seconds: float) -> Reply:  # noqa: ARG001
        return await self._call("POST", path, seconds, json=body)

    patch(Provider, "post", without_key)


def put_the_attempt_into_the_key(patch: Patch) -> None:
    """Each attempt calls its provider under a key of its own."""
    key = outbox._idempotency_key

    def with_attempt(effect: Effect, refusals: int) -> str:
        return f"{key(effect, refusals)}/{activity.info().attempt}"

    patch(outbox, "_idempotency_key", with_attempt)


def undo_without_fencing(patch: Patch) -> None:
    """Where a step has no effect yet, its compensation leaves no tombstone."""

    async def without_tombstone(
        database: Pool,
        effect: Effect,
        result_type: type[ResultT],
        take_back: Callable[[Connection, ResultT], Awaitable[None]],
    ) -> bool:
        query = "SELECT EXISTS (SELECT FROM claims WHERE workflow_id = $1 AND step = $2 AND item = $3)"
        if not await database.fetchval(query, effect.workflow_id, effect.step, effect.item):
            return False
        return await claims.undo(database, effect, result_type, take_back)

    patch(order_activities, "undo", without_tombstone)


def retry_inside_the_retry(patch: Patch) -> None:
    """A call to a provider is tried three times within each attempt."""
    post = Provider.post

    async def three_times(self: Provider, *args: Any, **options: Any) -> Reply:
        for _ in range(TRIES - 1):
            try:
                return await post(self, *args, **options)
            except ProviderUnanswered:
                continue
        return await post(self, *args, **options)

    patch(Provider, "post", three_times)
