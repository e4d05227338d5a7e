"""Operators hold a workflow, let it go on, end it and have it run again: one by one, with the command."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random

from msgspec import Struct

from harness.driver import App, Refused, Started
from harness.records.effects import Fact
from harness.records.operations import Ack, Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from scenarios import flights
from scenarios.bulk import ManyLoads
from scenarios.controlled import (
    BY,
    LET_GO,
    POLL_SECONDS,
    REASON,
    begun,
    bring,
    carried_out,
    finding,
    kinds,
    newest,
    observed,
    start_load,
    unsigned,
)
from scenarios.held import PAUSED, pause_facts
from scenarios.pipeline import LoadFlights, Slice
from system.control.models import Action, Reset, Retry, Terminate
from system.control.pausable import PAUSE, RESUME, Order
from system.control.single import act_on
from system.errors import Unavailable
from system.interceptors import TRANSIENT
from system.settings import Settings
from system.storage.pool import open_pool

STORIES: Mapping[str, Sequence[Action]] = {
    "ended": (Reset(to="first_task"), Terminate()),
    "loaded": (Terminate(), Retry(), Reset(to="first_task"), LET_GO),
}
"""What is done to a load that is paused: it ends terminated; or it goes on, fails for want of its file, is retried."""


class Held(Struct, frozen=True):
    """A stretch of the flights, and when its load is paused, and for how long, in seconds."""

    load: Slice
    after: float
    length: float


class PausedLoad(Scenario[Held]):
    """A load of many chunks is paused somewhere in its midst, and later resumed."""

    name = "control-paused"
    proves = "a load paused at any moment starts nothing until it is resumed, and then loads each row once"
    rows = LoadFlights("control-paused", proves, rows=(500, 1_500))

    def warm_up(self) -> None:
        flights.read()

    def draw(self, rng: Random) -> Held:
        return Held(self.rows.draw(rng), round(rng.uniform(0, 1), 3), round(rng.uniform(0.1, 1), 3))

    async def run(self, app: App, given: Held) -> None:
        load = await start_load(app, given.load, concurrency=2)
        await asyncio.sleep(given.after)
        with contextlib.suppress(Refused):  # it may have completed by then
            await app.signal(load, PAUSE, Order(by=BY, reason="to see that nothing starts"))
            await asyncio.sleep(given.length)
            await app.signal(load, RESUME, Order(by=BY, reason="seen"))
        await app.result(load)

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        loaded, paused = await observed(stores, iterations), await pause_facts(stores, iterations, "main")
        return {index: [*facts, *paused.get(index, ())] for index, facts in loaded.items()}

    def check(self, given: Held, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Nothing was started while it was paused, every pause that was acknowledged is known, no row is missing."""
        findings = list(self.rows.check(given.load, operations, facts))
        asked = sum(op.kind is Kind.SIGNAL and op.name == PAUSE and op.ack is Ack.OK for op in operations)
        for fact in facts:
            if fact.step == PAUSED and fact.found:
                findings.append(finding(fact.workflow_id, "impossible", f"paused, it started {fact.found} activities"))
            if fact.step == PAUSED and fact.values["pauses"] < asked:
                findings.append(finding(fact.workflow_id, "lost", "a pause was acknowledged, and it never came"))
        return findings


class One(Struct, frozen=True):
    """A stretch of the flights, and what is done to its load."""

    load: Slice
    story: str


class OneLoad(Scenario[One]):
    """A load that waits is reset and terminated; or terminated, retried, reset, signalled, and retried as it failed."""

    name = "control-single"
    proves = "a load is reset, terminated, retried and signalled by hand; then all its rows are there; all is on record"
    ends = frozenset({"completed", "failed", "terminated"})
    rows = LoadFlights("control-single", proves, rows=(100, 400))

    def warm_up(self) -> None:
        flights.read()

    def draw(self, rng: Random) -> One:
        return One(self.rows.draw(rng), rng.choice(tuple(STORIES)))

    async def run(self, app: App, given: One) -> None:
        load = await start_load(app, given.load, paused=True, late=True)
        for action in STORIES[given.story]:
            await begun(app, await newest(app, load))
            await _by_hand(app, action, load)
        end = await app.result(await newest(app, load))
        if end.status == "failed":
            await bring(app, given.load)
            await _by_hand(app, Retry(), load)
            await app.result(await newest(app, load))

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await observed(stores, iterations)

    def check(self, given: One, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """It ended as its story does, every action is on record, with who and why; retried, every row was read."""
        results = [op for op in operations if op.kind is Kind.RESULT]
        goes_on = given.story == "loaded"
        if len(results) < 1 + goes_on or results[-1].status is None:
            return []
        last, must = results[-1], "completed" if goes_on else "terminated"
        ordered = [*kinds(STORIES[given.story]), *(["retry"] if goes_on else [])]
        findings = unsigned(facts)
        if last.status != must:
            findings.append(finding(last.workflow_id, "misjudged", f"it ended {last.status}, and should be {must}"))
        for kind, times in Counter(ordered).items():
            recorded = sum(carried_out(fact, kind) for fact in facts)
            if recorded < times:
                message = f"{kind} was ordered {times} times, and {recorded} are on record"
                findings.append(finding(last.workflow_id, "lost", message))
        return [*findings, *(self.rows.check(given.load, [last], facts) if goes_on else ())]


CONTROL = (PausedLoad(), OneLoad(), ManyLoads())
"""The scenarios of this domain."""


async def _by_hand(app: App, action: Action, load: Started) -> None:
    """Do it as `control ACTION ID` does, again and again until there is an answer: an operator would."""
    settings = Settings(database_url=app.addresses["postgres.url"], pool_min=1, pool_max=1)
    while True:
        with contextlib.suppress(Unavailable, *TRANSIENT):
            database = await open_pool(settings)
            try:
                await act_on(database, app.client, action, load.id, by=BY, reason=REASON)
            finally:
                database.terminate()
            return
        await asyncio.sleep(POLL_SECONDS)
