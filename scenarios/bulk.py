"""Operators find workflows by a query, and do the same to all of them at once."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from random import Random

from msgspec import Struct

from harness.driver import App
from harness.records.effects import Fact
from harness.records.operations import Iteration, Kind, Operation
from harness.records.verdicts import Finding
from harness.scenario import Scenario, Stores
from scenarios import flights
from scenarios.controlled import (
    ACT,
    BY,
    LET_GO,
    POLL_SECONDS,
    REASON,
    begun,
    carried_out,
    finding,
    newest,
    observed,
    start_load,
    unsigned,
)
from scenarios.loaded import RECONCILE
from scenarios.pipeline import LoadFlights, Slice
from system.control.models import (
    BULK,
    Action,
    BulkReport,
    BulkRequest,
    Cancel,
    Pause,
    Preview,
    Reset,
    Resume,
    Retry,
    Terminate,
)
from system.control.preview import preview
from system.errors import Unavailable

STORIES: Mapping[str, Sequence[Action]] = {
    "resumed": (Pause(), Resume()),
    "cancelled": (Pause(), Cancel()),
    "terminated": (Pause(), Terminate()),
    "retried": (Pause(), Terminate(), Retry(), LET_GO),
    "reset": (Pause(), Reset(to="first_task"), LET_GO),
}
"""What is done to all of the loads, one thing after the other."""
ENDS = {"canceled": "cancel", "terminated": "terminate"}
"""For each closing status that only control brings about, the action."""
VISIBLE_SECONDS = 60.0


class Many(Struct, frozen=True):
    """Stretches of the flights; how many of their loads are paused from the start; what becomes of all; how fast."""

    loads: tuple[Slice, ...]
    waiting: int
    story: str
    rate: float


class ManyLoads(Scenario[Many]):
    """Several loads are found by a query and paused at once; then all are let go, ended, or run again."""

    name = "control-bulk"
    proves = (
        "two to six loads are previewed, paused, and resumed, cancelled, terminated, retried or reset in bulk, once"
    )
    ends = frozenset({"completed", "canceled", "terminated"})
    rows = LoadFlights("control-bulk", proves, rows=(200, 800))

    def warm_up(self) -> None:
        flights.read()

    def draw(self, rng: Random) -> Many:
        loads = tuple(self.rows.draw(rng) for _ in range(rng.randint(2, 6)))
        return Many(loads, rng.randint(1, len(loads)), rng.choice(tuple(STORIES)), rng.choice((2.0, 5.0, 50.0)))

    async def run(self, app: App, given: Many) -> None:
        loads = [
            await start_load(app, load, f"load-{number}", paused=number < given.waiting)
            for number, load in enumerate(given.loads)
        ]
        await asyncio.gather(*(begun(app, load) for load in loads))
        query = f"WorkflowId STARTS_WITH '{app.iteration.id('load-')}'"
        runs = len(loads)
        for number, action in enumerate(STORIES[given.story]):
            seen = await _previewed(app, action, query, runs)
            request = BulkRequest(
                by=BY, reason=REASON, query=query, action=action, token=seen.token, sample=seen.sample, rate=given.rate
            )
            report = await app.result(await app.start(BULK, request, part=f"bulk-{number}", result_type=BulkReport))
            if isinstance(action, Reset | Retry) and report.value is not None:
                runs += report.value.counts.done
        await asyncio.gather(*[app.result(await newest(app, load)) for load in loads])

    async def observe(self, stores: Stores, iterations: Sequence[Iteration]) -> Mapping[int, Sequence[Fact]]:
        return await observed(stores, iterations)

    def check(self, given: Many, operations: Sequence[Operation], facts: Sequence[Fact]) -> Sequence[Finding]:
        """Every load was a target of every operation, and what became of it is what was done to it."""
        ended = {op.workflow_id: op.status for op in operations if op.kind is Kind.RESULT}
        loads = {workflow: status for workflow, status in ended.items() if ".load-" in workflow}
        operated = {workflow for workflow, status in ended.items() if workflow not in loads and status == "completed"}
        if len(operated) < len(STORIES[given.story]) or len(loads) < len(given.loads):
            return []
        findings = unsigned(facts)
        for operation, targets in _targets(facts).items():
            if targets != set(loads):
                message = f"it was to act on {len(loads)} loads, and has {len(targets)} of them for targets"
                findings.append(finding(operation, "lost", message))
        for workflow, status in loads.items():
            findings += self._wrong_end(given, workflow, status, facts)
        return findings

    def _wrong_end(self, given: Many, workflow: str, status: str | None, facts: Sequence[Fact]) -> list[Finding]:
        last = STORIES[given.story][-1].kind
        done = {kind for fact in facts for kind in fact.values if carried_out(fact, kind) and _of(fact) == workflow}
        waited = int(workflow.rpartition("-")[2]) < given.waiting
        findings = []
        if status == "completed" and not any(fact.step == RECONCILE and fact.workflow_id == workflow for fact in facts):
            findings.append(finding(workflow, "lost", "it completed, and its load is not reconciled"))
        if status in ENDS and ENDS[status] not in done:
            findings.append(finding(workflow, "impossible", f"it was {status}, and nobody has done that"))
        elif status in ENDS and ENDS[status] != last:
            findings.append(finding(workflow, "lost", f"it was {status}, and is to be {given.story}"))
        if status == "completed" and waited and last in done & set(ENDS.values()):
            findings.append(finding(workflow, "lost", f"it was paused, then {given.story}, and completed"))
        return findings


def _targets(facts: Sequence[Fact]) -> Mapping[str, set[str]]:
    """The workflows that each operation had for targets."""
    targets: dict[str, set[str]] = defaultdict(set)
    for fact in facts:
        if fact.step == ACT:
            targets[fact.workflow_id].add(_of(fact))
    return targets


def _of(fact: Fact) -> str:
    """The workflow that an action was for."""
    return fact.item.partition("/")[0]


async def _previewed(app: App, action: Action, query: str, number: int) -> Preview:
    """Preview until visibility has caught up; what is still missing after so long is not acted on."""
    loop = asyncio.get_running_loop()
    until = loop.time() + VISIBLE_SECONDS
    while True:
        with contextlib.suppress(Unavailable):  # under faults
            seen = await preview(app.client, action, query)
            if seen.count >= number or loop.time() > until:
                return seen
        await asyncio.sleep(POLL_SECONDS)
