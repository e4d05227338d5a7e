"""Batches as tests make them."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import Any

from running_system import App
from temporalio.client import WorkflowHandle

from system.errors import Unavailable
from system.records import Record
from system.tasks.models import BatchReport, BatchRequest, Item
from system.tasks.registry import Context, Registry
from system.tasks.workflow import Batch

Handle = WorkflowHandle[Batch, BatchReport]


class Gated(Record):
    """Whether an item waits for the gate."""

    waits: bool


def posting(key: str, amount: int = 1, **more: Any) -> Item:
    """An item that posts to an account; an amount of 0 is rejected when it is run."""
    return Item(key=key, handler="account.post", input={"account": "a", "amount": amount}, **more)


def checksum(key: str, text: str = "text", **more: Any) -> Item:
    return Item(key=key, handler="text.checksum", input={"text": text}, **more)


async def start(app: App, items: Sequence[Item] = (), **options: Any) -> Handle:
    """Start a batch under an id of its own, its items in the request."""
    batch_id = options.pop("id", None) or f"batch-{secrets.token_hex(6)}"
    return await app.client.start_workflow(
        Batch.run,
        BatchRequest(items=tuple(items), **options),
        id=batch_id,
        task_queue=app.settings.task_queue,
    )


async def states(app: App, handle: Handle) -> dict[str, str]:
    """Each item's state, by its key."""
    rows = await app.database.fetch(
        "SELECT key, task_items.state FROM task_items JOIN task_batches ON id = batch_id WHERE workflow_id = $1",
        handle.id,
    )
    return {row["key"]: row["state"] for row in rows}


async def reasons(app: App, handle: Handle) -> dict[str, str]:
    """Why items were not done, by their key."""
    rows = await app.database.fetch(
        """
        SELECT key, reason FROM task_items JOIN task_batches ON id = batch_id
        WHERE workflow_id = $1 AND reason IS NOT NULL
        """,
        handle.id,
    )
    return {row["key"]: row["reason"] for row in rows}


class Gate:
    """A handler, `test.gate`, that lets an item through once its gate is open; registered while a test runs."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.began: list[str] = []
        """Keys, in the order in which attempts began."""
        self.failures = 0
        """How many attempts are still to fail, as if a service were away."""
        registry = Registry()
        registry.handler("test.gate", timeout=60)(self._pass)
        self.handler = registry.find("test.gate")

    async def _pass(self, given: Gated, context: Context) -> Gated:
        """Wait for the gate, if the item is to."""
        self.began.append(context.item)
        if self.failures:
            self.failures -= 1
            raise Unavailable("it is away")
        if given.waits:
            await self.open.wait()
        return given


def gated(key: str, *, waits: bool = True, **more: Any) -> Item:
    return Item(key=key, handler="test.gate", input={"waits": waits}, **more)
