"""Batches of tasks come in and are processed: mixed, depending on each other, cancelled half-way, alike."""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import asyncpg
from msgspec import Struct

from harness.driver import App, Refused, Started
from harness.records.effects import Fact
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from scenarios.batched import OUT_OF_ORDER, RECONCILE, item_facts
from system.tasks.models import (
    BATCH,
    CANCEL_ALL,
    CANCEL_ITEM,
    PROGRESS,
    BatchReport,
    BatchRequest,
    CancelAllRequest,
    CancelRequest,
    Item,
    Progress,
)

PATIENCE = 100
"""Attempts of each item: no fault that heals within an iteration is to use them up."""
POLL_SECONDS = 0.05
CLOSED = frozenset({"done", "cancelled", "failed"})


class Task(Struct, frozen=True):
    """One item, and what must become of it if nobody cancels it."""

    key: str
    handler: str
    input: dict[str, Any]
    needs: tuple[str, ...] = ()
    priority: int = 3
    tenant: str = ""
    fails: str = ""
    """The type of error it must fail with; empty where it must be done."""


class Batch(Struct, frozen=True):
    """The items of a batch, and what the operator does meanwhile."""

    tasks: tuple[Task, ...]
    concurrency: int
    cancel: str = ""
    """An item's key, or "*" for all of them."""
    after: int = 0
    """How many items have ended when it is cancelled, at the least."""


class _Batches(Scenario[Batch]):
    """What the scenarios of this domain share: a batch goes in, and each of its items comes to its end."""

    async def run(self, app: App, given: Batch) -> None:
        started = await self._start(app, given)
        await app.result(started)

    async def _start(self, app: App, given: Batch) -> Started:
        items = tuple(
            Item(
                key=task.key,
                handler=task.handler,
                input=task.input,
                needs=task.needs,
                priority=task.priority,
                tenant=task.tenant or None,
                attempts=PATIENCE,
            )
            for task in given.tasks
        )
        request = BatchRequest(items=items, concurrency=given.concurrency)
        return await app.start(BATCH, request, result_type=BatchReport)

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        assert isinstance(stores.postgres, asyncpg.Pool)
        async with stores.postgres.acquire() as connection:
            return await item_facts(connection, iterations)

    def check(self, given: Batch, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Of a batch that completed, every item has come to the end it must come to, in order, and it is closed."""
        if not any(op.kind is Kind.RESULT and op.status == "completed" for op in operations):
            return []
        workflow_id = operations[0].workflow_id
        found = {fact.item: fact.values for fact in facts if fact.step != RECONCILE}
        closed = [fact for fact in facts if fact.step == RECONCILE]
        allowed = self._allowed(given, operations)
        findings = [
            Finding(problem=problem, message=message, workflow_id=workflow_id, item=key)
            for key in allowed.keys() | found.keys()
            for problem, message in _misjudged(key, allowed.get(key, frozenset()), found.get(key))
        ]
        if not closed:
            findings.append(_finding("lost", "the workflow completed, and its batch is not closed", workflow_id))
        disorder = sum(fact.values[OUT_OF_ORDER] for fact in closed)
        if disorder:
            findings.append(_finding("disorder", f"{disorder} times an item began before one it needs", workflow_id))
        return findings

    def _allowed(self, given: Batch, operations: Sequence[Operation]) -> dict[str, frozenset[str]]:
        """The ends that each item may have come to."""
        return _ends(given.tasks)


class Mixed(_Batches):
    """Handlers of every kind side by side; some items must fail."""

    def __init__(self, name: str, proves: str, *, tasks: tuple[int, int], weight: float) -> None:
        self.name = name
        self.proves = proves
        self.weight = weight
        self.least, self.most = tasks

    def draw(self, rng: Random) -> Batch:
        tasks = tuple(_task(rng, f"item-{number}") for number in range(rng.randint(self.least, self.most)))
        return Batch(tasks, rng.choice((1, 4, 16)))


class Depending(_Batches):
    """Items need others, some of which must fail."""

    name = "tasks-dag"
    proves = "a task begins once all it needs are done, and is skipped where one of them failed, directly or not"

    def draw(self, rng: Random) -> Batch:
        return Batch(_graph(rng, rng.randint(8, 40)), rng.choice((2, 8)))


class Cancelled(_Batches):
    """An operator cancels one item, or all, at a drawn moment."""

    name = "tasks-cancel"
    proves = "cancelled half-way, each task is done whole, or not at all and recorded as cancelled or skipped"

    def draw(self, rng: Random) -> Batch:
        tasks = tuple(task for task in _graph(rng, rng.randint(30, 60), failing=0.0))
        cancel = rng.choice(("*", rng.choice(tasks).key))
        return Batch(tasks, rng.choice((2, 8)), cancel, rng.randrange(len(tasks)))

    async def run(self, app: App, given: Batch) -> None:
        started = await self._start(app, given)
        await self._until(app, started, given.after)
        try:
            if given.cancel == "*":
                await app.update(started, CANCEL_ALL, CancelAllRequest(by="operator", reason="drawn"))
            else:
                await app.update(started, CANCEL_ITEM, CancelRequest(item=given.cancel, by="operator", reason="drawn"))
        except Refused:
            pass  # it came too late, which is recorded
        await app.result(started)

    async def _until(self, app: App, started: Started, ended: int) -> None:
        while True:
            progress: Progress | None = await app.query(started, PROGRESS, result_type=Progress)
            if progress is not None and (progress.state in CLOSED or _ended(progress) >= ended):
                return
            await asyncio.sleep(POLL_SECONDS)

    def _allowed(self, given: Batch, operations: Sequence[Operation]) -> dict[str, frozenset[str]]:
        ends = _ends(given.tasks)
        orders = [op.ack for op in operations if op.kind is Kind.UPDATE]
        if all(ack is Ack.FAIL for ack in orders):
            return ends
        reached = ends.keys() if given.cancel == "*" else {given.cancel} | _behind(given.tasks, {given.cancel})
        return {key: allowed | {"cancelled", "skipped"} if key in reached else allowed for key, allowed in ends.items()}


class Alike(_Batches):
    """The same content, again and again."""

    name = "tasks-cached"
    proves = "of tasks with the same content one is computed, and the others take its result"

    def draw(self, rng: Random) -> Batch:
        content = {"text": f"content {rng.getrandbits(64):x}"}
        first = Task("first", "text.checksum", content)
        copies = (Task(f"copy-{n}", "text.checksum", content, needs=("first",)) for n in range(rng.randint(5, 20)))
        return Batch((first, *copies), 4)

    def check(self, given: Batch, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """A copy that began when the first was done must not have been computed."""
        computed = [fact for fact in facts if fact.item.startswith("copy-") and not fact.values["cached"]]
        return [
            *super().check(given, operations, facts),
            *(_finding("recomputed", f"{fact.item} was computed again", fact.workflow_id) for fact in computed),
        ]


TASKS = (
    Mixed(
        "tasks-one",
        "one task is done once, or fails for the reason it must: the smallest batch",
        tasks=(1, 1),
        weight=300,
    ),
    Mixed(
        "tasks-batch",
        "each of 20 to 60 tasks is done once, or fails for the reason it must, and none stops another",
        tasks=(20, 60),
        weight=1,
    ),
    Depending(),
    Cancelled(),
    Alike(),
)
"""Batches are as frequent in a mix as they are small."""


def _task(rng: Random, key: str, *, failing: float = 0.15) -> Task:
    kind = rng.choice(("post", "checksum", "normalise", "file", "summary"))
    fails = rng.random() < failing
    chosen: dict[str, Any] = {"priority": rng.randint(1, 5), "tenant": rng.choice(("red", "green", ""))}
    if kind == "post":
        posting = {"account": rng.choice("abc"), "amount": 0 if fails else rng.randint(1, 10**6)}
        return Task(key, "account.post", posting, fails="TaskRejected" if fails else "", **chosen)
    if kind == "normalise":
        rough = {"values": {"n": "many" if fails else f" {rng.randrange(99)} "}, "fields": {"n": {"type": "integer"}}}
        return Task(key, "record.normalise", rough, fails="TaskRejected" if fails else "", **chosen)
    if kind == "summary":
        dataset = f"never_{rng.randrange(10**6)}" if fails else rng.choice(("airlines", "airports", "planes"))
        return Task(key, "dataset.summary", {"dataset": dataset}, fails="TaskRejected" if fails else "", **chosen)
    if kind == "file" and fails:
        return Task(key, "file.checksum", {"path": f"nonexistent/{key}"}, fails="SourceMissing", **chosen)
    return Task(key, "text.checksum", {"text": f"{key} {rng.getrandbits(64):x}"}, **chosen)


def _graph(rng: Random, size: int, *, failing: float = 0.15) -> tuple[Task, ...]:
    """Tasks of which each needs up to three earlier ones, in any order."""
    keys = [f"item-{number}" for number in range(size)]
    tasks = []
    for number, key in enumerate(keys):
        task = _task(rng, key, failing=failing)
        needs = tuple(sorted(rng.sample(keys[:number], min(number, rng.choice((0, 1, 1, 2, 3))))))
        tasks.append(Task(key, task.handler, task.input, needs, task.priority, task.tenant, task.fails))
    rng.shuffle(tasks)
    return tuple(tasks)


def _ends(tasks: Sequence[Task]) -> dict[str, frozenset[str]]:
    skipped = _behind(tasks, {task.key for task in tasks if task.fails})
    return {task.key: frozenset({"skipped"} if task.key in skipped else {task.fails or "done"}) for task in tasks}


def _behind(tasks: Sequence[Task], lost: set[str]) -> set[str]:
    """The tasks that need one of these, directly or not."""
    behind: set[str] = set()
    while True:
        more = {task.key for task in tasks if (lost | behind).intersection(task.needs)} - behind
        if not more:
            return behind
        behind |= more


def _ended(progress: Progress) -> int:
    return progress.items - progress.waiting - progress.running


def _misjudged(key: str, allowed: frozenset[str], values: Mapping[str, int] | None) -> Sequence[tuple[str, str]]:
    if values is None:
        return [("lost", f"{key} came to no end")]
    if any(values.get(end) for end in allowed):
        return []
    told = ", ".join(name for name, value in values.items() if value)
    return [("misjudged", f"{key} ended as {told}; it must be {' or '.join(sorted(allowed)) or 'unknown'}")]


def _finding(problem: str, message: str, workflow_id: str) -> Finding:
    return Finding(problem=problem, message=message, workflow_id=workflow_id)
