"""Takes a batch on: every item is checked before any of it is stored."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from system.errors import BatchRefused
from system.tasks import store
from system.tasks.models import Item
from system.tasks.registry import Registry
from system.tasks.rules import doubled, ordered, refusal

if TYPE_CHECKING:
    from system.storage.pool import Connection


def check(items: Sequence[Item], registry: Registry) -> list[Item]:
    """Return the items so that each comes after those it needs, once all of them can be taken on.

    Raises:
        BatchRefused: there is none; two have one key; a handler is not known or does not take the input; an item
            needs one that is not there; items need each other in a circle. Names the item.

    """
    if not items:
        raise BatchRefused("the batch is empty: expected at least one item")
    twice = doubled(item.key for item in items)
    if twice is not None:
        raise BatchRefused(f"two items have the key {twice!r}: expected keys to be unique in the batch", item=twice)
    needs = {item.key: item.needs for item in items}
    wrong = refusal(needs)
    if wrong is not None:
        raise BatchRefused(wrong)
    for item in items:
        try:
            registry.check(item.handler, json.dumps(item.input, allow_nan=False))
        except (BatchRefused, ValueError) as refused:  # a ValueError: JSON has no NaN and no Infinity
            raise BatchRefused(f"item {item.key!r}: {refused}", item=item.key) from refused
    by_key = {item.key: item for item in items}
    return [by_key[key] for key in ordered(needs)]


async def submit(connection: Connection, workflow_id: str, items: Sequence[Item], registry: Registry) -> store.Batch:
    """Check the items and store them under the id their workflow is to have; the same ones again change nothing.

    Raises:
        BatchRefused: the items will not do, or the id has other items.

    """
    arranged = check(items, registry)
    digest = _digest(items)
    async with connection.transaction():
        batch = await store.insert_batch(connection, workflow_id, digest, arranged)
        batch = batch or await store.find_batch(connection, workflow_id)
    assert batch is not None, "an insert conflicts only with a batch that is there"
    if batch.digest != digest:
        raise BatchRefused(f"{workflow_id!r} has other items already: submit these under a new id")
    return batch


def _digest(items: Sequence[Item]) -> bytes:
    digest = hashlib.sha256()
    for item in items:
        digest.update(item.model_dump_json().encode() + b"\n")
    return digest.digest()
