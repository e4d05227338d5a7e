"""Batches whose items are done, fail, and are cancelled in any order, paused meanwhile: every item is accounted for."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Literal

import pytest
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from pauses import started_while_paused
from temporalio.client import Plugin, WorkflowUpdateFailedError
from temporalio.service import RPCError

from harness.modeltest import QUICK, Models, TemporalMachine
from harness.watching import histories
from system.cache.cache import Cache
from system.control.pausable import PAUSE, RESUME, Order
from system.dead_letters.activities import DeadLetterActivities
from system.errors import TaskRejected
from system.pipeline.summaries import Summaries
from system.plugin import SystemPlugin
from system.records import Record
from system.search_attributes import register
from system.settings import Settings
from system.storage.pool import Pool, open_pool
from system.tasks import rules
from system.tasks.activities import TaskActivities
from system.tasks.handlers import REGISTRY
from system.tasks.models import CANCEL_ITEM, BatchReport, BatchRequest, CancelRequest, Item, WasCancelled
from system.tasks.registry import Context, Registry
from system.tasks.workflow import Batch

pytestmark = pytest.mark.models

OPERATOR = Order(by="an operator", reason="a test")
ITEMS = 6
End = Literal["done", "failed"]
numbers = st.integers(0, ITEMS - 1)


class Nothing(Record):
    """What an item is given, and what it returns."""


class Stage:
    """A handler, `test.stage`, whose items stay on until they are told how to end."""

    def __init__(self) -> None:
        registry = Registry()
        registry.handler("test.stage", timeout=60)(self._perform)
        self.handler = registry.find("test.stage")
        self.clear()

    def clear(self) -> None:
        self.ends: dict[str, End] = {}
        self.most = 0
        """How many were on at a time."""
        self._on = 0
        self._told = asyncio.Condition()

    async def tell(self, key: str, end: End) -> None:
        """Tell an item how to end; it may be on already, or not yet."""
        async with self._told:
            self.ends.setdefault(key, end)
            self._told.notify_all()

    async def _perform(self, given: Nothing, context: Context) -> Nothing:
        self._on += 1
        self.most = max(self.most, self._on)
        try:
            async with self._told:
                await self._told.wait_for(lambda: context.item in self.ends)
        finally:
            self._on -= 1
        if self.ends[context.item] == "failed":
            raise TaskRejected("told to fail")
        return given


@asynccontextmanager
async def pool_of(settings: Settings) -> AsyncIterator[Pool]:
    pool = await open_pool(settings)
    yield pool
    pool.terminate()


class Batches(TemporalMachine):
    """Runs one batch, whose items end as the model says."""

    def __init__(self, models: Models, settings: Settings, stage: Stage) -> None:
        super().__init__(models)
        self.stage = stage
        stage.clear()
        self.pool = self.enter(pool_of(settings))
        self.on_loop(register(self.temporal.client))
        letters = DeadLetterActivities(self.pool, self.temporal.client, self.temporal.task_queue)
        tasks = TaskActivities(self.pool, Summaries(self.pool, Cache(None)))
        self.run_worker(activities=[*tasks.all, *letters.all])
        self.ends: dict[str, End] = {}
        self.cancelled: set[str] = set()

    @initialize(concurrency=st.integers(1, 3))
    def begin(self, concurrency: int) -> None:
        self.concurrency = concurrency
        items = tuple(Item(key=str(number), handler="test.stage") for number in range(ITEMS))
        self.batch = self.start(Batch.run, BatchRequest(items=items, concurrency=concurrency))

    @rule(item=numbers, end=st.sampled_from(["done", "failed"]))
    def tell(self, item: int, end: End) -> None:
        self.ends.setdefault(str(item), end)
        self.on_loop(self.stage.tell(str(item), end))

    @rule(item=numbers)
    def cancel_item(self, item: int) -> None:
        """Cancel an item; refused, if it has ended or the batch has not begun or is over."""
        with suppress(WorkflowUpdateFailedError, RPCError):
            request = CancelRequest(item=str(item), by="ann", reason="a test")
            found: Any = self.update(self.batch, CANCEL_ITEM, request)
            assert WasCancelled.model_validate(found).state in {"waiting", "running"}
            self.cancelled.add(str(item))

    @rule()
    def pause(self) -> None:
        self.order(PAUSE)

    @precondition(lambda self: len(self.ends) < ITEMS)
    @rule(end=st.sampled_from(["done", "failed"]))
    def tell_the_next_while_paused(self, end: End) -> None:
        """There is room for another item then, which must wait."""
        self.pause()
        self.tell(min(set(range(ITEMS)) - set(map(int, self.ends))), end)

    @rule()
    def resume(self) -> None:
        self.order(RESUME)

    def order(self, signal: str) -> None:
        with suppress(RPCError):  # the batch may be over
            self.signal(self.batch, signal, OPERATOR)

    def settle(self) -> None:
        """Let every item end, and see what is said of it."""
        self.resume()
        for item in range(ITEMS):
            self.tell(item, "done")
        report = BatchReport.model_validate(self.result(self.batch))
        assert self.stage.most <= self.concurrency
        runs = self.on_loop(histories(self.temporal.client, [self.batch.id]))
        assert [name for run in runs for name in started_while_paused(run.events)] == []
        self.on_loop(self.check_items(report))

    async def check_items(self, report: BatchReport) -> None:
        rows = await self.pool.fetch(
            "SELECT key, task_items.state FROM task_items JOIN task_batches ON id = batch_id WHERE workflow_id = $1",
            self.batch.id,
        )
        states = {row["key"]: row["state"] for row in rows}
        counts = Counter(states.values())
        assert counts == {
            state: count for state in ("done", "failed", "cancelled") if (count := getattr(report, state))
        }
        assert sum(counts.values()) == ITEMS
        letters = "SELECT count(*) FROM dead_letters WHERE workflow_id = $1 AND state = 'open'"
        assert await self.pool.fetchval(letters, self.batch.id) == counts["failed"]
        for key, state in states.items():
            assert state in {self.ends[key]} | ({"cancelled"} if key in self.cancelled else set())


@pytest.fixture(scope="module")
def temporal_plugins() -> list[Plugin]:
    return [SystemPlugin()]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()
    monkeypatch.setitem(REGISTRY.handlers, "test.stage", made.handler)
    monkeypatch.setattr(rules, "FULL_HISTORY", 40)
    return made


def test_every_item_is_done_dead_lettered_or_cancelled(
    temporal_model: Models, settings: Settings, stage: Stage
) -> None:
    """In any number of runs; never more at a time than was allowed, and none begun while the batch is paused."""
    temporal_model.check(
        Batches, examples(QUICK, max_examples=4, stateful_step_count=12), settings=settings, stage=stage
    )
